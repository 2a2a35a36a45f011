"""What kinds of frames arrive, and how many that carry nothing a peer may send: the floods of HTTP/2 are made of them
(CVE-2023-44487 and its kin: resets, pings, settings, empty frames)."""

from h2.exceptions import FrameTooLargeError

GOAWAY = 7

FRAME_LIMIT_BYTES = 16 * 1024
"""Longest frame taken: the least that RFC 9113 section 4.2 allows, and what is announced. The library looks at a
frame's length only once all of it has come."""

_DATA, _HEADERS, _CONTINUATION = 0, 1, 9
_HEADER_BYTES = 9
_END_STREAM = 1

PATIENCE = 1000.0
"""Frames without content that a peer may send at once."""

PATIENCE_PER_SECOND = 100.0
"""What it gets back in a second."""

PATIENCE_PER_FRAME_SENT = 4.0
"""What it gets back for each DATA frame that it was sent: it answers those with WINDOW_UPDATE frames."""

RESET_COST = 10.0
"""What giving up a call costs, in such frames: 100 at once, then ten a second."""


class Patience:
    """How much more a peer may ask for that leads to nothing; ``now`` is in seconds and never goes back."""

    def __init__(self, now: float) -> None:
        self._left = PATIENCE
        self._at = now

    def spend(self, cost: float, now: float) -> bool:
        """Take ``cost`` away; return whether any patience is left."""
        self._left = min(PATIENCE, self._left + (now - self._at) * PATIENCE_PER_SECOND) - cost
        self._at = now
        return self._left > 0

    def earn(self) -> None:
        """Note that a DATA frame was sent."""
        self._left = min(PATIENCE, self._left + PATIENCE_PER_FRAME_SENT)


class FrameScanner:
    """Follows the frame headers in the bytes of a connection, wherever arrivals break them.

    Invariant: ``_skip`` bytes of the frame last seen are still to come; only when there are none does ``_header``
    collect the next nine bytes.
    """

    def __init__(self, preface_bytes: int = 0) -> None:
        self._skip = preface_bytes
        self._header = bytearray()
        self._ends_piece = False
        self.cost = 0

    def split(self, data: bytes) -> list[bytes]:
        """Return ``data`` in pieces, cut after every GOAWAY frame; add to ``cost`` the frames without content. Raises
        FrameTooLargeError."""
        pieces: list[bytes] = []
        start = at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
            else:
                step = min(_HEADER_BYTES - len(self._header), len(data) - at)
                self._header += data[at : at + step]
                at += step
                if len(self._header) == _HEADER_BYTES:
                    self._begin_frame()
            if self._ends_piece and not self._skip and not self._header:
                self._ends_piece = False
                pieces.append(data[start:at])
                start = at
        if start < len(data):
            pieces.append(data[start:])
        return pieces

    def _begin_frame(self) -> None:
        self._skip = int.from_bytes(self._header[:3], "big")
        if self._skip > FRAME_LIMIT_BYTES:
            raise FrameTooLargeError("a frame is too long")
        kind, flags = self._header[3], self._header[4]
        self._header.clear()
        self._ends_piece = kind == GOAWAY
        if kind == _DATA:
            self.cost += not self._skip and not flags & _END_STREAM
        elif kind != _HEADERS:
            self.cost += 1
