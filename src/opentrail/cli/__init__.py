"""The ``opentrail`` command: every command's name, options and help; the work is done by the layers below."""

import sys

import typer

from opentrail.cli.administration import keys_app, roles_app, signing_keys_app, users_app
from opentrail.cli.archives import archive_app
from opentrail.cli.console import Context, print_error
from opentrail.cli.doctoring import doctor_command
from opentrail.cli.execution import exec_command
from opentrail.cli.follow import follow_command
from opentrail.cli.guard import guard_app
from opentrail.cli.help_pages import WIDTH, HelpGroup
from opentrail.cli.imports import import_command, imports_command
from opentrail.cli.lake import lake_app
from opentrail.cli.lake_verification import verify_lake_command
from opentrail.cli.logs import logs_app
from opentrail.cli.lookup import lookup_command
from opentrail.cli.master_key import master_key_app
from opentrail.cli.matching import match_command
from opentrail.cli.proofs import check_proof_command, prove_command
from opentrail.cli.query import query_command
from opentrail.cli.replay import replay_command
from opentrail.cli.result_verification import verify_query_results_command
from opentrail.cli.serving import serve_command, settings_command, status_command
from opentrail.cli.signing_keys import list_signing_keys
from opentrail.cli.targets import targets_app
from opentrail.cli.validation import validate_logs_command
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable

app = typer.Typer(
    name="opentrail",
    help="CloudTrail that you run yourself: every API call on record, tamper-evident, found with the tools you have.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    cls=HelpGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)
app.callback()(Context.from_options)
app.command("serve")(serve_command)
app.command(
    "exec",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[--as USER] -- COMMAND...",
)(exec_command)
app.command("lookup")(lookup_command)
app.command("import")(import_command)
app.command("imports")(imports_command)
app.command("follow")(follow_command)
app.command("match")(match_command)
app.command("query")(query_command)
app.command("replay")(replay_command)
app.command("validate-logs")(validate_logs_command)
app.command("verify-lake")(verify_lake_command)
app.command("verify-query-results")(verify_query_results_command)
app.command("prove")(prove_command)
app.command("check-proof")(check_proof_command)
app.command("settings")(settings_command)
app.command("status")(status_command)
app.command("doctor")(doctor_command)
app.add_typer(users_app, name="users", cls=HelpGroup)
app.add_typer(roles_app, name="roles", cls=HelpGroup)
app.add_typer(keys_app, name="keys", cls=HelpGroup)
app.add_typer(archive_app, name="archive", cls=HelpGroup)
app.add_typer(lake_app, name="lake", cls=HelpGroup)
app.add_typer(guard_app, name="guard", cls=HelpGroup)
app.add_typer(logs_app, name="logs", cls=HelpGroup)
signing_keys_app.command("list")(list_signing_keys)
app.add_typer(signing_keys_app, name="signing-keys", cls=HelpGroup)
app.add_typer(targets_app, name="targets", cls=HelpGroup)
app.add_typer(master_key_app, name="master-key", cls=HelpGroup)


def main() -> None:
    """Run one command; an OperatorError, or a store that does not answer, becomes one sentence on standard error and
    exit code 2."""
    try:
        app(standalone_mode=True)
    except OperatorError as error:
        print_error(str(error))
        sys.exit(2)
    except Unavailable as error:
        print_error(f"a store does not answer: {error}; when the disk is full, make room and try again")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}")
        sys.exit(2)
