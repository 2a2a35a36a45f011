"""The API's listener: uvicorn, with a bound on every head, every wait and the number of connections.

uvicorn with httptools takes heads of any size and waits for them for ever; callers who have not proved who they are
must cost neither memory nor connections.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT_BYTES = 64 * 1024
"""Most bytes of an unfinished head, as at the gateway; one arrival (at most 256 KB) may exceed it."""

HEAD_SECONDS = 15.0
"""How long a head may take, from the connection or the first byte after an earlier request."""

BODY_SECONDS = 60.0
"""How long a body (at most 1 MiB is read) may take."""

MAX_CONNECTIONS = 1024
"""Connections at a time; a further one is closed at once."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection of the API. What oversteps a bound is cut off: whoever does so is no AWS client."""

    def __init__(self, *arguments: Any, max_connections: int, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._max_connections = max_connections
        self._timer: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._has_just_begun = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._max_connections:
            transport.abort()
            return
        self._end_after(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and self._is_in_head:
            self._end_after(HEAD_SECONDS)
        super().data_received(data)
        if not self._is_in_head:
            return
        if not self._has_just_begun:
            self._head_bytes += len(data)
        self._has_just_begun = False
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._is_in_head, self._has_just_begun, self._head_bytes = True, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._end_after(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._disarm()
        self._is_in_head, self._has_just_begun, self._head_bytes = True, True, 0
        super().on_message_complete()

    def _end_after(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._cut_off)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()


class ApiListener(uvicorn.Server):
    """A uvicorn server that leaves the process's signals to ``serve``."""

    def __init__(self, application: Any, *, drain_seconds: int, max_connections: int = MAX_CONNECTIONS) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=partial(BoundedProtocol, max_connections=max_connections),  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=drain_seconds,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
