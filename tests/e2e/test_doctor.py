"""``opentrail doctor`` on a running server and on a home without one, and what status tells of it."""

import json

import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_first_steps import must
from tests.support.server import RunningServer

pytestmark = pytest.mark.e2e


def diagnose(server: RunningServer) -> tuple[int, list[str]]:
    done = server.opentrail("doctor", "--json")
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode, [finding["fault"] for finding in json.loads(done.stdout)["findings"]]


def test_faults_are_found_and_gone_once_they_are_mended(make_server: MakeServer) -> None:
    server = make_server().start()
    assert diagnose(server) == (1, ["no-trail"])

    must(server, "s3", "mb", "s3://logs")
    must(server, "cloudtrail", "create-trail", "--name", "audit", "--s3-bucket-name", "logs")
    must(server, "ec2", "describe-regions", "--region", "eu-west-1")
    code, faults = diagnose(server)
    assert code == 1
    assert set(faults) >= {"logging-stopped", "no-log-file-validation"}

    update = ("update-trail", "--name", "audit", "--is-multi-region-trail", "--enable-log-file-validation")
    must(server, "cloudtrail", *update)
    must(server, "cloudtrail", "start-logging", "--name", "audit")
    assert diagnose(server) == (0, [])
    said = server.opentrail("doctor")
    assert (said.returncode, said.stdout.strip()) == (0, "Nothing found that is wrong")

    must(server, "cloudtrail", "stop-logging", "--name", "audit")
    said = server.opentrail("doctor")
    assert said.returncode == 1
    assert "audit: it does not log" in said.stdout
    assert "mend: opentrail exec -- aws cloudtrail start-logging --region us-east-1 --name audit" in said.stdout
    assert "mend: opentrail exec -- aws cloudtrail start-logging" in server.opentrail("status").stdout

    must(server, "s3", "rb", "--force", "s3://logs")
    assert diagnose(server) == (1, ["logging-stopped", "bucket-missing"])


def test_a_home_without_a_server_is_examined_too(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    where = ("--s3-bucket-name", "audit-archive", "--is-multi-region-trail", "--enable-log-file-validation")
    must(server, "cloudtrail", "create-trail", "--name", "audit", *where)
    server.stop()

    assert diagnose(server) == (1, ["logging-stopped"])


def test_an_upstream_that_does_not_answer_is_found(make_server: MakeServer) -> None:
    server = make_server(upstream="http://127.0.0.1:9").start()

    assert diagnose(server) == (1, ["endpoint-unreachable", "no-trail"])
