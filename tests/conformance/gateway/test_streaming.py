"""Objects of any size pass with flat memory, both ways."""

import asyncio
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conformance.gateway.serve import gateway_process, resident_bytes
from tests.conformance.gateway.support import OK, ScriptedUpstream, UpstreamConnection, request_bytes

SIZE = 64 * 1024 * 1024
PIECE = bytes(range(256)) * 1024
GROWTH_LIMIT_BYTES = 12 * 1024 * 1024
"""Buffers of both directions, and the allocator's slack."""


class ObjectUpstream:
    """Takes objects, hashing them, and gives one out; both slowly enough that a gateway that gathers is caught."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    async def script(self, connection: UpstreamConnection) -> None:
        while True:
            head = await connection.reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"PUT"):
                await self._take(connection)
                await connection.send(OK)
            else:
                await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
                for _ in range(SIZE // len(PIECE)):
                    await connection.send(PIECE)

    async def _take(self, connection: UpstreamConnection) -> None:
        left = SIZE
        while left:
            data = await connection.reader.read(min(left, 2**20))
            self.hash.update(data)
            left -= len(data)
            await asyncio.sleep(0.0005)


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
async def test_a_large_object_passes_both_ways_with_flat_memory(tmp_path: Path, mode: str) -> None:
    source = ObjectUpstream()
    upstream = ScriptedUpstream(source.script)
    await upstream.start()
    with gateway_process(f"http://127.0.0.1:{upstream.port}", mode, tmp_path) as (process, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(request_bytes("GET /warm-up"))
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(SIZE // len(PIECE)):
            await reader.readexactly(len(PIECE))
        before = highest = resident_bytes(process.pid)

        writer.write(request_bytes("PUT /b/large", f"Content-Length: {SIZE}"))
        for n in range(SIZE // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
            if n % 16 == 0:
                highest = max(highest, resident_bytes(process.pid))
        assert await reader.readexactly(len(OK)) == OK

        writer.write(request_bytes("GET /b/large"))
        await reader.readuntil(b"\r\n\r\n")
        received = hashlib.sha256()
        for n in range(SIZE // len(PIECE)):
            received.update(await reader.readexactly(len(PIECE)))
            if n % 16 == 0:
                highest = max(highest, resident_bytes(process.pid))
                await asyncio.sleep(0.002)
        writer.close()
    await upstream.stop()

    expected = hashlib.sha256(PIECE * (SIZE // len(PIECE))).digest()
    assert source.hash.digest() == received.digest() == expected
    assert highest - before < GROWTH_LIMIT_BYTES
