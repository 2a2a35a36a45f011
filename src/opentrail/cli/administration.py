"""``opentrail users``, ``roles``, ``keys`` and ``signing-keys``."""

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from opentrail.cli.console import Context, HomeOption, output, print_table
from opentrail.cli.help_pages import HelpGroup
from opentrail.cli.qr_code import qr_text
from opentrail.errors import OperatorError
from opentrail.home import write_private

users_app = typer.Typer(help="Users of this installation and what they may do.", no_args_is_help=True)
mfa_app = typer.Typer(help="Virtual MFA devices of users: one-time codes for STS.", no_args_is_help=True)
users_app.add_typer(mfa_app, name="mfa", cls=HelpGroup)
roles_app = typer.Typer(help="Roles that users and keys may assume.", no_args_is_help=True)
keys_app = typer.Typer(help="Access keys: make, import, switch off, delete.", no_args_is_help=True)
signing_keys_app = typer.Typer(help="The keys that sign digest files.", no_args_is_help=True)

PolicyOption = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", exists=True, dir_okay=False, help="A policy document (JSON).")
]
NoneOption = Annotated[bool, typer.Option("--none", help="Take every permission away.")]
ManagedOption = Annotated[
    str, typer.Option("--managed", metavar="NAME", help="A managed policy, such as AWSCloudTrail_ReadOnlyAccess.")
]
AccountOption = Annotated[
    str, typer.Option("--account", metavar="ID", help="In this account; default: the installation's own.")
]
MfaNameArgument = Annotated[str, typer.Argument(metavar="[NAME]", show_default=False)]
OwnerOption = Annotated[bool, typer.Option("--owner", help="The owner's device, which MFA delete asks for.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path} cannot be read as text") from error


def _print_json(answer: object) -> None:
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())


def _yes_no(is_so: bool) -> str:
    return "yes" if is_so else "no"


@users_app.command("create")
def create_user(
    context: typer.Context,
    name: str,
    policy: PolicyOption = None,
    managed: ManagedOption = "",
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Make a user; without a policy it may do nothing."""
    arguments = {"name": name, "policy": _read(policy), "managed": managed, "account": account}
    answer = Context.of(context, home).run("create_user", **arguments)
    output.print(f"Created the user {answer['arn']}")
    where = f" --account {account}" if account else ""
    output.print(f"Next: opentrail keys create --user {name}{where} --save", style="dim")


@users_app.command("list")
def list_users(
    context: typer.Context, as_json: JsonOption = False, account: AccountOption = "", home: HomeOption = None
) -> None:
    """List the users."""
    answer = Context.of(context, home).run("list_users", account=account)
    if as_json:
        _print_json(answer)
        return
    rows = [
        [user["name"], _yes_no(user["has_policy"]), _yes_no(user["has_mfa"]), user["arn"]] for user in answer["users"]
    ]
    print_table(["User", "Has a policy", "MFA", "ARN"], rows, "No users yet: opentrail users create NAME")


@mfa_app.command("enable")
def enable_mfa(
    context: typer.Context,
    name: MfaNameArgument = "",
    owner: OwnerOption = False,
    as_json: JsonOption = False,
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Give a user, or the owner, an MFA device. Its secret is shown once: put it into an authenticator now."""
    _check_one(name, owner)
    answer = Context.of(context, home).run("enable_mfa", name=name, account=account)
    if as_json:
        _print_json(answer)
        return
    output.print(f"# the MFA device of {name or 'the owner'}; its secret is not shown again")
    typer.echo(answer["otpauth_uri"])
    code = qr_text(answer["otpauth_uri"])
    if code is not None:
        output.print(code, style="bright_white on black")
    output.print(f"# by hand: {answer['secret']} (time based, SHA-1, 6 digits, 30 seconds)")
    if owner:
        output.print("Next: opentrail archive set NAME --mfa-delete")
        return
    output.print(f"Next: aws sts get-session-token --serial-number {answer['serial_number']} --token-code CODE")


@mfa_app.command("disable")
def disable_mfa(
    context: typer.Context,
    name: MfaNameArgument = "",
    owner: OwnerOption = False,
    mfa: Annotated[str, typer.Option("--mfa", metavar="CODE", help="A one-time code of the owner's device.")] = "",
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Take a user's MFA device away; the owner's only with a code of it."""
    _check_one(name, owner)
    code = {"mfa_code": mfa} if owner else {}
    Context.of(context, home).run("disable_mfa", name=name, account=account, **code)
    output.print(f"{name or 'The owner'} has no MFA device any more")


def _check_one(name: str, owner: bool) -> None:
    if bool(name) == owner:
        raise OperatorError("whose MFA device? Give a user's NAME, or --owner")


@users_app.command("delete")
def delete_user(context: typer.Context, name: str, account: AccountOption = "", home: HomeOption = None) -> None:
    """Delete a user with its keys and its MFA device."""
    Context.of(context, home).run("delete_user", name=name, account=account)
    output.print(f"Deleted the user {name} and its keys")


@users_app.command("policy")
def put_user_policy(
    context: typer.Context,
    name: str,
    policy: PolicyOption = None,
    managed: ManagedOption = "",
    none: NoneOption = False,
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Replace what a user may do with Opentrail's own services."""
    _put_policy(Context.of(context, home), "user", name, policy, managed, none, account)


@roles_app.command("policy")
def put_role_policy(
    context: typer.Context,
    name: str,
    policy: PolicyOption = None,
    managed: ManagedOption = "",
    none: NoneOption = False,
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Replace what a role's sessions may do with Opentrail's own services."""
    _put_policy(Context.of(context, home), "role", name, policy, managed, none, account)


def _put_policy(
    chosen: Context, kind: str, name: str, policy: Path | None, managed: str, none: bool, account: str
) -> None:
    if not none and policy is None and not managed:
        raise OperatorError("give --policy FILE or --managed NAME, or --none to take every permission away")
    if none and (policy is not None or managed):
        raise OperatorError("--none stands alone")
    arguments = {"kind": kind, "name": name, "policy": _read(policy), "managed": managed, "account": account}
    answer = chosen.run("put_policy", **arguments)
    output.print(f"{answer['arn']} {'may do nothing any more' if none else 'has a new policy'}")


@roles_app.command("create")
def create_role(
    context: typer.Context,
    name: str,
    trust: Annotated[
        Path, typer.Option("--trust", metavar="FILE", exists=True, dir_okay=False, help="Who may assume it (JSON).")
    ],
    policy: PolicyOption = None,
    managed: ManagedOption = "",
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Make a role that sts AssumeRole hands out."""
    policies = {"trust_policy": _read(trust), "policy": _read(policy), "managed": managed}
    arguments = {"name": name, "account": account, **policies}
    answer = Context.of(context, home).run("create_role", **arguments)
    output.print(f"Created the role {answer['arn']}")


@roles_app.command("list")
def list_roles(
    context: typer.Context, as_json: JsonOption = False, account: AccountOption = "", home: HomeOption = None
) -> None:
    """List the roles."""
    answer = Context.of(context, home).run("list_roles", account=account)
    if as_json:
        _print_json(answer)
        return
    rows = [[role["name"], role["arn"], _yes_no(role["has_policy"])] for role in answer["roles"]]
    print_table(["Role", "ARN", "Has a policy"], rows, "No roles yet: opentrail roles create NAME --trust FILE")


@roles_app.command("delete")
def delete_role(context: typer.Context, name: str, account: AccountOption = "", home: HomeOption = None) -> None:
    """Delete a role."""
    Context.of(context, home).run("delete_role", name=name, account=account)
    output.print(f"Deleted the role {name}")


@keys_app.command("create")
def create_key(
    context: typer.Context,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Whose key; default: the account's Root.")] = "",
    save: Annotated[
        bool, typer.Option("--save", help="Keep it in the home (0600), for `opentrail exec --as NAME`.")
    ] = False,
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Make an access key. The secret is shown once."""
    chosen = Context.of(context, home)
    if save and not user:
        raise OperatorError("--save keeps a user's key: give --user NAME (the owner's key is kept already)")
    answer = chosen.run("create_key", user=user, account=account)
    if save:
        name = f"{account}/{user}" if account else user
        path = chosen.home.user_key_file(name)
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        write_private(path, orjson.dumps(answer))
        output.print(f"Created a key of {answer['arn']}: opentrail exec --as {name} -- COMMAND")
        return
    output.print(f"# a key of {answer['arn']}; its secret is not shown again")
    output.print(f"export AWS_ACCESS_KEY_ID={answer['access_key_id']}")
    output.print(f"export AWS_SECRET_ACCESS_KEY={answer['secret_access_key']}")


@keys_app.command("import")
def import_key(
    context: typer.Context,
    access_key_id: str,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Whose key; default: the account's Root.")] = "",
    account: AccountOption = "",
    home: HomeOption = None,
) -> None:
    """Register an upstream's key pair, so that one pair serves both. The secret is asked for, or read from a pipe.

    A user that is missing is made, and said to be.
    """
    if sys.stdin.isatty():
        secret = typer.prompt("Secret access key", hide_input=True, err=True).strip()
    else:
        secret = sys.stdin.readline().strip()
    key_pair = {"access_key_id": access_key_id, "secret_access_key": secret}
    arguments = {**key_pair, "user": user, "account": account}
    answer = Context.of(context, home).run("import_key", **arguments)
    if answer["has_made_user"]:
        output.print(f"Made the user {user}, who has no policy: `opentrail users policy {user}` gives one")
    output.print(f"Calls signed with {access_key_id} are now recorded, verified, as {answer['arn']}")


@keys_app.command("list")
def list_keys(
    context: typer.Context, as_json: JsonOption = False, account: AccountOption = "", home: HomeOption = None
) -> None:
    """List the access keys, never their secrets."""
    answer = Context.of(context, home).run("list_keys", account=account)
    if as_json:
        _print_json(answer)
        return
    rows = [[key["access_key_id"], key["status"], key["origin"], key["arn"]] for key in answer["keys"]]
    print_table(["Access key", "Status", "Origin", "Identity"], rows, "No keys yet: opentrail keys create")


@keys_app.command("disable")
def disable_key(context: typer.Context, access_key_id: str, home: HomeOption = None) -> None:
    """Switch a key off; calls signed with it are refused."""
    Context.of(context, home).run("set_key_active", access_key_id=access_key_id, is_active=False)
    output.print(f"{access_key_id} is inactive")


@keys_app.command("enable")
def enable_key(context: typer.Context, access_key_id: str, home: HomeOption = None) -> None:
    """Switch a key on again."""
    Context.of(context, home).run("set_key_active", access_key_id=access_key_id, is_active=True)
    output.print(f"{access_key_id} is active")


@keys_app.command("delete")
def delete_key(context: typer.Context, access_key_id: str, home: HomeOption = None) -> None:
    """Delete a key."""
    Context.of(context, home).run("delete_key", access_key_id=access_key_id)
    output.print(f"Deleted the key {access_key_id}")


@signing_keys_app.command("rotate")
def rotate_signing_key(
    context: typer.Context,
    region: Annotated[str, typer.Option("--region", help="Default: the home's Region.")] = "",
    home: HomeOption = None,
) -> None:
    """Sign later digests with a new key; earlier digests stay valid."""
    answer = Context.of(context, home).run("rotate_signing_key", region=region)
    output.print(f"Digests of {answer['region']} are now signed by the key {answer['fingerprint']}")
