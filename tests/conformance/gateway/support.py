"""A scripted upstream that keeps the bytes it gets, a recorder that keeps what it is told, and a gateway between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentrail.capture import RecordingUnavailable
from opentrail.capture.budget import HELD_LIMIT_BYTES
from opentrail.capture.exchange import Timeouts
from opentrail.capture.gateway import Gateway
from opentrail.capture.ownership import Ownership
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import CredentialScope, Operation
from tests.memory.archives import InMemoryArchives
from tests.memory.identity_store import InMemoryIdentityStore

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AUTHORIZATION = (
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/{service}/aws4_request, "
    "SignedHeaders=host, Signature=00"
)


def request_bytes(line: str, *headers: str, body: bytes = b"", service: str = "s3") -> bytes:
    """A signed-looking request; Host comes first, Content-Length is added for a body."""
    lines = [f"{line} HTTP/1.1", "Host: gateway.test", AUTHORIZATION.format(service=service), *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class ScriptedUpstream:
    """Accepts connections and hands each to ``script``; ``received`` has the bytes of every connection."""

    def __init__(self, script: Callable[["UpstreamConnection"], Awaitable[None]]) -> None:
        self.connections: list[UpstreamConnection] = []
        self.was_called = asyncio.Event()
        self._script = script
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=2**22)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def received(self) -> bytes:
        return b"".join(connection.received for connection in self.connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = UpstreamConnection(reader, writer)
        self.connections.append(connection)
        self.was_called.set()
        try:
            await self._script(connection)
            connection.ended.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()


@dataclass
class UpstreamConnection:
    """One connection as the script sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytes = b""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, separator: bytes) -> bytes:
        data = await self.reader.readuntil(separator)
        self.received += data
        return data

    async def exactly(self, size: int) -> bytes:
        data = await self.reader.readexactly(size)
        self.received += data
        return data

    async def to_end(self) -> bytes:
        data = await self.reader.read()
        self.received += data
        return data

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()


@dataclass
class KeptCall:
    """One call as the recorder was told of it, in the order of things."""

    recorder: "KeepingRecorder"
    request: HttpRequest
    operation: Operation | None
    scope: CredentialScope | None
    response: HttpResponse | None = None
    reason: str = ""
    times_settled: int = 0

    async def finish(self, response: HttpResponse) -> None:
        self.times_settled += 1
        self.response = response
        await self.recorder.may_finish.wait()
        self.recorder.settled.release()
        if self.recorder.refuses_finish:
            raise RecordingUnavailable("told to")

    async def abandon(self, reason: str) -> None:
        self.times_settled += 1
        self.reason = reason
        self.recorder.settled.release()


class KeepingRecorder:
    """Keeps every call; can refuse to begin or finish, and can be held back before it finishes."""

    def __init__(self) -> None:
        self.calls: list[KeptCall] = []
        self.refuses_begin = False
        self.refuses_finish = False
        self.may_finish = asyncio.Event()
        self.may_finish.set()
        self.settled = asyncio.Semaphore(0)

    async def begin(self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None) -> KeptCall:
        if self.refuses_begin:
            raise RecordingUnavailable("told to")
        call = KeptCall(self, request, operation, scope)
        self.calls.append(call)
        return call


@dataclass
class Rig:
    """A gateway before a scripted upstream."""

    gateway: Gateway
    upstream: ScriptedUpstream
    recorder: KeepingRecorder
    port: int
    own_requests: list[HttpRequest] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=2**22)

    async def call(self, request: bytes) -> bytes:
        """Send one request on its own connection and return all bytes until the answer's end."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await read_answer(reader, request.split(b" ", 1)[0] == b"HEAD")
        writer.close()
        return answer


async def read_answer(reader: asyncio.StreamReader, is_head: bool = False) -> bytes:
    """Read one answer; its body by Content-Length, or to the end of the stream without one."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split()[1])
    if is_head or status < 200 or status in (204, 304):
        return head
    lower = head.lower()
    if b"content-length:" in lower:
        size = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        return head + await reader.readexactly(size)
    if b"transfer-encoding: chunked" in lower:
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head + await reader.read()


async def answer_ok(connection: UpstreamConnection) -> None:
    """A script: answer every request without a body with OK."""
    while True:
        await connection.until(b"\r\n\r\n")
        await connection.send(OK)


@asynccontextmanager
async def gateway_rig(
    script: Callable[[UpstreamConnection], Awaitable[None]] = answer_ok,
    *,
    timeouts: Timeouts | None = None,
    trusted_proxies: tuple[str, ...] = (),
    max_connections: int = 100,
    max_connections_per_peer: int = 0,
    held_limit_bytes: int = HELD_LIMIT_BYTES,
    own_answer: HttpResponse | None = None,
    identities: InMemoryIdentityStore | None = None,
    upstream_url: str = "",
    ca_bundle: str = "",
) -> AsyncIterator[Rig]:
    """Start upstream and gateway on free ports; stop both afterwards and check that every call was settled once."""
    upstream, recorder = ScriptedUpstream(script), KeepingRecorder()
    await upstream.start()
    own_requests: list[HttpRequest] = []

    async def own_api(request: HttpRequest) -> HttpResponse:
        own_requests.append(request)
        return own_answer or HttpResponse(200, (("Content-Type", "text/plain"),), b"own")

    gateway = Gateway(
        upstream_url or f"http://127.0.0.1:{upstream.port}",
        recorder,
        own_api,
        Ownership(InMemoryArchives(), identities or InMemoryIdentityStore()),
        timeouts=timeouts,
        ca_bundle=ca_bundle,
        trusted_proxies=trusted_proxies,
        max_connections=max_connections,
        max_connections_per_peer=max_connections_per_peer,
        held_limit_bytes=held_limit_bytes,
    )
    _, port = await gateway.start("127.0.0.1", 0)
    try:
        yield Rig(gateway, upstream, recorder, port, own_requests)
    finally:
        await gateway.stop()
        await upstream.stop()
    assert [call.times_settled for call in recorder.calls] == [1] * len(recorder.calls)
