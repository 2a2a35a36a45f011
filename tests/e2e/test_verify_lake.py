"""``opentrail verify-lake`` on the lake that a server made."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e


def a_sealed_lake(make_server: MakeServer) -> RunningServer:
    """Run a server until a store has commits, and stop it, which seals them."""
    server = make_server().start()
    cloudtrail = client(server, "cloudtrail")
    arn = cloudtrail.create_event_data_store(Name="audit", TerminationProtectionEnabled=False)["EventDataStoreArn"]
    for number in range(3):
        client(server, "iam").create_user(UserName=f"user-{number}")
        # New settings commit what came under the old ones.
        cloudtrail.update_event_data_store(EventDataStore=arn, RetentionPeriod=30 + number)
        wait_until(lambda number=number: len(data_files(server)) > number, "a commit")  # type: ignore[misc]
    server.stop()
    return server


def data_files(server: RunningServer) -> list[Path]:
    return sorted((server.home / "lake").rglob("*.parquet"))


def test_lake_is_valid_until_somebody_changes_it(make_server: MakeServer, tmp_path: Path) -> None:
    server = a_sealed_lake(make_server)
    seals = tmp_path / "seals.json"

    verified = server.opentrail("verify-lake", "--save-seals", str(seals))
    assert verified.returncode == 0, verified.stderr
    assert "audit: valid: " in verified.stdout
    assert "sealed through commit" in verified.stdout
    held = server.opentrail("verify-lake", "audit", "--seals", str(seals), "--json")
    assert (held.returncode, json.loads(held.stdout)["valid"]) == (0, True)

    data_files(server)[0].unlink()
    changed = server.opentrail("verify-lake", "audit")
    assert changed.returncode == 1
    assert "audit: REMOVED" in changed.stderr
    assert server.opentrail("verify-lake", "nothing").returncode == 2
