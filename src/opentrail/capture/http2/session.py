"""One connection that speaks HTTP/2, whichever side opened it: frames in and out, shared fairly among its streams.

Everything happens in the event loop's callbacks; no task runs for the connection itself. Bounds: at most
``WRITE_BUFFER_BYTES`` wait for the peer to read before streams stop sending, ``CONNECTION_WINDOW_BYTES`` may arrive
before anybody takes them, and a peer that only sends frames without content is cut off (``frames.Patience``).
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from opentrail.capture.connection import CLOSE_SECONDS, WRITE_BUFFER_BYTES
from opentrail.capture.http1 import HEAD_LIMIT_BYTES, MalformedMessage
from opentrail.capture.http2.frames import FrameScanner, Patience
from opentrail.capture.http2.messages import Fields
from opentrail.capture.http2.stream import NO_ID, StreamTransport

MAX_STREAMS = 100
"""Streams that a peer may have open at a time: what clients assume before they are told (RFC 9113 section 6.5.2)."""

STREAM_WINDOW_BYTES = 256 * 1024
"""What may arrive on one stream before anybody takes it, beside what its connection buffers."""

CONNECTION_WINDOW_BYTES = 1024 * 1024
"""The same for all streams of a connection together."""

SLICE_BYTES = 16 * 1024
"""Arrivals are looked at in slices of this, so that a flood is noticed before it was worked through."""

FRAME_BYTES = 64 * 1024
"""Longest DATA frame sent, where the peer allows more than this."""

HEADER_TABLE_BYTES = 4096
"""Most memory for compressing the headers that are sent, whatever the peer allows."""

_DEFAULT_WINDOW = 65_535


class Session(asyncio.Protocol):
    """The streams of one connection and what they share. Subclasses say what opens a stream and what an answer is."""

    is_to_upstream = False
    scheme = b"http"

    def __init__(self, *, write_s: float) -> None:
        self.streams: dict[int, StreamTransport] = {}
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._h2 = H2Connection(H2Configuration(client_side=self.is_to_upstream, header_encoding=None))
        self._h2.local_settings = Settings(client=self.is_to_upstream, initial_values=self._settings())
        self._scanner = FrameScanner(0 if self.is_to_upstream else len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        self._patience = Patience(self._loop.time())
        self._write_s = write_s
        self._transport: asyncio.Transport | None = None
        self._ready: dict[StreamTransport, None] = {}
        self._is_writing_paused = False
        self._is_pumping = False
        self._stalled: asyncio.TimerHandle | None = None
        self._is_over = False

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _DEFAULT_WINDOW)
        self.flush()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            if self._transport is None or self._is_over:
                return
            self._receive(bytes(data[start : start + SLICE_BYTES]))
        self._pump()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._is_writing_paused = True
        if self._stalled is None:
            self._stalled = self._loop.call_later(self._write_s, self.abort)

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._stop_stall_timer()
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._stop_stall_timer()
        for stream in list(self.streams.values()):
            stream.lose(exc or ConnectionResetError("the connection ended"))
        if not self.closed.done():
            self.closed.set_result(None)

    # Called by its streams.

    def extra_info(self, name: str, default: Any) -> Any:
        return default if self._transport is None else self._transport.get_extra_info(name, default)

    def send_headers(self, stream: StreamTransport, fields: Fields, *, ends: bool) -> None:
        """Send a head; a stream of ours gets its id with it. A stream that the peer reset meanwhile sends nothing."""
        if self._transport is None:
            return
        try:
            if stream.stream_id == NO_ID:
                stream.stream_id = self._h2.get_next_available_stream_id()
                self.streams[stream.stream_id] = stream
            self._h2.send_headers(stream.stream_id, fields, end_stream=ends)
        except ProtocolError:
            self._loop.call_soon(stream.abort)
            return
        self.flush()

    def send_soon(self, stream: StreamTransport) -> None:
        """Send what ``stream`` has to send as far as windows allow, in its turn."""
        self._ready[stream] = None
        self._pump()

    def acknowledge(self, stream: StreamTransport, flow_bytes: int) -> None:
        """Give window back to the peer for what was taken; ``flush`` sends it."""
        if self._transport is not None and not self._is_over and flow_bytes:
            self._h2.acknowledge_received_data(flow_bytes, stream.stream_id)

    def reset(self, stream: StreamTransport, code: ErrorCodes) -> None:
        """End a stream before its time."""
        if self._transport is None or self._is_over or stream.stream_id == NO_ID:
            return
        try:
            self._h2.reset_stream(stream.stream_id, code)
        except ProtocolError:
            return
        self.flush()

    def forget(self, stream: StreamTransport) -> None:
        """Drop a stream that has ended."""
        self.streams.pop(stream.stream_id, None)
        self._ready.pop(stream, None)

    def flush(self) -> None:
        """Write every frame that is ready; a peer that lets too many pile up is cut off."""
        if self._transport is None:
            return
        data = self._h2.data_to_send()
        if data:
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > 4 * WRITE_BUFFER_BYTES:
                self.abort()

    def abort(self) -> None:
        """Cut the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def close(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Say why, and close once that is sent."""
        if self._transport is None:
            return
        self.say_goodbye(code)
        self._end()

    def say_goodbye(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Tell the peer that no further stream will be taken. The library would stop all streams with it, so the
        frame is made here."""
        if self._transport is not None and not self._is_over:
            frame = GoAwayFrame(0, last_stream_id=self._last_stream_id(), error_code=int(code))
            self._transport.write(frame.serialize())

    # What subclasses add.

    def _settings(self) -> dict[SettingCodes, int]:
        return {
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
            SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_LIMIT_BYTES,
        }

    def _last_stream_id(self) -> int:
        return 0

    def _handle(self, event: Event) -> None:
        """Act on an event of the subclass's own. Raises MalformedMessage (for a stream) and ProtocolError."""

    def _ended_by_peer(self, event: ConnectionTerminated) -> None:
        """Act on the peer's GOAWAY; the streams that are open go on."""

    # Its own.

    def _receive(self, data: bytes) -> None:
        try:
            for piece in self._scanner.split(data):
                for event in self._h2.receive_data(piece):
                    self._handle_common(event)
        except (ProtocolError, ValueError) as error:
            self._fail(getattr(error, "error_code", ErrorCodes.PROTOCOL_ERROR))
            return
        if self._scanner.cost:
            cost, self._scanner.cost = self._scanner.cost, 0
            self.spend(float(cost))
        self.flush()

    def spend(self, cost: float) -> bool:
        """Charge the peer for what leads to nothing; cut it off, and return False, when it asked for too much."""
        if self._patience.spend(cost, self._loop.time()):
            return True
        self._fail(ErrorCodes.ENHANCE_YOUR_CALM)
        return False

    def _end(self) -> None:
        """Close once everything is sent, or CLOSE_SECONDS have passed."""
        self._is_over = True
        if self._transport is not None:
            if self._transport.get_write_buffer_size():
                self._loop.call_later(CLOSE_SECONDS, self.abort)
            self._transport.close()

    def _fail(self, code: ErrorCodes | int) -> None:
        """End the connection for the peer's fault."""
        if self._transport is None or self._is_over:
            return
        self._h2.clear_outbound_data_buffer()
        self.close(ErrorCodes(code) if code in set(ErrorCodes) else ErrorCodes.PROTOCOL_ERROR)
        for stream in list(self.streams.values()):
            stream.lose(ConnectionResetError("the connection ended"))

    def _handle_common(self, event: Event) -> None:
        if self._is_over:
            return
        if isinstance(event, DataReceived):
            self._receive_data(event)
        elif isinstance(event, StreamEnded):
            self._with_stream(event.stream_id, StreamTransport.receive_end)
        elif isinstance(event, TrailersReceived):
            stream = self.streams.get(event.stream_id)
            if stream is not None:
                self.guarded(stream, lambda: stream.receive_trailers(_plain(event.headers)))
        elif isinstance(event, StreamReset):
            self._with_stream(event.stream_id, lambda stream: stream.lose(ConnectionResetError("the stream was reset")))
            self._handle(event)
        elif isinstance(event, WindowUpdated):
            self._window_opened(event.stream_id or 0)
        elif isinstance(event, RemoteSettingsChanged):
            self._h2.encoder.header_table_size = min(HEADER_TABLE_BYTES, self._h2.remote_settings.header_table_size)
            self._window_opened(0)
            self._handle(event)
        elif isinstance(event, ConnectionTerminated):
            self._receive_goodbye(event)
        else:
            self._handle(event)

    def _receive_data(self, event: DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.receive_data(event.data, event.flow_controlled_length)
        else:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _with_stream(self, stream_id: int | None, act: Callable[[StreamTransport], None]) -> None:
        stream = self.streams.get(stream_id or 0)
        if stream is not None:
            act(stream)

    def guarded(self, stream: StreamTransport, act: Callable[[], None]) -> None:
        """Do what concerns one stream; a malformed message ends that stream alone (RFC 9113 section 8.1.1)."""
        try:
            act()
        except MalformedMessage:
            self.reset(stream, ErrorCodes.PROTOCOL_ERROR)
            stream.lose(ConnectionResetError("malformed"))

    def _window_opened(self, stream_id: int) -> None:
        """Note which streams may send again: the one named, all for 0."""
        if stream_id:
            self._with_stream(stream_id, self._note_ready)
        else:
            for stream in self.streams.values():
                self._note_ready(stream)

    def _note_ready(self, stream: StreamTransport) -> None:
        if stream.has_unsent:
            self._ready[stream] = None

    def _receive_goodbye(self, event: ConnectionTerminated) -> None:
        if event.error_code != ErrorCodes.NO_ERROR:
            self._fail(ErrorCodes.NO_ERROR)
            return
        # The library ends everything with a GOAWAY; the streams that are open may end in their own time.
        open_state = ConnectionState.CLIENT_OPEN if self.is_to_upstream else ConnectionState.SERVER_OPEN
        self._h2.state_machine.state = open_state
        self._ended_by_peer(event)

    def _pump(self) -> None:
        """Send DATA frames, one of each stream in turn, until windows are shut or the peer reads too slowly."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._ready and not self._is_writing_paused and self._transport is not None and not self._is_over:
                stream = next(iter(self._ready))
                del self._ready[stream]
                if self._send_some(stream):
                    self._ready[stream] = None
        finally:
            self._is_pumping = False

    def _send_some(self, stream: StreamTransport) -> bool:
        """Send one frame of ``stream``; return whether it can go on at once."""
        if not stream.has_unsent:
            return False
        try:
            window = self._h2.local_flow_control_window(stream.stream_id)
            if window <= 0 and stream.is_waiting_for_window:
                return False
            data, ends = stream.take_unsent(min(window, self._h2.max_outbound_frame_size, FRAME_BYTES))
            self._h2.send_data(stream.stream_id, data, end_stream=ends)
        except ProtocolError:
            stream.lose(ConnectionResetError("the stream was closed"))
            return False
        self._patience.earn()
        self.flush()
        stream.note_sent()
        return stream.has_unsent

    def _stop_stall_timer(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def _plain(headers: Any) -> Fields:
    return [(bytes(name), bytes(value)) for name, value in headers]
