"""The link between a server and its gateway processes: questions, answers, and what happens when an end goes away."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from opentrail.errors import OperatorError
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.ports import Unavailable
from opentrail.wiring import own_api
from opentrail.wiring.link import Answer, Link


async def double(arguments: dict[str, Any], body: bytes) -> Answer:
    await asyncio.sleep(arguments["number"] % 3 / 1000)  # answers come in another order than the questions
    return {"number": 2 * arguments["number"]}, body * 2


async def refuse(arguments: dict[str, Any], body: bytes) -> Answer:
    raise OperatorError("it cannot be done: mend it")


async def away(arguments: dict[str, Any], body: bytes) -> Answer:
    raise Unavailable("the disk is full")


async def broken(arguments: dict[str, Any], body: bytes) -> Answer:
    raise RuntimeError("a secret detail")


async def never(arguments: dict[str, Any], body: bytes) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


HANDLERS = {"double": double, "refuse": refuse, "away": away, "broken": broken, "never": never}


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Link, Link]]:
    ours, theirs = socket.socketpair()
    pair = (await Link.over(ours, HANDLERS), await Link.over(theirs, HANDLERS))
    yield pair
    for end in pair:
        await end.close()


async def test_either_end_asks_and_each_gets_its_own_answer(ends: tuple[Link, Link]) -> None:
    asked = [end.ask("double", {"number": n}, b"x" * n) for n in range(100) for end in ends]

    answers = await asyncio.gather(*asked)

    assert answers == [({"number": 2 * n}, b"x" * 2 * n) for n in range(100) for _ in ends]


async def test_a_refusal_comes_back_as_the_operators_error(ends: tuple[Link, Link]) -> None:
    with pytest.raises(OperatorError, match="it cannot be done: mend it"):
        await ends[0].ask("refuse")


async def test_a_store_that_is_away_is_away_on_the_other_end_too(ends: tuple[Link, Link]) -> None:
    with pytest.raises(Unavailable, match="the disk is full"):
        await ends[0].ask("away")


async def test_a_failure_and_an_unknown_question_tell_nothing_of_the_inside(ends: tuple[Link, Link]) -> None:
    for question in ("broken", "no such question"):
        with pytest.raises(Unavailable, match="failed to answer") as failure:
            await ends[0].ask(question)
        assert "secret" not in str(failure.value)
    assert (await ends[0].ask("double", {"number": 1}))[0] == {"number": 2}


async def test_whoever_waits_for_an_end_that_goes_away_is_told(ends: tuple[Link, Link]) -> None:
    asking = asyncio.create_task(ends[0].ask("never"))
    await ends[0].ask("double", {"number": 3})

    await ends[1].close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(asking, 5)
    await asyncio.wait_for(ends[0].closed.wait(), 5)
    with pytest.raises(Unavailable, match="gone"):
        await ends[0].ask("double", {"number": 1})


@pytest.mark.parametrize("garbage", [struct.pack("<III", 1, 1 << 30, 0), struct.pack("<III", 1, 2, 0) + b"{{", b"\x00"])
async def test_garbage_ends_the_link(garbage: bytes) -> None:
    ours, theirs = socket.socketpair()
    link = await Link.over(ours, HANDLERS)

    theirs.sendall(garbage)
    theirs.shutdown(socket.SHUT_WR)
    await asyncio.wait_for(link.closed.wait(), 5)

    theirs.close()


@pytest.mark.parametrize("body", [None, b"", b"\x00\xff body"])
async def test_a_call_of_our_own_api_crosses_the_link_whole(body: bytes | None) -> None:
    taken: list[HttpRequest] = []

    async def answer(arguments: dict[str, Any], payload: bytes) -> Answer:
        taken.append(own_api.read_call(arguments, payload))
        return own_api.format_answer(HttpResponse(404, (("X-Name", "v\xe9"), ("X-Name", "w")), b"\xfe answer"))

    ours, theirs = socket.socketpair()
    server = await Link.over(ours, {own_api.QUESTION: answer})
    process = await Link.over(theirs, {})
    headers = (("Host", "b.s3"), ("Authorization", "AWS4-HMAC-SHA256 \xff"))
    request = HttpRequest("PUT", "/a%20b?x=%C3%A9", headers, body, "::1", 77, is_tls=True)

    response = await own_api.LinkedApi(process).handle(request)
    for end in (server, process):
        await end.close()

    assert taken == [request]
    assert (response.status, response.header_list) == (404, (("X-Name", "v\xe9"), ("X-Name", "w")))
    assert (response.body, response.body_size_bytes) == (b"\xfe answer", 8)
