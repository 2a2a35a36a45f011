"""The other side of HTTP/2, made of the library directly: a client that can say anything, and a scripted upstream."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

AUTHORITY = "gateway.test"
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/{service}/aws4_request, "
    "SignedHeaders=:authority, Signature=00"
)


async def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return once ``holds``, which nothing announces; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@dataclass
class Answer:
    """What came back on one stream so far."""

    headers: dict[str, str] = field(default_factory=dict)
    interim: list[str] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    is_ended: bool = False
    reset_code: int | None = None

    @property
    def body(self) -> bytes:
        return bytes(self.data)

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def is_over(self) -> bool:
        return self.is_ended or self.reset_code is not None


class Http2Peer:
    """One connection as a client; ``events`` has every event, ``answers`` what came on each stream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, acknowledges: bool = True
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self.events: list[Event] = []
        self.answers: dict[int, Answer] = defaultdict(Answer)
        self.acknowledges = acknowledges
        self.is_closed = False
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, port: int, *, acknowledges: bool = True, starts: bool = True) -> "Http2Peer":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        peer = cls(reader, writer, acknowledges=acknowledges)
        if starts:
            peer.h2.initiate_connection()
            await peer.flush()
        return peer

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def begin(
        self, method: str, path: str, *headers: tuple[str, str], service: str = "s3", ends: bool = False
    ) -> int:
        """Send a request's head; return its stream."""
        stream = self.h2.get_next_available_stream_id()
        fields = [
            (":method", method),
            (":scheme", "http"),
            (":authority", AUTHORITY),
            (":path", path),
            ("authorization", AUTHORIZATION.format(service=service)),
            *headers,
        ]
        self.h2.send_headers(stream, fields, end_stream=ends)
        await self.flush()
        return stream

    async def send(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Send a body's bytes as windows allow."""
        while data:
            window = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if window <= 0:
                await self.until(lambda: self.h2.local_flow_control_window(stream) > 0 or self.answers[stream].is_over)
                if self.answers[stream].is_over:
                    return
                continue
            self.h2.send_data(stream, data[:window])
            data = data[window:]
            await self.flush()
        if ends:
            self.h2.end_stream(stream)
            await self.flush()

    async def call(
        self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", service: str = "s3"
    ) -> Answer:
        """Send a whole request and return the whole answer."""
        stream = await self.begin(method, path, *headers, service=service, ends=not body)
        if body:
            await self.send(stream, body, ends=True)
        return await self.answer(stream)

    async def answer(self, stream: int) -> Answer:
        """Return what came on ``stream`` once it is over."""
        await self.until(lambda: self.answers[stream].is_over or self.is_closed)
        return self.answers[stream]

    async def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return once ``holds``; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def goodbye(self) -> ConnectionTerminated | None:
        """Return the GOAWAY that came, if one did."""
        return next((event for event in self.events if isinstance(event, ConnectionTerminated)), None)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.writer.close()

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(65_536):
                for event in self.h2.receive_data(data):
                    self._note(event)
                await self.flush()
                self._changed.set()
        except (OSError, ProtocolError):
            pass
        finally:
            self.is_closed = True
            self._changed.set()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, ResponseReceived):
            self.answers[event.stream_id].headers = dict(event.headers)  # type: ignore[arg-type]
        elif isinstance(event, InformationalResponseReceived):
            self.answers[event.stream_id].interim.append(dict(event.headers)[":status"])  # type: ignore[index, arg-type]
        elif isinstance(event, DataReceived):
            self.answers[event.stream_id].data += event.data or b""
            if self.acknowledges:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.answers[event.stream_id].is_ended = True
        elif isinstance(event, StreamReset):
            self.answers[event.stream_id].reset_code = int(event.error_code or 0)
        elif isinstance(event, ConnectionTerminated) and not event.error_code:
            self.h2.state_machine.state = ConnectionState.CLIENT_OPEN  # calls under way may still be answered


@dataclass
class UpstreamCall:
    """One request as the HTTP/2 upstream's script sees it."""

    connection: "Http2UpstreamConnection"
    stream: int
    headers: list[tuple[str, str]]
    body: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    taken: list[bytes] = field(default_factory=list)

    async def whole_body(self) -> bytes:
        """Return the request's body; an empty piece ends it."""
        pieces = []
        while piece := await self.body.get():
            pieces.append(piece)
        return b"".join(pieces)

    async def answer(self, body: bytes = b"ok", *headers: tuple[str, str], status: int = 200) -> None:
        self.start((("content-length", str(len(body))), *headers), status)
        await self.send(body, ends=True)

    def start(self, headers: Sequence[tuple[str, str]] = (), status: int = 200, *, ends: bool = False) -> None:
        h2 = self.connection.h2
        h2.send_headers(self.stream, [(":status", str(status)), *headers], end_stream=ends)
        self.connection.flush()

    async def send(self, data: bytes, *, ends: bool = False) -> None:
        h2 = self.connection.h2
        while data:
            window = min(h2.local_flow_control_window(self.stream), h2.max_outbound_frame_size)
            if window <= 0:
                self.connection.window_opened.clear()
                await self.connection.window_opened.wait()
                continue
            h2.send_data(self.stream, data[:window])
            data = data[window:]
            self.connection.flush()
        if ends:
            h2.end_stream(self.stream)
            self.connection.flush()

    def reset(self, code: int = 2) -> None:
        self.connection.h2.reset_stream(self.stream, code)
        self.connection.flush()


Script = Callable[[UpstreamCall], Awaitable[None]]


class Http2UpstreamConnection(asyncio.Protocol):
    """Runs the script for every stream; keeps the requests."""

    def __init__(self, upstream: "Http2Upstream") -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.window_opened = asyncio.Event()
        self.was_reset: set[int] = set()
        self._upstream = upstream
        self._calls: dict[int, UpstreamCall] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._upstream.connections.append(self)
        self.h2.initiate_connection()
        if self._upstream.max_streams:
            self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._upstream.max_streams})
        self.flush()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self._handle(event)
        self.flush()

    def _handle(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            call = UpstreamCall(self, event.stream_id or 0, [(str(n), str(v)) for n, v in event.headers or []])
            self._calls[call.stream] = call
            self._upstream.calls.append(call)
            self._upstream.tasks.append(asyncio.ensure_future(self._upstream.script(call)))
        elif isinstance(event, DataReceived):
            self._calls[event.stream_id or 0].body.put_nowait(event.data or b"")
            self._calls[event.stream_id or 0].taken.append(event.data or b"")
            if self._upstream.acknowledges:
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, StreamEnded):
            self._calls[event.stream_id or 0].body.put_nowait(b"")
        elif isinstance(event, StreamReset):
            self.was_reset.add(event.stream_id or 0)
        if not isinstance(event, DataReceived):
            self.window_opened.set()


class Http2Upstream:
    """An upstream that speaks HTTP/2 with prior knowledge, or over TLS."""

    def __init__(self, script: Script, *, acknowledges: bool = True, max_streams: int = 0) -> None:
        self.script = script
        self.acknowledges = acknowledges
        self.max_streams = max_streams
        self.calls: list[UpstreamCall] = []
        self.connections: list[Http2UpstreamConnection] = []
        self.tasks: list[asyncio.Future[None]] = []
        self.port = 0

    async def start(self, tls: ssl.SSLContext | None = None, *, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Http2UpstreamConnection(self), "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for connection in self.connections:
            connection.transport.abort()  # type: ignore[attr-defined]


async def answer_ok(call: UpstreamCall) -> None:
    """A script: answer with OK once the request is whole."""
    await call.whole_body()
    await call.answer()
