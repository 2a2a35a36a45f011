"""An S3 endpoint that answers what a test says, byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class S3Request:
    """One request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def signing_region(self) -> str:
        """The Region of the credential scope."""
        return self.headers["authorization"].split("Credential=")[1].split("/")[2]


Give = Callable[[S3Request], bytes | None]
"""Request -> the bytes to answer with, after which the connection closes; None hangs until the client goes."""


@dataclass
class ScriptedS3:
    """A server that runs: its URL, and every request that came."""

    url: str = ""
    requests: list[S3Request] = field(default_factory=list)


@asynccontextmanager
async def scripted_s3(give: Give) -> AsyncIterator[ScriptedS3]:
    """Serve on a free port of 127.0.0.1."""
    served = ScriptedS3()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            request = await _read(reader, writer)
            served.requests.append(request)
            reply = give(request)
            if reply is None:
                await reader.read()
            else:
                writer.write(reply)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> S3Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = head[0].split(" ")
    return S3Request(method, target, headers, body)


def reply(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """Return an answer; ``length`` is a Content-Length other than the body's."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def error(status: int, code: str, more: str = "") -> bytes:
    """Return one of S3's errors."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>because</Message>{more}</Error>'
    return reply(status, body.encode(), "Content-Type: application/xml")
