"""The API's listener keeps every head, wait and connection within its bound."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from opentrail.wiring import api_listener
from opentrail.wiring.api_listener import ApiListener


async def _application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    body = str(size).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def _listening(max_connections: int = 100) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = ApiListener(_application, drain_seconds=1, max_connections=max_connections)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def _ends(reader: asyncio.StreamReader) -> bool:
    """Say whether the other side ends the connection without an answer."""
    with suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 5) == b""
    return True


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    return head.split(b"\r\n")[0] + b" " + await reader.readexactly(1)


async def test_a_head_that_never_ends_is_cut_off() -> None:
    async with _listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
        sent = 0
        with suppress(ConnectionError):
            while sent < 8 * 1024 * 1024 and not reader.at_eof():
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        assert await _ends(reader)
        assert sent < 8 * 1024 * 1024


async def test_a_slow_head_is_cut_off_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_listener, "HEAD_SECONDS", 0.1)
    async with _listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHos")
        assert await _ends(reader)


async def test_a_connection_that_sends_nothing_is_cut_off_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_listener, "HEAD_SECONDS", 0.1)
    async with _listening() as port:
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        assert await _ends(reader)


async def test_a_blank_line_between_requests_does_not_keep_a_connection_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api_listener, "HEAD_SECONDS", 0.2)
    async with _listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await _answer(reader) == b"HTTP/1.1 200 OK 0"
        writer.write(b"\r\n")
        assert await _ends(reader)


async def test_a_slow_body_is_cut_off_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_listener, "BODY_SECONDS", 0.1)
    async with _listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na")
        assert await _ends(reader)


async def test_a_connection_beyond_the_limit_is_closed_at_once() -> None:
    async with _listening(max_connections=1) as port:
        first_reader, first_writer = await asyncio.open_connection("127.0.0.1", port)
        first_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await _answer(first_reader) == b"HTTP/1.1 200 OK 0"
        second_reader, _ = await asyncio.open_connection("127.0.0.1", port)
        assert await _ends(second_reader)


async def test_ordinary_requests_follow_each_other_on_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_listener, "HEAD_SECONDS", 1.0)
    async with _listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            for piece in (b"POST / HTTP/1.1\r\nHost: x\r\nContent-", b"Length: 5\r\n", b"\r\n", b"ab", b"cde"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            assert await _answer(reader) == b"HTTP/1.1 200 OK 5"
