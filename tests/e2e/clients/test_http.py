"""What clients rely on beneath their calls: kept connections, answers without bodies, redirects, bodies of unknown
length, and a stream of any length in both directions."""

import hashlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests.e2e.clients.stage import Stage, parameters_of
from tests.support.clients import JS_CLIENT, require_library
from tests.support.server import RunningServer
from tests.support.streaming_upstream import streaming_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MIB = 1024 * 1024
CBOR_FIRST = ("smithy-rpc-v2-cbor", "json", "rest-json", "rest-xml", "query", "ec2")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A running Opentrail whose upstream keeps its connections."""
    with streaming_upstream() as upstream:
        settings = {"OPENTRAIL_UPSTREAM_MONITORING": upstream.url}
        running = Stage(tmp_path_factory.mktemp("plain") / "home", upstream.url, settings)
        try:
            running.make_user("keeper")
            yield running
        finally:
            running.close()


def test_one_connection_carries_all_calls_of_a_client_on_both_sides(plain: Stage) -> None:
    mark = plain.mark()

    plain.run([require_library("node"), str(JS_CLIENT / "calls.mjs"), "keepAlive"], "keeper")

    assert [len(exchanges) for exchanges in mark.client_connections()] == [20]
    # A pause of four seconds, which a busy machine may make, is met with a new connection to the upstream.
    carried = [len(exchanges) for exchanges in mark.upstream_connections()]
    assert sum(carried) == 20
    assert max(carried) >= 10
    assert mark.assert_unchanged() == 20
    assert len(parameters_of(mark.events(), "CreateUser")) == 20


ANSWERS = [
    ("DELETE", "deleted", 204, b"", "DeleteObject", None),
    ("GET", "unchanged", 304, b"", "GetObject", "NotModified"),
    ("HEAD", "here", 200, b"", "HeadObject", None),
    ("GET", "here", 200, b"here", "GetObject", None),
    ("PUT", "moved", 307, None, "PutObject", "TemporaryRedirect"),
    ("GET", "unframed", 200, b"until the end", "GetObject", None),
]


@pytest.mark.parametrize(("method", "key", "status", "body", "name", "code"), ANSWERS)
def test_an_answer_keeps_its_form(
    plain: Stage, method: str, key: str, status: int, body: bytes | None, name: str, code: str | None
) -> None:
    mark = plain.mark()
    signed = "AWS4-HMAC-SHA256 Credential=AKIAPLAIN00000000001/20260101/us-east-1/s3/aws4_request, SignedHeaders=host"
    connection = http.client.HTTPConnection(urlsplit(plain.before.url).netloc, timeout=10)

    connection.request(method, f"/bucket/{key}", headers={"Authorization": f"{signed}, Signature=00"})
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    [event] = mark.events()

    assert answer.status == status
    assert body is None or read == body
    assert status != 307 or answer.headers["Location"] == "/bucket/there"
    assert mark.assert_unchanged() == 1
    assert (event["eventName"], event.get("errorCode")) == (name, code)
    assert event["requestParameters"]["key"] == key


def test_an_alarm_put_in_cbor_as_terraform_does_is_on_record(plain: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go's SDK speaks RPC v2 CBOR to CloudWatch; botocore does so when it prefers it."""
    monkeypatch.setattr("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", CBOR_FIRST)
    monitoring = plain.boto("cloudwatch", "keeper")
    mark = plain.mark()

    monitoring.put_metric_alarm(
        AlarmName="in-cbor",
        EvaluationPeriods=2,
        Threshold=1.5,
        ComparisonOperator="GreaterThanThreshold",
        Tags=[{"Key": "team", "Value": "audit"}],
    )
    [event] = mark.events()

    [(request, _)] = mark.sent()
    assert request.header("smithy-protocol") == "rpc-v2-cbor"
    assert mark.assert_unchanged() == 1
    assert (event["eventSource"], event["eventName"]) == ("monitoring.amazonaws.com", "PutMetricAlarm")
    assert "errorCode" not in event
    asked = event["requestParameters"]
    assert (asked["alarmName"], asked["evaluationPeriods"], asked["threshold"]) == ("in-cbor", 2, 1.5)


def test_streams_of_unknown_and_known_length_keep_their_bytes(stage: Stage) -> None:
    s3 = stage.boto("s3")
    s3.create_bucket(Bucket="streams")
    body = os.urandom(32 * MIB + 11)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "streams", "Key": "chunked"})
    parts = urlsplit(url)
    mark = stage.mark()

    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    pieces = (body[start : start + 100_003] for start in range(0, len(body), 100_003))
    connection.request("PUT", f"{parts.path}?{parts.query}", pieces, encode_chunked=True)
    assert connection.getresponse().read() == b""
    connection.close()
    got = hashlib.sha256()
    for piece in s3.get_object(Bucket="streams", Key="chunked")["Body"].iter_chunks(65_537):
        got.update(piece)

    stored = stage.upstream("s3").get_object(Bucket="streams", Key="chunked")["Body"].read()
    assert hashlib.sha256(stored).digest() == got.digest() == hashlib.sha256(body).digest()
    assert mark.assert_unchanged() == 2
    assert {request.method: request.is_chunked for request, _ in mark.sent()} == {"PUT": True, "GET": False}


def test_a_call_to_an_upstream_that_is_gone_is_a_failed_call_on_record(tmp_path: Path) -> None:
    with streaming_upstream() as upstream:
        address = upstream.url.removeprefix("http://")
    server = RunningServer(tmp_path / "home", upstream=upstream.url).start()
    try:
        refused = server.aws("iam", "create-user", "--user-name", "nobody", "--cli-read-timeout", "5")
        found = server.opentrail("lookup", "--event-name", "CreateUser", "--json").stdout.splitlines()
    finally:
        server.close()

    assert "(ServiceUnavailable)" in refused.stderr
    events = [orjson.loads(line) for line in found]
    assert {event["errorCode"] for event in events} == {"ServiceUnavailable"}
    assert {event["additionalEventData"]["opentrail"]["reason"] for event in events} == {"upstream-unreachable"}
    assert all("outcome" not in event["additionalEventData"]["opentrail"] for event in events)
    assert f'"upstream": "{address}"' in server.log.read_text()
