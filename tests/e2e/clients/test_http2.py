"""The clients that open HTTP/2 unasked, unmodified: Bedrock's and Kinesis's of the AWS SDK for JavaScript v3."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from opentrail.http_message import HttpRequest
from opentrail.protocol import sigv4
from opentrail.protocol.scope import read_scope
from tests.e2e.clients.stage import Stage, identities, parameters_of, user_identity
from tests.support.clients import JS_CLIENT, require_library
from tests.support.http2_peer import Http2Upstream
from tests.support.http2_upstream import http2_upstream
from tests.support.moto_server import moto_server
from tests.support.server import wait_until
from tests.support.streaming_upstream import PIECES_HASH, streaming_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USER = "http2-user"
MODES = ["fail-closed", "fail-open"]


@pytest.fixture(scope="module", params=MODES)
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """How the server runs: either recording mode, one of them in two gateway processes."""
    mode: str = request.param
    return {"OPENTRAIL_RECORDING": mode, "OPENTRAIL_GATEWAY_PROCESSES": "2" if mode == "fail-open" else "1"}


def on(upstream_url: str, folder: Any, settings: dict[str, str]) -> Iterator[Stage]:
    running = Stage(folder / "home", upstream_url, settings)
    try:
        running.make_user(USER)
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[Stage]:
    """Before an upstream that speaks HTTP/1.1 and answers with event streams."""
    with streaming_upstream() as upstream:
        yield from on(upstream.url, tmp_path_factory.mktemp("streaming"), settings)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[Stage]:
    with moto_server() as url:
        yield from on(url, tmp_path_factory.mktemp("moto"), settings)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Http2Upstream]:
    with http2_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def echoing(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], upstream: Http2Upstream
) -> Iterator[Stage]:
    """Before an upstream that speaks HTTP/2."""
    yield from on(f"http://127.0.0.1:{upstream.port}", tmp_path_factory.mktemp("echoing"), settings)


def node(stage: Stage, scenario: str) -> Any:
    command = [require_library("node"), str(JS_CLIENT / "calls.mjs"), scenario]
    return orjson.loads(stage.run(command, USER, AWS_ENDPOINT_URL=str(stage.server.ready["gateway_url"])))


def delivered(stage: Stage, *names: str, count: int) -> list[dict[str, Any]]:
    """Wait for the events of these names."""
    found: list[dict[str, Any]] = []

    def are_delivered() -> bool:
        found[:] = [event for event in stage.delivered() if event["eventName"] in names]
        return len(found) >= count

    wait_until(are_delivered, f"{count} events")
    return found


def assert_mine(events: list[dict[str, Any]], *, unread: str = "") -> None:
    """Check that the user made every call, verified save where the body, being a stream, was ``unread``."""
    assert identities(events) == {user_identity(USER)}
    ours = [(event["eventName"], event.get("additionalEventData", {}).get("opentrail", {})) for event in events]
    assert {name for name, said in ours if said.get("identity") == "claimed"} == ({unread} if unread else set())


def test_streams_of_events_keep_their_bytes(streaming: Stage) -> None:
    told = node(streaming, "http2")
    events = delivered(streaming, "InvokeModelWithResponseStream", "ConverseStream", "SubscribeToShard", count=10)

    assert told == {"bedrock": PIECES_HASH, "texts": ["good day, Grüße"], "kinesis": PIECES_HASH}
    assert len(events) == 10
    assert_mine(events, unread="InvokeModelWithResponseStream")
    assert parameters_of(events, "ConverseStream")[0]["modelId"] == "example.model-v1:0"
    assert parameters_of(events, "SubscribeToShard")[0]["shardId"] == "shardId-000000000000"


def test_large_records_keep_their_bytes_side_by_side(moto: Stage) -> None:
    told = node(moto, "kinesisRecords")
    events = delivered(moto, "CreateStream", "PutRecord", "DescribeStream", count=10)

    assert told["read"] == told["sent"]
    assert told["missing"] == "400 ResourceNotFoundException"
    assert len(events) == 10
    assert_mine(events)
    assert [event["errorCode"] for event in events if "errorCode" in event] == ["ResourceNotFoundException"]


def test_a_stream_from_client_to_service_passes_while_it_is_answered(echoing: Stage, upstream: Http2Upstream) -> None:
    before = len(upstream.calls)

    told = node(echoing, "bidirectional")
    events = delivered(echoing, "InvokeModelWithBidirectionalStream", count=1)

    assert told["echoed"] == told["sent"]
    assert told["count"] == 12
    assert identities(events) == {user_identity(USER)}
    assert parameters_of(events, "InvokeModelWithBidirectionalStream")[0]["modelId"] == "example.model-v1:0"
    [call] = upstream.calls[before:]
    assert_signature_holds(call.headers, echoing.key(USER))


def assert_signature_holds(headers: list[tuple[str, str]], key: dict[str, str]) -> None:
    """Check that an upstream can verify what the client signed: the very names and values reached it."""
    pseudo = {name: value for name, value in headers if name.startswith(":")}
    others = tuple((name, value) for name, value in headers if not name.startswith(":"))
    lines = (("host", pseudo[":authority"]), *others)
    request = HttpRequest(pseudo[":method"], pseudo[":path"], lines, None, "127.0.0.1")
    scope = read_scope(request)
    assert scope is not None
    hashed = request.headers.get("x-amz-content-sha256")
    assert hashed == "STREAMING-AWS4-HMAC-SHA256-EVENTS"
    assert ":authority" in request.headers.get("authorization")
    with pytest.raises(sigv4.PayloadMismatch):  # all but the body, which is signed event by event
        sigv4.verify(request, scope, key["secret_access_key"], datetime.now(UTC))
