"""One stream as the transport of a ``Connection``: HTTP/1.1 bytes written become frames, frames that arrive become
HTTP/1.1 bytes.

Flow control reaches from end to end: what arrives is given back to the peer's window once the connection wants more,
and the connection's writer waits while the peer's window is shut.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from h2.errors import ErrorCodes

from opentrail.capture.connection import WRITE_BUFFER_BYTES, Connection
from opentrail.capture.http1 import (
    HEAD_END,
    BodyScanner,
    Framing,
    MalformedMessage,
    parse_request_head,
    parse_response_head,
)
from opentrail.capture.http2.messages import Fields, chunk, request_fields, response_fields, trailer_bytes

if TYPE_CHECKING:
    from opentrail.capture.http2.session import Session

NO_ID = 0
"""The id of a stream of ours before its head is sent."""


class StreamTransport(asyncio.Transport):
    """A stream of ``session``. Frames come in through ``receive_*``; ``take_unsent`` is asked for what goes out."""

    def __init__(self, session: "Session", stream_id: int, connection: Connection) -> None:
        super().__init__()
        self.stream_id = stream_id
        self.connection = connection
        self.method = ""
        self.is_ended_by_peer = False
        self._session = session
        self._head = bytearray()
        self._scanner: BodyScanner | None = None
        self._framing = Framing.NONE
        self._is_chunked_in = False
        self._trailers = b""
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._high_bytes = WRITE_BUFFER_BYTES
        self._is_writer_waiting = False
        self._is_ending = False
        self._is_end_sent = False
        self._is_reading_paused = False
        self._unacknowledged = 0
        self._is_closing = False
        self._is_lost = False

    # What arrives.

    def receive_head(self, raw: bytes) -> None:
        """Hand in a head of HTTP/1.1 (an interim answer's too)."""
        self._is_chunked_in = b"\r\ntransfer-encoding: chunked\r\n" in raw
        self.connection.data_received(raw)

    def receive_data(self, data: bytes, flow_bytes: int) -> None:
        """Hand in the content of a DATA frame that took ``flow_bytes`` of the window."""
        if data:
            self.connection.data_received(chunk(data) if self._is_chunked_in else data)
        if self._is_reading_paused:
            self._unacknowledged += flow_bytes
        else:
            self._session.acknowledge(self, flow_bytes)

    def receive_trailers(self, fields: Fields) -> None:
        """Keep trailers for the end; in HTTP/1.1 a body of stated length has none, and they are dropped."""
        self._trailers = trailer_bytes(fields)

    def receive_end(self) -> None:
        """Note that the peer has said everything."""
        self.is_ended_by_peer = True
        if self._is_chunked_in:
            self.connection.data_received(b"0\r\n" + self._trailers + b"\r\n")
        self.connection.eof_received()
        self._end_if_both_did()

    def lose(self, error: Exception | None) -> None:
        """Tell the connection, once, that the stream is gone."""
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._session.forget(self)
        self._unsent.clear()
        self._unsent_bytes = 0
        if self._unacknowledged:
            self._session.acknowledge(self, self._unacknowledged)
            self._unacknowledged = 0
        self.connection.connection_lost(error)

    # What goes out.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or self._is_ending:
            return
        try:
            self._write_parsed(bytes(data))
        except MalformedMessage:
            self.abort()
            return
        if self._unsent_bytes > self._high_bytes and not self._is_writer_waiting:
            self._is_writer_waiting = True
            self.connection.pause_writing()

    def take_unsent(self, limit: int) -> tuple[bytes, bool]:
        """Return up to ``limit`` bytes to send, and whether the stream ends with them."""
        data = b""
        if self._unsent and limit > 0:
            data = self._unsent.popleft()
            if len(data) > limit:
                self._unsent.appendleft(data[limit:])
                data = data[:limit]
            self._unsent_bytes -= len(data)
        self._is_end_sent = self._is_ending and not self._unsent
        return data, self._is_end_sent

    def note_sent(self) -> None:
        """Let the writer go on, and the stream end, as far as what was sent allows."""
        if self._is_writer_waiting and self._unsent_bytes <= self._high_bytes // 2:
            self._is_writer_waiting = False
            self.connection.resume_writing()
        if self._is_end_sent:
            self._end_if_both_did()

    @property
    def has_unsent(self) -> bool:
        """Say whether there are bytes, or an end, still to be sent."""
        return bool(self._unsent) or (self._is_ending and not self._is_end_sent)

    @property
    def is_waiting_for_window(self) -> bool:
        """Say whether only the peer's window can let this stream go on; an end alone needs none."""
        return bool(self._unsent)

    # What asyncio's transports offer to their protocol.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "is_http2":
            return True
        return default if name == "sslcontext" else self._session.extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_bytes = WRITE_BUFFER_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        return self._unsent_bytes

    def pause_reading(self) -> None:
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        self._is_reading_paused = False
        if self._unacknowledged:
            flow_bytes, self._unacknowledged = self._unacknowledged, 0
            self._session.acknowledge(self, flow_bytes)
            self._session.flush()

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Send what was written and end. A message that is not whole is reset, as is a request nobody reads on."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._framing is Framing.UNTIL_CLOSE and not self._is_ending:
            self._is_ending = True
            self._session.send_soon(self)
        if not self._is_ending:
            self.abort()
        elif self._is_end_sent:
            self._end()

    def abort(self) -> None:
        if self._is_lost:
            return
        self._session.reset(self, self._error_code())
        self.lose(None)

    def _write_parsed(self, data: bytes) -> None:
        while self._scanner is None:
            self._head += data
            end = self._head.find(HEAD_END) + len(HEAD_END)
            if end < len(HEAD_END):
                return
            raw, data = bytes(self._head[:end]), bytes(self._head[end:])
            self._head.clear()
            fields, scanner = self._read_head(raw)
            if scanner is None:
                self._session.send_headers(self, fields, ends=False)
                if not data:
                    return
                continue
            self._scanner = scanner
            self._is_ending = self._is_end_sent = scanner.is_complete
            self._session.send_headers(self, fields, ends=scanner.is_complete)
            if scanner.is_complete:
                asyncio.get_running_loop().call_soon(self._end_if_both_did)
                return
        if data:
            self._write_body(self._scanner, data)

    def _write_body(self, scanner: BodyScanner, data: bytes) -> None:
        _, payload = scanner.feed(data)
        if payload:
            self._unsent.append(payload)
            self._unsent_bytes += len(payload)
        self._is_ending = scanner.is_complete
        if payload or self._is_ending:
            self._session.send_soon(self)

    def _read_head(self, raw: bytes) -> tuple[Fields, BodyScanner | None]:
        """Return a head's fields and what finds the end of its body, None for an interim answer."""
        if self._session.is_to_upstream:
            request = parse_request_head(raw)
            self._framing = request.framing
            self.method = request.method
            fields = request_fields(request, self._session.scheme)
            return fields, BodyScanner(request.framing, request.length)
        response = parse_response_head(raw, self.method)
        fields = response_fields(response)
        if response.status < 200:
            return fields, None
        self._framing = response.framing
        return fields, BodyScanner(response.framing, response.length)

    def _error_code(self) -> ErrorCodes:
        if self._session.is_to_upstream:
            return ErrorCodes.CANCEL
        if not self.connection.bytes_received:
            return ErrorCodes.REFUSED_STREAM
        return ErrorCodes.NO_ERROR if self._is_end_sent else ErrorCodes.INTERNAL_ERROR

    def _end_if_both_did(self) -> None:
        if self._is_end_sent and self.is_ended_by_peer:
            self.lose(None)
        elif self._is_end_sent and self._is_closing:
            self._end()

    def _end(self) -> None:
        """End after all was sent, whether or not the peer has."""
        if not self.is_ended_by_peer and not self._is_lost:
            self._session.reset(self, self._error_code())
        self.lose(None)


def connection_over(session: "Session", stream_id: int) -> tuple[Connection, StreamTransport]:
    """Return a connection whose transport is a stream of ``session``."""
    connection = Connection()
    transport = StreamTransport(session, stream_id, connection)
    connection.connection_made(cast(asyncio.BaseTransport, transport))
    return connection, transport
