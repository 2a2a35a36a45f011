"""When bytes may move: none upstream before the call is on record, the last one back only after its result is."""

import asyncio

import pytest

from tests.conformance.gateway.support import UpstreamConnection, gateway_rig, request_bytes

ANSWERS = {
    "with length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello"),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
}


async def test_a_call_that_cannot_be_put_on_record_never_reaches_the_upstream() -> None:
    async with gateway_rig() as rig:
        rig.recorder.refuses_begin = True

        answer = await rig.call(request_bytes("POST /b/?delete", body=b"<Delete/>"))

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"<Code>ServiceUnavailable</Code>" in answer
        assert rig.upstream.connections == []


async def test_a_streamed_call_that_cannot_be_put_on_record_is_answered_while_it_is_sent() -> None:
    async with gateway_rig() as rig:
        rig.recorder.refuses_begin = True
        reader, writer = await rig.connect()
        writer.write(request_bytes("PUT /b/k", "Content-Length: 3000000") + b"x" * 1_000_000)

        answer = await reader.read()

        writer.close()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert rig.upstream.connections == []


async def _all_for_now(reader: asyncio.StreamReader) -> bytes:
    data = b""
    try:
        while True:
            data += await asyncio.wait_for(reader.read(1), 0.2)
    except TimeoutError:
        return data


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize("kind", ANSWERS)
async def test_the_last_byte_waits_until_the_result_is_on_record(kind: str, is_split: bool) -> None:
    head, body = ANSWERS[kind]

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        for byte in head + body if is_split else []:
            await connection.send(bytes([byte]))
            await asyncio.sleep(0)
        if not is_split:
            await connection.send(head + body)
        await connection.to_end()

    async with gateway_rig(script) as rig:
        rig.recorder.may_finish.clear()
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k"))
        early = await _all_for_now(reader)

        assert len(early) < len(head + body)
        assert rig.recorder.calls[0].response is not None

        rig.recorder.may_finish.set()
        rest = await asyncio.wait_for(reader.readexactly(len(head + body) - len(early)), 5)
        assert early + rest == head + body
        writer.close()


async def test_a_result_that_cannot_be_put_on_record_is_not_given_out() -> None:
    async with gateway_rig() as rig:
        rig.recorder.refuses_finish = True

        answer = await rig.call(request_bytes("GET /b/k"))

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert not answer.endswith(b"ok")


async def test_a_long_answer_whose_result_cannot_be_put_on_record_stays_incomplete() -> None:
    size = 3_000_000

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await connection.to_end()

    async with gateway_rig(script) as rig:
        rig.recorder.refuses_finish = True
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k"))

        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(size)

        writer.close()
