"""Events of an application are put through its channel in the background; none is lost without a word."""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from opentrail.client import AuditEvent, AuditLog, AuditLogFull, AuditLogRefused, Channel
from opentrail.client.asgi import AuditMiddleware as AsgiMiddleware
from opentrail.client.channel import CallRefused
from opentrail.client.wsgi import AuditMiddleware as WsgiMiddleware

ARN = "arn:aws:cloudtrail:us-east-1:123456789012:channel/11111111-1111-4111-8111-111111111111"


class FakeChannel(Channel):
    """Takes entries; ``refusals`` are raised first, ``bad`` names events that fail, ``gate`` holds calls up."""

    def __init__(self, *refusals: Exception, bad: str = "", gate: threading.Event | None = None) -> None:
        super().__init__(ARN)
        object.__setattr__(self, "calls", [])
        object.__setattr__(self, "refusals", list(refusals))
        object.__setattr__(self, "bad", bad)
        object.__setattr__(self, "gate", gate)

    calls: list[list[dict[str, Any]]]
    refusals: list[Exception]
    bad: str
    gate: threading.Event | None

    def put(self, entries: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.refusals:
            raise self.refusals.pop(0)
        read = [orjson.loads(entry["eventData"]) for entry in entries]
        self.calls.append(read)
        failed = [
            {"id": entry["id"], "errorCode": "InvalidData", "errorMessage": "it is bad"}
            for entry, data in zip(entries, read, strict=True)
            if data["eventName"] == self.bad
        ]
        return {"successful": [], "failed": failed}


def test_events_go_out_in_order_with_what_the_schema_needs() -> None:
    channel = FakeChannel()

    with AuditLog(channel, source="orders.example.com") as audit:
        for number in range(250):
            audit.record(f"Order{number}", principal="anaya", request={"order": number})

    sent = [event for call in channel.calls for event in call]
    assert [event["eventName"] for event in sent] == [f"Order{number}" for number in range(250)]
    assert max(map(len, channel.calls)) <= 100
    first = sent[0]
    assert first["userIdentity"] == {"type": "User", "principalId": "anaya"}
    assert (first["recipientAccountId"], first["eventSource"]) == ("123456789012", "orders.example.com")
    assert first["requestParameters"] == {"order": 0}
    assert datetime.fromisoformat(first["eventTime"]).tzinfo is UTC
    assert len({event["UID"] for event in sent}) == 250


def test_what_is_refused_is_told_and_raised() -> None:
    told: list[Any] = []
    audit = AuditLog(FakeChannel(bad="Bad"), source="s", on_failure=told.extend)
    audit.record("Good", principal="p")
    audit.record("Bad", principal="p")

    with pytest.raises(AuditLogRefused, match="it is bad") as caught:
        audit.flush(10)

    assert [one.code for one in caught.value.failures] == [one.code for one in told] == ["InvalidData"]
    audit.close()


def test_a_channel_that_refuses_the_call_fails_all_of_its_events_and_no_later_one() -> None:
    channel = FakeChannel(CallRefused("ChannelNotFound", "gone"))
    audit = AuditLog(channel, source="s", on_failure=lambda failures: None)
    audit.record("First", principal="p")
    with pytest.raises(AuditLogRefused, match="ChannelNotFound"):
        audit.flush(10)

    audit.record("Second", principal="p")
    audit.close()

    assert [event["eventName"] for call in channel.calls for event in call] == ["Second"]


def test_a_full_log_waits_and_then_says_so() -> None:
    gate = threading.Event()
    audit = AuditLog(FakeChannel(gate=gate), source="s", max_queued=2)
    audit.record("InFlight", principal="p")
    for number in range(102):
        try:
            audit.record(f"Waiting{number}", principal="p", timeout=0.01)
        except AuditLogFull:
            break
    else:
        pytest.fail("there was always room")

    gate.set()
    audit.close()
    with pytest.raises(RuntimeError):
        audit.record("Late", principal="p")


def test_values_that_json_does_not_have_are_refused_at_once() -> None:
    audit = AuditLog(FakeChannel(), source="s")

    with pytest.raises(TypeError):
        audit.record("Odd", principal="p", request={"x": object()})


def test_texts_are_cut_to_what_cloudtrail_takes() -> None:
    event = AuditEvent("n" * 2000, "s", "p" * 2000, error_message="m" * 999)

    read = orjson.loads(event.to_json("123456789012", datetime.now(UTC)))

    assert (len(read["eventName"]), len(read["errorMessage"])) == (1024, 256)
    assert len(read["userIdentity"]["principalId"]) == 1024


def test_a_channel_is_named_by_its_arn() -> None:
    with pytest.raises(ValueError, match="not the ARN of a channel"):
        Channel("arn:aws:cloudtrail:us-east-1:123456789012:trail/main")


async def test_asgi_requests_are_recorded_with_their_answer_and_without_their_query() -> None:
    channel = FakeChannel()
    audit = AuditLog(channel, source="web.example.com")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/broken":
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        pass

    wrapped = AsgiMiddleware(app, audit, identify=lambda scope: scope["user"])
    scope = {
        "type": "http",
        "method": "DELETE",
        "path": "/orders/7",
        "query_string": b"token=secret",
        "headers": [(b"user-agent", b"curl")],
        "client": ("192.0.2.7", 1),
        "user": "anaya",
    }
    await wrapped(scope, None, send)  # type: ignore[arg-type]
    await wrapped(scope | {"method": "GET"}, None, send)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        await wrapped(scope | {"path": "/broken"}, None, send)  # type: ignore[arg-type]
    audit.close()

    events = [event for call in channel.calls for event in call]
    assert [event["eventName"] for event in events] == ["DELETE /orders/7", "DELETE /broken"]
    assert [event["errorCode"] for event in events] == ["404", "500"]
    assert (events[0]["sourceIPAddress"], events[0]["userAgent"]) == ("192.0.2.7", "curl")
    assert events[0]["userIdentity"]["principalId"] == "anaya"
    assert b"secret" not in orjson.dumps(events)


def test_wsgi_requests_are_recorded() -> None:
    channel = FakeChannel()
    audit = AuditLog(channel, source="web.example.com")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("201 Created", [])
        return [b"made"]

    wrapped = WsgiMiddleware(app, audit)
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/orders", "REMOTE_ADDR": "192.0.2.9"}
    body = list(wrapped(environ, lambda status, headers: None))
    audit.close()

    (event,) = channel.calls[0]
    assert body == [b"made"]
    assert (event["eventName"], event["responseElements"]) == ("POST /orders", {"status": 201})
    assert event["userIdentity"] == {"type": "Anonymous", "principalId": "anonymous"}
