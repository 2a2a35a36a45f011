"""Long bodies are read beside the event loop, and nothing about their events changes for it."""

import asyncio
from typing import Any

import orjson
import pytest

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.recording.composing import LARGE_BODY_BYTES, CallComposer
from opentrail.protocol import CredentialScope, Operation
from tests.unit.pipeline.recording.support import REGION, HandClock, a_builder, a_resolver

PUT_ITEM = Operation("dynamodb", "PutItem")
CREATE_TABLE = Operation("dynamodb", "CreateTable")
SCOPE = CredentialScope("AKIAUPSTREAM00000001", REGION, "dynamodb", "AWS4-HMAC-SHA256", None, False)
DONE = HttpResponse(200, (("x-amzn-RequestId", "R1"),), b"{}", 2)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was done on another thread."""
    names: list[str] = []
    to_thread = asyncio.to_thread

    async def noting(work: Any, *call: Any, **options: Any) -> Any:
        names.append(work.__name__)
        return await to_thread(work, *call, **options)

    monkeypatch.setattr(asyncio, "to_thread", noting)
    return names


def a_call(size: int, *headers: tuple[str, str]) -> HttpRequest:
    body = orjson.dumps({"TableName": "orders", "Item": {"id": {"S": "x" * size}}})
    sent = (("Host", "h"), ("X-Amz-Target", "DynamoDB_20120810.PutItem"), *headers)
    return HttpRequest("POST", "/", sent, body, "192.0.2.1", len(body))


def a_composer() -> CallComposer:
    clock = HandClock()
    return CallComposer(a_builder(), a_resolver(clock), clock)


@pytest.mark.parametrize(
    ("request_", "is_beside"),
    [
        (a_call(10), False),
        (a_call(LARGE_BODY_BYTES), True),
        (a_call(10, ("Content-Encoding", "gzip")), True),
    ],
)
async def test_a_call_with_a_long_or_compressed_body_is_begun_beside_the_loop(
    request_: HttpRequest, is_beside: bool, beside: list[str]
) -> None:
    composer = a_composer()
    call = composer.seen(request_, PUT_ITEM, SCOPE)

    begun, caller = await composer.begin(call)
    finished = await composer.finish(call, begun.event, caller, DONE, composer.now())
    whole = await composer.whole(call, DONE, composer.now())
    unknown = await composer.whole_unknown(call, "upstream-reset")

    assert beside == (["begin_encoded", "build_encoded", "begin_encoded"] if is_beside else [])
    assert finished.event["requestID"] == whole.event["requestID"] == "R1"
    assert unknown.event["additionalEventData"]["opentrail"]["outcome"] == "unknown"


async def test_a_long_answer_is_read_beside_the_loop(beside: list[str]) -> None:
    composer = a_composer()
    call = composer.seen(a_call(10), CREATE_TABLE, SCOPE)
    answer = HttpResponse(200, (), orjson.dumps({"TableDescription": {"TableName": "x" * LARGE_BODY_BYTES}}))

    begun, caller = await composer.begin(call)
    await composer.finish(call, begun.event, caller, answer, composer.now())

    assert beside == ["finish_encoded"]


@pytest.mark.parametrize("size", [10, LARGE_BODY_BYTES])
async def test_an_event_is_the_same_in_one_step_and_in_two(size: int) -> None:
    composer = a_composer()
    call = composer.seen(a_call(size), PUT_ITEM, SCOPE)

    begun, caller = await composer.begin(call)
    in_two = await composer.finish(call, begun.event, caller, DONE, composer.now())
    in_one = await composer.whole(call, DONE, composer.now())

    assert in_one.event | {"eventID": ""} == in_two.event | {"eventID": ""}
    assert list(in_one.event) == list(in_two.event)
    assert orjson.loads(in_one.json) == in_one.event
    assert orjson.loads(in_two.json) == in_two.event
