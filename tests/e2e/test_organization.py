"""An organization trail as its users meet it: real processes, the real AWS CLI, three accounts."""

import gzip
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builders import AUDIT, DEV, MANAGEMENT
from tests.e2e.conftest import MakeServer
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

ORGANIZATION = "o-exampleorgid"
ARN = f"arn:aws:cloudtrail:us-east-1:{MANAGEMENT}:trail/everyone"
LATER = "444444444444"
SETTINGS = {
    "OPENTRAIL_ORGANIZATION_ID": ORGANIZATION,
    "OPENTRAIL_ORGANIZATION_MANAGEMENT_ACCOUNT": f"{MANAGEMENT} Root <root@example.com>",
    "OPENTRAIL_ORGANIZATION_MEMBER_ACCOUNTS": f"{AUDIT} Log Archive <audit@example.com>, {DEV} Development",
    "OPENTRAIL_ORGANIZATION_DELEGATED_ADMINISTRATORS": AUDIT,
}
WITH_LATER = {"OPENTRAIL_ORGANIZATION_MEMBER_ACCOUNTS": f"{AUDIT}, {DEV}, {LATER} Later"}


class Accounts:
    """The AWS CLI under ``opentrail exec``, as the owner and as users of member accounts."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self._names = {"": ""}

    def add(self, name: str, account: str) -> None:
        """Make an administrator of a member account, with a saved key."""
        for command in (
            ["users", "create", name, "--account", account, "--managed", "AdministratorAccess"],
            ["keys", "create", "--user", name, "--account", account, "--save"],
        ):
            made = self.server.opentrail(*command)
            assert made.returncode == 0, made.stderr
        self._names[name] = f"{account}/{name}"

    def aws(self, *arguments: str, by: str = "") -> subprocess.CompletedProcess[str]:
        return self.server.aws(*arguments, as_user=self._names[by])

    def must(self, *arguments: str, by: str = "") -> Any:
        """Run the AWS CLI and return what it printed, read as JSON where it is some."""
        finished = self.aws(*arguments, by=by)
        assert finished.returncode == 0, finished.stderr
        return json.loads(finished.stdout) if finished.stdout.startswith("{") else finished.stdout

    def refusal(self, *arguments: str, by: str) -> str:
        """Run the AWS CLI and return the error that it must end with."""
        finished = self.aws(*arguments, by=by)
        assert finished.returncode != 0
        return finished.stderr


def folder(server: RunningServer, account: str, kind: str = "CloudTrail") -> Path:
    return server.home / "archives" / "central" / "objects" / "AWSLogs" / ORGANIZATION / account / kind


def text_in(server: RunningServer, account: str) -> str:
    """Return what an account's log files hold, as it stands."""
    paths = sorted(folder(server, account).rglob("*.json.gz"))
    return "".join(gzip.decompress(path.read_bytes()).decode() for path in paths)


def listed_names(server: RunningServer, account: str) -> list[str]:
    """Return the names of the log files that an account's digests list."""
    digests = [
        json.loads(gzip.decompress(path.read_bytes()))
        for path in sorted(folder(server, account, "CloudTrail-Digest").rglob("*.json.gz"))
    ]
    return [file["s3Object"].rpartition("/")[2] for digest in digests for file in digest["logFiles"]]


def check_valid(accounts: Accounts, account: str, since: str) -> None:
    """Let AWS's verifier and ours judge an account's chain; both must find its log files valid."""
    arguments = ["--trail-arn", ARN, "--account-id", account, "--start-time", since]
    aws = accounts.must("cloudtrail", "validate-logs", *arguments)
    ours = accounts.server.opentrail("validate-logs", *arguments)
    for output in (aws, ours.stdout):
        assert "log files valid" in output, output
        assert "INVALID" not in output
    assert ours.returncode == 0, ours.stderr


@pytest.mark.timeout(300)  # thirty commands, each a process or two of its own
def test_one_trail_delivers_every_account_and_each_is_validated_by_itself(make_server: MakeServer) -> None:
    server = make_server(settings=SETTINGS).start()
    accounts = Accounts(server)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    assert server.opentrail("archive", "create", "central").returncode == 0
    for name, account in (("lea", AUDIT), ("dev", DEV), ("late", LATER)):
        accounts.add(name, account)
    create = ["create-trail", "--name", "everyone", "--s3-bucket-name", "central", "--is-organization-trail"]

    made = accounts.must("cloudtrail", *create, "--is-multi-region-trail", "--enable-log-file-validation", by="lea")
    assert (made["TrailARN"], made["IsOrganizationTrail"]) == (ARN, True)
    accounts.must("cloudtrail", "start-logging", "--name", ARN, by="lea")
    accounts.must("s3", "mb", "s3://figures-of-dev", by="dev")
    accounts.must("s3", "mb", "s3://figures-of-late", by="late")
    wait_until(lambda: "figures-of-dev" in text_in(server, DEV), "the member's log file")
    wait_until(lambda: "StartLogging" in text_in(server, AUDIT), "the administrator's log file")
    assert not folder(server, LATER).exists()

    check_members(accounts)
    wait_until(lambda: len(listed_names(server, DEV)) > 0, "the member's digest")
    check_valid(accounts, DEV, since)

    server.stop()
    accounts.server = server = make_server(settings=SETTINGS | WITH_LATER).start()
    accounts.must("s3", "mb", "s3://more-of-late", by="late")
    wait_until(lambda: len(listed_names(server, LATER)) > 0, "the new account's log file and digest")
    assert "figures-of-late" not in text_in(server, LATER)
    for account in (LATER, DEV, MANAGEMENT):
        check_valid(accounts, account, since)
    check_alteration_is_found(accounts, since)


def check_members(accounts: Accounts) -> None:
    """See the trail and the organization with a member's eyes."""
    assert accounts.must("cloudtrail", "get-trail-status", "--name", ARN, by="dev")["IsLogging"] is True
    [seen] = accounts.must("cloudtrail", "describe-trails", by="dev")["trailList"]
    assert seen["TrailARN"] == ARN
    refused = accounts.refusal("cloudtrail", "stop-logging", "--name", ARN, by="dev")
    assert "NotOrganizationMasterAccountException" in refused
    listed = accounts.must("organizations", "list-accounts")["Accounts"]
    assert [account["Name"] for account in listed] == ["Root", "Log Archive", "Development"]
    assert "AccessDeniedException" in accounts.refusal("organizations", "list-accounts", by="dev")


def check_alteration_is_found(accounts: Accounts, since: str) -> None:
    """Alter a member's digested log file: both verifiers find it, in that account's chain alone."""
    server = accounts.server
    listed = listed_names(server, DEV)
    altered = next(path for path in folder(server, DEV).rglob("*.json.gz") if path.name in listed)
    altered.chmod(0o644)
    altered.write_bytes(gzip.compress(b'{"Records":[]}'))

    arguments = ["--account-id", DEV, "--start-time", since]
    aws = accounts.aws("cloudtrail", "validate-logs", "--trail-arn", ARN, *arguments)
    ours = server.opentrail("validate-logs", "--trail-arn", "everyone", *arguments)
    for found in (aws, ours):
        assert found.returncode == 1
        assert f"{altered.name}\tINVALID: hash value doesn't match" in found.stderr
    check_valid(accounts, AUDIT, since)
    assert "say --account-id" in server.opentrail("validate-logs", "--trail-arn", ARN, "--start-time", since).stderr
