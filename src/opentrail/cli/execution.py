"""``opentrail exec``: run any AWS client with its environment pointed at this installation."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from opentrail.cli.console import Context, HomeOption, errors
from opentrail.errors import OperatorError
from opentrail.home import Home

BYPASSING_SERVICES = frozenset({"sqs", "rds", "docdb", "neptune", "health"})
"""Commands of AWS CLI v1 that go to AWS itself although AWS_ENDPOINT_URL is set (measured with 1.46; sqs and rds in
us-east-1 and us-west-2): only ``--endpoint-url`` reaches them."""

VERSION_SECONDS = 10


def exec_command(
    context: typer.Context,
    as_user: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="USER",
            help="Sign as this user (keys create --user USER --save), in another account as ID/USER.",
        ),
    ] = "",
    home: HomeOption = None,
) -> None:
    """Run any AWS client with the gateway as its endpoint.

    \b
    opentrail exec -- aws s3 ls
    opentrail exec --as bob -- python report.py
    """
    command = context.args
    if not command:
        raise OperatorError("say what to run: opentrail exec -- aws sts get-caller-identity")
    chosen = Context.of(context, home).home
    serving = chosen.serving()
    if serving is None:
        raise OperatorError(f"no server holds {chosen.path}: start one with `opentrail --home {chosen.path} serve`")
    environment = client_environment(serving, read_key(chosen, as_user), os.environ)
    executable = shutil.which(command[0], path=environment.get("PATH"))
    if executable is None:
        hint = "; `make setup-clients` puts it into .venv-clients/bin" if command[0] == "aws" else ""
        raise OperatorError(f"{command[0]} is not installed or not on PATH{hint}")
    warn_of_bypass(command, executable, str(serving["gateway_url"]))
    sys.stdout.flush()
    os.execvpe(executable, command, environment)  # noqa: S606 - running the user's own command is the purpose


def read_key(home: Home, as_user: str) -> Mapping[str, str]:
    """Return the owner's or a user's saved key pair. Raises OperatorError."""
    path = home.user_key_file(as_user) if as_user else home.owner_key_file
    try:
        key: dict[str, str] = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        account, _, user = as_user.rpartition("/")
        elsewhere = f" --account {account}" if account else ""
        advice = (
            f"opentrail keys create --user {user} --save{elsewhere}" if as_user else "start the server once to make it"
        )
        raise OperatorError(f"there is no saved key of {as_user or 'the owner'}: {advice}") from error
    return key


def client_environment(
    serving: Mapping[str, object], key: Mapping[str, str], inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return ``inherited`` with what an AWS client needs to call this installation, less what would override it."""
    overriding = (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    )
    environment = {
        name: value
        for name, value in inherited.items()
        if name not in overriding and not name.startswith("AWS_ENDPOINT_URL")
    }
    region = str(serving["region"])
    environment |= {
        "AWS_ENDPOINT_URL": str(serving["gateway_url"]),
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        "AWS_REGION": inherited.get("AWS_REGION", region),
        "AWS_DEFAULT_REGION": inherited.get("AWS_DEFAULT_REGION", inherited.get("AWS_REGION", region)),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return environment


def warn_of_bypass(command: Sequence[str], executable: str, gateway_url: str) -> None:
    """Say so on standard error when this command is known to ignore the endpoint."""
    words = [word for word in command[1:] if not word.startswith("-")]
    service = next((word for word in words if word in BYPASSING_SERVICES), "")
    if Path(command[0]).name != "aws" or not service or "--endpoint-url" in " ".join(command):
        return
    try:
        version = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return
    if "aws-cli/1." in version.stdout + version.stderr:
        errors.print(
            f"opentrail: AWS CLI v1 ignores AWS_ENDPOINT_URL for `{service}` and calls AWS itself, unrecorded. "
            f"Add: --endpoint-url {gateway_url}",
            style="yellow",
        )
