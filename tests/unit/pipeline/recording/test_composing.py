"""Long bodies are read beside the event loop, and nothing about their events changes for it."""

import threading
from typing import Any

import orjson
import pytest

from opentrail.clock import RandomIdentifiers
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.recording.composing import LARGE_BODY_BYTES, CallComposer
from opentrail.protocol import CredentialScope, Operation
from opentrail.record.events import EncodedEvent, EventBuilder
from tests.unit.pipeline.recording.support import ACCOUNT, REGION, HandClock, a_resolver

PUT_ITEM = Operation("dynamodb", "PutItem")
CREATE_TABLE = Operation("dynamodb", "CreateTable")
SCOPE = CredentialScope("AKIAUPSTREAM00000001", REGION, "dynamodb", "AWS4-HMAC-SHA256", None, False)
DONE = HttpResponse(200, (("x-amzn-RequestId", "R1"),), b"{}", 2)


class ThreadNoter(EventBuilder):
    """Notes on which threads events were built."""

    def __init__(self) -> None:
        super().__init__(
            default_account_id=ACCOUNT, default_region=REGION, regions=lambda: (), identifiers=RandomIdentifiers()
        )
        self.threads: list[int] = []

    def begin_encoded(self, *call: Any, **options: Any) -> EncodedEvent:
        self.threads.append(threading.get_ident())
        return super().begin_encoded(*call, **options)

    def finish_encoded(self, *call: Any, **options: Any) -> EncodedEvent:
        self.threads.append(threading.get_ident())
        return super().finish_encoded(*call, **options)

    def build_encoded(self, *call: Any, **options: Any) -> EncodedEvent:
        self.threads.append(threading.get_ident())
        return super().build_encoded(*call, **options)

    @property
    def are_beside(self) -> list[bool]:
        return [thread != threading.get_ident() for thread in self.threads]


def a_call(size: int, *headers: tuple[str, str]) -> HttpRequest:
    body = orjson.dumps({"TableName": "orders", "Item": {"id": {"S": "x" * size}}})
    sent = (("Host", "h"), ("X-Amz-Target", "DynamoDB_20120810.PutItem"), *headers)
    return HttpRequest("POST", "/", sent, body, "192.0.2.1", len(body))


def a_composer(builder: EventBuilder) -> CallComposer:
    clock = HandClock()
    return CallComposer(builder, a_resolver(clock), clock)


@pytest.mark.parametrize(
    ("request_", "is_beside"),
    [
        (a_call(10), False),
        (a_call(LARGE_BODY_BYTES), True),
        (a_call(10, ("Content-Encoding", "gzip")), True),
    ],
)
async def test_a_call_with_a_long_or_compressed_body_is_begun_beside_the_loop(
    request_: HttpRequest, is_beside: bool
) -> None:
    builder = ThreadNoter()
    composer = a_composer(builder)
    call = composer.seen(request_, PUT_ITEM, SCOPE)

    begun, caller = await composer.begin(call)
    finished = await composer.finish(call, begun.event, caller, DONE, composer.now())
    whole = await composer.whole(call, DONE, composer.now())
    unknown = await composer.whole_unknown(call, "upstream-reset")

    assert builder.are_beside == [is_beside, False, is_beside, is_beside]
    assert finished.event["requestID"] == whole.event["requestID"] == "R1"
    assert unknown.event["additionalEventData"]["opentrail"]["outcome"] == "unknown"


async def test_a_long_answer_is_read_beside_the_loop() -> None:
    builder = ThreadNoter()
    composer = a_composer(builder)
    call = composer.seen(a_call(10), CREATE_TABLE, SCOPE)
    answer = HttpResponse(200, (), orjson.dumps({"TableDescription": {"TableName": "x" * LARGE_BODY_BYTES}}))

    begun, caller = await composer.begin(call)
    await composer.finish(call, begun.event, caller, answer, composer.now())

    assert builder.are_beside == [False, True]


@pytest.mark.parametrize("size", [10, LARGE_BODY_BYTES])
async def test_an_event_is_the_same_in_one_step_and_in_two(size: int) -> None:
    composer = a_composer(ThreadNoter())
    call = composer.seen(a_call(size), PUT_ITEM, SCOPE)

    begun, caller = await composer.begin(call)
    in_two = await composer.finish(call, begun.event, caller, DONE, composer.now())
    in_one = await composer.whole(call, DONE, composer.now())

    assert in_one.event | {"eventID": ""} == in_two.event | {"eventID": ""}
    assert list(in_one.event) == list(in_two.event)
    assert orjson.loads(in_one.json) == in_one.event
    assert orjson.loads(in_two.json) == in_two.event
