"""Peers that misbehave, go silent or go away: every call is settled once, and nobody waits for ever."""

import asyncio

import pytest

from opentrail.capture.exchange import Timeouts
from opentrail.capture.http1 import HEAD_LIMIT_BYTES
from tests.conformance.gateway.support import (
    OK,
    UpstreamConnection,
    gateway_rig,
    read_answer,
    request_bytes,
)

HOST = "Host: h\r\n"

SMUGGLED = {
    "length and coding": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "the same length twice": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "length list": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 4, 4\r\n\r\nabcd",
    "signed length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: +4\r\n\r\nabcd",
    "hex length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 0x4\r\n\r\nabcd",
    "empty length": f"POST / HTTP/1.1\r\n{HOST}Content-Length:\r\n\r\nabcd",
    "unknown coding": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "odd coding": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "folded line": f"GET / HTTP/1.1\r\n{HOST}A: b\r\n c\r\n\r\n",
    "blank before colon": f"POST / HTTP/1.1\r\n{HOST}Content-Length : 4\r\n\r\nabcd",
    "blank in name": f"POST / HTTP/1.1\r\n{HOST}Transfer Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feed": f"GET / HTTP/1.1\r\n{HOST}A: b\nTransfer-Encoding: chunked\r\n\r\n",
    "bare carriage return": f"GET / HTTP/1.1\r\n{HOST}A: b\rTransfer-Encoding: chunked\r\n\r\n",
    "nul": f"GET / HTTP/1.1\r\n{HOST}A: b\0c\r\n\r\n",
    "no host": "GET / HTTP/1.1\r\nA: b\r\n\r\n",
    "two hosts": f"GET / HTTP/1.1\r\n{HOST}{HOST}\r\n",
    "absolute target": f"GET http://other/ HTTP/1.1\r\n{HOST}\r\n",
    "blank in target": f"GET /a b HTTP/1.1\r\n{HOST}\r\n",
    "tab in request line": f"GET\t/ HTTP/1.1\r\n{HOST}\r\n",
    "leading blank line": f"\r\nGET / HTTP/1.1\r\n{HOST}\r\n",
    "no colon": f"GET / HTTP/1.1\r\n{HOST}Nonsense\r\n\r\n",
    "not HTTP": "\x16\x03\x01\x02\x00\r\n\r\n",
}

CHUNKED = request_bytes("POST /b/?delete", "Transfer-Encoding: chunked")
BAD_CHUNKS = {
    "no number": b"x\r\nabc\r\n0\r\n\r\n",
    "negative": b"-1\r\nabc\r\n0\r\n\r\n",
    "prefixed": b"0x3\r\nabc\r\n0\r\n\r\n",
    "bare line feed": b"3\nabc\r\n0\r\n\r\n",
    "too long": b"3\r\nabcd\r\n0\r\n\r\n",
    "too short": b"5\r\nabc\r\n0\r\n\r\n",
    "overflow": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "bad extension": b"3;a=\0\r\nabc\r\n0\r\n\r\n",
    "endless extension": b"3;" + b"a" * 20_000,
    "bad trailer": b"0\r\nno colon\r\n\r\n",
    "endless trailers": b"0\r\n" + b"A: b\r\n" * 5000,
}


@pytest.mark.parametrize("kind", SMUGGLED)
async def test_a_request_that_servers_could_read_differently_is_refused(kind: str) -> None:
    async with gateway_rig() as rig:
        reader, writer = await rig.connect()
        writer.write(SMUGGLED[kind].encode("latin-1"))

        answer = await reader.read()

        writer.close()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1 + answer.count(b"proper HTTP/1.1")
        assert rig.upstream.connections == []


@pytest.mark.parametrize("kind", BAD_CHUNKS)
async def test_a_malformed_chunk_in_a_held_body_never_reaches_the_upstream(kind: str) -> None:
    async with gateway_rig(timeouts=Timeouts(read_s=0.2)) as rig:
        reader, writer = await rig.connect()
        writer.write(CHUNKED + BAD_CHUNKS[kind])

        answer = await reader.read()

        writer.close()
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 ")) or kind == "too short"
        assert rig.upstream.connections == []


async def test_a_malformed_chunk_in_a_streamed_body_cuts_the_upstream_off() -> None:
    ended = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.to_end()
        ended.set()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("PUT /b/k", "Transfer-Encoding: chunked") + b"3\r\nabc\r\nzz\r\n")

        answer = await reader.read()

        writer.close()
        await asyncio.wait_for(ended.wait(), 5)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"zz" not in rig.upstream.received
        assert rig.recorder.calls[0].reason == "client-malformed-body"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\nx", 417),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 201 + b"\r\n", 431),
        (b"GET /" + b"a" * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        (b"GET /" + b"a" * 3 * HEAD_LIMIT_BYTES, 431),
    ],
)
async def test_what_is_not_offered_is_refused_with_its_own_status(request_head: bytes, status: int) -> None:
    async with gateway_rig() as rig:
        reader, writer = await rig.connect()
        writer.write(request_head)

        answer = await reader.read()

        writer.close()
        assert answer.startswith(b"HTTP/1.1 %d " % status)


async def test_a_head_that_does_not_arrive_in_time_is_cut_off() -> None:
    async with gateway_rig(timeouts=Timeouts(head_s=0.1)) as rig:
        reader, writer = await rig.connect()
        writer.write(b"GET / HTTP/1.1\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"Host: slow\r\n")

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_an_idle_client_is_closed_after_a_time() -> None:
    async with gateway_rig(timeouts=Timeouts(idle_s=0.05)) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k"))
        assert await read_answer(reader) == OK

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_body_that_stalls_is_cut_off() -> None:
    async with gateway_rig(_say_nothing, timeouts=Timeouts(read_s=0.05)) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("PUT /b/k", "Content-Length: 100") + b"some")

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert rig.recorder.calls[0].reason == "client-timeout"


async def test_a_connection_beyond_the_bound_is_closed_at_once_while_all_others_are_busy() -> None:
    reached = asyncio.Semaphore(0)

    async def keep_waiting(connection: UpstreamConnection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        reached.release()
        await asyncio.Event().wait()

    async with gateway_rig(keep_waiting, max_connections=2, timeouts=Timeouts(drain_s=0.2)) as rig:
        busy = [await rig.connect() for _ in range(2)]
        for _, writer in busy:
            writer.write(request_bytes("GET /b/k"))
        for _ in busy:
            await asyncio.wait_for(reached.acquire(), 5)
        reader, writer = await rig.connect()

        writer.write(request_bytes("GET /b/k"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)

        for _, busy_writer in busy:
            busy_writer.close()


async def test_a_connection_beyond_the_bound_takes_the_place_of_the_one_idle_for_longest() -> None:
    async with gateway_rig(max_connections=2) as rig:
        first, second = await rig.connect(), await rig.connect()
        for reader, writer in (first, second, first):
            writer.write(request_bytes("GET /b/k"))
            assert await read_answer(reader) == OK

        third = await rig.connect()
        third[1].write(request_bytes("GET /b/k"))
        assert await read_answer(third[0]) == OK

        assert await second[0].read() == b""
        first[1].write(request_bytes("GET /b/k"))
        assert await read_answer(first[0]) == OK
        for _, writer in (first, second, third):
            writer.close()


async def test_one_peer_cannot_take_all_connections() -> None:
    reached = asyncio.Semaphore(0)

    async def keep_waiting(connection: UpstreamConnection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        reached.release()
        await asyncio.Event().wait()

    async with gateway_rig(keep_waiting, max_connections_per_peer=2, timeouts=Timeouts(drain_s=0.2)) as rig:
        busy = [await rig.connect() for _ in range(2)]
        for _, writer in busy:
            writer.write(request_bytes("GET /b/k"))
        for _ in busy:
            await asyncio.wait_for(reached.acquire(), 5)

        reader, own = await rig.connect()
        own.write(request_bytes("GET /b/k"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        _, other = await asyncio.open_connection("127.0.0.1", rig.port, local_addr=("127.0.0.2", 0))
        other.write(request_bytes("GET /b/k"))
        await asyncio.wait_for(reached.acquire(), 5)

        assert [call.request.peer for call in rig.recorder.calls] == ["127.0.0.1", "127.0.0.1", "127.0.0.2"]
        for _, writer in busy:
            writer.close()
        other.close()


async def test_a_peers_connection_beyond_its_share_takes_the_place_of_its_own_idle_one() -> None:
    async with gateway_rig(max_connections_per_peer=1) as rig:
        other = await asyncio.open_connection("127.0.0.1", rig.port, local_addr=("127.0.0.2", 0))
        first = await rig.connect()
        for reader, writer in (other, first):
            writer.write(request_bytes("GET /b/k"))
            assert await read_answer(reader) == OK

        second = await rig.connect()
        for reader, writer in (second, other):
            writer.write(request_bytes("GET /b/k"))
            assert await read_answer(reader) == OK

        assert await first[0].read() == b""
        for _, writer in (first, second, other):
            writer.close()


async def test_a_trusted_proxy_has_the_connections_of_all_its_callers() -> None:
    async with gateway_rig(max_connections_per_peer=1, trusted_proxies=("127.0.0.1/32",)) as rig:
        connections = [await rig.connect() for _ in range(3)]
        for reader, writer in connections:
            writer.write(request_bytes("GET /b/k"))
            assert await read_answer(reader) == OK

        for reader, writer in connections:
            writer.write(request_bytes("GET /b/k"))
            assert await read_answer(reader) == OK
            writer.close()


async def test_without_an_upstream_the_caller_gets_the_services_503() -> None:
    async with gateway_rig() as rig:
        await rig.upstream.stop()

        answer = await rig.call(request_bytes("GET /b/k"))

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"<Code>ServiceUnavailable</Code>" in answer
        assert b"Connection: close" not in answer


async def test_a_call_that_could_not_be_sent_is_on_record_as_the_503_its_client_got() -> None:
    async with gateway_rig() as rig:
        await rig.upstream.stop()

        answer = await rig.call(request_bytes("PUT /b/k", body=b"data"))

        response = rig.recorder.calls[0].response
        assert response is not None
        assert (response.status, response.reason) == (503, "upstream-unreachable")
        assert response.body
        assert answer.endswith(response.body)


async def test_a_call_lost_with_an_idle_connection_has_no_certain_outcome() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(OK)
        await connection.until(b"\r\n\r\n")
        await rig.upstream.stop()

    async with gateway_rig(script) as rig:
        assert (await rig.call(request_bytes("GET /b/k"))).endswith(b"ok")

        answer = await rig.call(request_bytes("GET /b/k"))

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert rig.recorder.calls[1].response is None
        assert rig.recorder.calls[1].reason == "upstream-unreachable"


async def _hang_up(connection: UpstreamConnection) -> None:
    await connection.until(b"\r\n\r\n")
    connection.close()


async def _say_nothing(connection: UpstreamConnection) -> None:
    await connection.to_end()


async def _talk_nonsense(connection: UpstreamConnection) -> None:
    await connection.until(b"\r\n\r\n")
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
    await connection.to_end()


async def _change_protocol(connection: UpstreamConnection) -> None:
    await connection.until(b"\r\n\r\n")
    await connection.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    await connection.to_end()


async def _dawdle(connection: UpstreamConnection) -> None:
    await connection.until(b"\r\n\r\n")
    await connection.send(b"HTTP/1.1 200 OK\r\n")
    await connection.to_end()


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        (_hang_up, 502, "upstream-closed"),
        (_say_nothing, 504, "upstream-timeout"),
        (_talk_nonsense, 502, "upstream-malformed"),
        (_change_protocol, 502, "upstream-malformed"),
        (_dawdle, 504, "upstream-timeout"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<Delete/>"])
async def test_an_upstream_without_a_proper_answer_is_answered_for(
    script: "object", status: int, reason: str, body: bytes
) -> None:
    async with gateway_rig(script, timeouts=Timeouts(answer_s=0.1, head_s=0.1)) as rig:  # type: ignore[arg-type]
        reader, writer = await rig.connect()
        for _ in range(2):
            writer.write(request_bytes("POST /b/?delete", body=body))
            answer = await read_answer(reader)
            assert answer.startswith(b"HTTP/1.1 %d " % status)
        writer.close()

        assert [call.reason for call in rig.recorder.calls] == [reason, reason]


async def test_an_upstream_that_resets_midway_leaves_the_client_with_a_cut_answer() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        connection.writer.transport.abort()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k"))

        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(200)

        writer.close()
        assert rig.recorder.calls[0].reason == "upstream-reset"


async def test_a_malformed_chunk_from_the_upstream_cuts_the_answer() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await asyncio.sleep(0.05)
        await connection.send(b"zz\r\n")
        await connection.to_end()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k"))

        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(200)

        writer.close()
        assert rig.recorder.calls[0].reason == "upstream-malformed"


async def test_bytes_after_an_answer_are_never_taken_for_the_next_one() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await connection.to_end()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        for _ in range(3):
            writer.write(request_bytes("GET /b/k"))
            assert await read_answer(reader) == OK
        writer.close()

        assert len(rig.upstream.connections) == 3


async def test_a_client_that_leaves_while_sending_has_its_call_abandoned() -> None:
    async with gateway_rig(_say_nothing) as rig:
        _, writer = await rig.connect()
        writer.write(request_bytes("PUT /b/k", "Content-Length: 1000") + b"part")
        await writer.drain()
        await rig.upstream.was_called.wait()
        writer.transport.abort()

        await asyncio.wait_for(rig.recorder.settled.acquire(), 5)
        assert rig.recorder.calls[0].reason == "client-disconnected"


async def test_a_client_that_leaves_before_its_answer_still_has_its_result_on_record() -> None:
    may_answer = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await may_answer.wait()
        await connection.send(OK)

    async with gateway_rig(script) as rig:
        _, writer = await rig.connect()
        writer.write(request_bytes("DELETE /b/k"))
        await rig.upstream.was_called.wait()
        writer.transport.abort()
        await asyncio.sleep(0.05)
        may_answer.set()

        await asyncio.wait_for(rig.recorder.settled.acquire(), 5)
        assert rig.recorder.calls[0].response is not None
        assert rig.recorder.calls[0].response.status == 200


async def test_a_client_that_leaves_a_long_download_has_its_status_and_size_on_record() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            await connection.send(b"x" * 100_000)

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k"))
        await reader.readexactly(1000)
        writer.transport.abort()

        await asyncio.wait_for(rig.recorder.settled.acquire(), 5)
        response = rig.recorder.calls[0].response
        assert response is not None
        assert (response.status, response.body) == (200, None)
        assert 0 < response.body_size_bytes < 100_000_000


@pytest.mark.parametrize(("method", "is_retried"), [("GET", True), ("HEAD", True), ("DELETE", False), ("POST", False)])
async def test_only_a_safe_request_is_sent_again_when_a_kept_connection_was_closing(
    method: str, is_retried: bool
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await connection.until(b"\r\n\r\n")
        connection.writer.transport.abort()

    async with gateway_rig(script) as rig:
        await rig.call(request_bytes("GET /b/first"))
        answer = await rig.call(request_bytes(f"{method} /b/second"))

        assert answer.startswith(b"HTTP/1.1 200 " if is_retried else b"HTTP/1.1 502 ")
        assert len(rig.upstream.connections) == 1 + is_retried
        assert rig.recorder.calls[1].times_settled == 1


async def test_calls_that_would_hold_too_much_are_refused_and_the_memory_comes_back() -> None:
    async with gateway_rig(held_limit_bytes=300_000) as rig:
        large = request_bytes("POST /b/?delete", body=b"x" * 200_000)
        assert (await rig.call(large)).startswith(b"HTTP/1.1 503 ")

        small = request_bytes("POST /b/?delete", body=b"x" * 100_000)
        for _ in range(5):
            assert (await rig.call(small)).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_that_would_hold_too_much_passes_without_being_held() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000

    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.until(b"\r\n\r\n")
            await connection.send(answer)

    async with gateway_rig(script, held_limit_bytes=1000) as rig:
        assert await rig.call(request_bytes("GET /b/?acl")) == answer

        assert rig.recorder.calls[0].response is not None
        assert rig.recorder.calls[0].response.body is None
        assert rig.recorder.calls[0].response.body_size_bytes == 2000
