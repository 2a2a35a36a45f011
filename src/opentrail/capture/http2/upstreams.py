"""HTTP/2 as the gateway speaks it to upstreams that do: calls that came over HTTP/2 go on over it.

An upstream behind ``https`` says so by ALPN; a plain one is asked with the preface, which every server that speaks
HTTP/1.1 alone refuses (RFC 9113 section 3.3). Calls to those go on over HTTP/1.1, their bodies in chunks.
"""

import asyncio
from contextlib import suppress

from h2.events import (
    ConnectionTerminated,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
)
from h2.settings import SettingCodes

from opentrail.capture.connection import Connection
from opentrail.capture.http2.messages import response_head_bytes
from opentrail.capture.http2.session import MAX_STREAMS, Session
from opentrail.capture.http2.stream import NO_ID, StreamTransport, connection_over
from opentrail.capture.upstream import UpstreamPool

ANSWER_SECONDS = 2.0
"""How long an upstream may take to show that it speaks HTTP/2."""

REFUSED_SECONDS = 300.0
"""For how long one that did not is not asked again."""

DOUBTED_SECONDS = 1.0
"""The same for one that spoke it before, and may only have been restarting."""

IDLE_SECONDS = 4.0
"""How long a connection without calls is kept, as over HTTP/1.1."""


class UpstreamSession(Session):
    """One connection to an upstream; ``speaks_http2`` is known once the upstream's first frame has come."""

    is_to_upstream = True

    def __init__(self, scheme: bytes, *, write_s: float) -> None:
        super().__init__(write_s=write_s)
        self.scheme = scheme
        self.speaks_http2: asyncio.Future[bool] = self._loop.create_future()
        self.idle_since = self._loop.time()
        self._open: set[StreamTransport] = set()
        self._is_leaving = False

    @property
    def has_room(self) -> bool:
        """Say whether the upstream takes a further stream here."""
        limit = min(MAX_STREAMS, self._h2.remote_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS, MAX_STREAMS))
        return not self._is_leaving and not self._is_over and self._transport is not None and len(self._open) < limit

    @property
    def is_gone(self) -> bool:
        return self._transport is None or self._is_over

    @property
    def is_idle(self) -> bool:
        return not self._open

    def open_stream(self) -> Connection:
        """Return a connection for one call; its head, once written, opens the stream."""
        connection, stream = connection_over(self, NO_ID)
        self._open.add(stream)
        return connection

    def forget(self, stream: StreamTransport) -> None:
        super().forget(stream)
        self._open.discard(stream)
        self.idle_since = self._loop.time()
        if self._is_leaving and not self._open:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._tell(False)
            transport.close()
            return
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for stream in list(self._open):
            stream.lose(exc or ConnectionResetError("the connection ended"))
        self._tell(False)

    def _settings(self) -> dict[SettingCodes, int]:
        return super()._settings() | {SettingCodes.ENABLE_PUSH: 0}

    def _handle(self, event: Event) -> None:
        if isinstance(event, RemoteSettingsChanged):
            self._tell(True)
        elif isinstance(event, ResponseReceived | InformationalResponseReceived):
            stream = self.streams.get(event.stream_id or NO_ID)
            if stream is not None:
                self.guarded(stream, lambda: _receive_answer(stream, event))

    def _ended_by_peer(self, event: ConnectionTerminated) -> None:
        self._is_leaving = True
        for stream in [one for number, one in self.streams.items() if number > (event.last_stream_id or 0)]:
            stream.lose(ConnectionResetError("the upstream did not take the call"))
        if not self._open:
            self.close()

    def _tell(self, speaks: bool) -> None:
        if not self.speaks_http2.done():
            self.speaks_http2.set_result(speaks)


def _receive_answer(stream: StreamTransport, event: ResponseReceived | InformationalResponseReceived) -> None:
    fields = [(bytes(name), bytes(value)) for name, value in event.headers or []]
    is_final = isinstance(event, ResponseReceived)
    has_body = is_final and isinstance(event, ResponseReceived) and event.stream_ended is None
    stream.receive_head(response_head_bytes(fields, stream.method, has_body=has_body))


class Http2Upstreams:
    """Hands out connections to one upstream for calls that came over HTTP/2; ``plain`` has those over HTTP/1.1.

    There are no more connections than calls: each takes a stream of one that has room, else waits for the one that is
    being opened.
    """

    def __init__(self, plain: UpstreamPool, *, write_s: float) -> None:
        self._plain = plain
        self._write_s = write_s
        self._sessions: list[UpstreamSession] = []
        self._refused_until = 0.0
        self._has_spoken = False
        self._opening: asyncio.Task[UpstreamSession | None] | None = None

    async def acquire(self, *, fresh: bool = False) -> tuple[Connection, bool]:
        """Return a connection and whether it leads over one that was used before; raises UpstreamUnreachable."""
        while True:
            session = None if fresh else self._with_room()
            if session is not None:
                return session.open_stream(), True
            session = await (self._open() if fresh else self._open_for_all())
            if session is None:
                return await self._plain.acquire(fresh=fresh)
            if session.has_room:
                return session.open_stream(), False

    def release(self, connection: Connection) -> None:
        """Take back a connection on which the last answer was read whole."""
        self._plain.release(connection)

    def expire(self) -> None:
        """Close the connections that have been idle for too long."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        for session in list(self._sessions):
            if session.is_idle and session.idle_since < oldest:
                session.close()
            if session.is_gone:
                self._sessions.remove(session)

    def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            self._sessions.pop().close()

    def _with_room(self) -> UpstreamSession | None:
        return next((session for session in reversed(self._sessions) if session.has_room), None)

    async def _open_for_all(self) -> UpstreamSession | None:
        """Do what ``_open`` does once for all calls that wait for it."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, task: "asyncio.Task[UpstreamSession | None]") -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()

    async def _open(self) -> UpstreamSession | None:
        """Open a connection; None to an upstream that does not speak HTTP/2. Raises UpstreamUnreachable."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._refused_until:
            return None
        scheme = b"https" if self._plain.is_tls else b"http"
        session = await self._plain.connect(lambda: UpstreamSession(scheme, write_s=self._write_s), offers_http2=True)
        speaks = False
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                speaks = await session.speaks_http2
        if not speaks:
            session.abort()
            self._refused_until = loop.time() + (DOUBTED_SECONDS if self._has_spoken else REFUSED_SECONDS)
            return None
        self._has_spoken = True
        self._sessions.append(session)
        return session
