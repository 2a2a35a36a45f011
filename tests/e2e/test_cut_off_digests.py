"""The end of a digest chain cut off at an installation that is at hand: its own delivery log knows better."""

from pathlib import Path

import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_first_steps import must
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e


def digests(server: RunningServer) -> list[Path]:
    return sorted((server.home / "archives" / "audit-archive").rglob("*_CloudTrail-Digest_*.json.gz"))


def test_an_end_cut_off_is_found_while_no_server_runs_and_after_one_started(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    where = ("--s3-bucket-name", "audit-archive")
    must(server, "cloudtrail", "create-trail", "--name", "audit", *where, "--enable-log-file-validation")
    must(server, "cloudtrail", "start-logging", "--name", "audit")
    wait_until(lambda: len(digests(server)) >= 2, "two digests")
    server.stop()
    question = ("validate-logs", "--trail-arn", "audit", "--start-time", "1h")

    whole = server.opentrail(*question)
    digests(server)[-1].unlink()
    cut = server.opentrail(*question)
    server.start()
    cut_and_served = server.opentrail(*question)

    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert cut.returncode == cut_and_served.returncode == 1
    assert "1 digest missing by the delivery log" in cut.stderr
