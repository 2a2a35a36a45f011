"""Log files: the gzip objects that a trail delivers. Events as JSON bytes go in, the file's bytes come out.

The form is CloudTrail's own (docs/formats/delivery.md): ``{"Records":[...]}`` without any spacing or final newline, one
gzip member made by zlib at level 6 behind a plain header.
"""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from opentrail.digest.merkle import tree_hash

MAX_LOG_FILE_BYTES = 50 * 1000 * 1000
"""CloudTrail's bound on one log file before compression."""

CONTENT_TYPE = "application/json"
CONTENT_ENCODING = "gzip"

_HEAD = b'{"Records":['
_TAIL = b"]}"
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00"
_LEVEL = 6
_RAW_DEFLATE = -15
_UINT32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class LogFile:
    """One closed log file: ``body`` is what is stored, ``sha256`` the hex hash of the file before compression,
    ``tree_hash`` the hex root of the Merkle tree over its events."""

    body: bytes
    sha256: str
    size_bytes: int
    tree_hash: str


def log_file_size(event_count: int, event_bytes: int) -> int:
    """Return the size before compression of a file with so many events of so many bytes in all."""
    return len(_HEAD) + len(_TAIL) + event_bytes + max(0, event_count - 1)


def close_log_file(events: Sequence[bytes]) -> LogFile:
    """Turn events, each the JSON that the journal holds, into the log file a trail delivers.

    The same events give the same bytes, so delivering again after a crash writes an equal object and its digest entry
    still holds. Events keep their order. Takes about 20 ms a megabyte: call it in a thread for large files.
    """
    raw = _HEAD + b",".join(events) + _TAIL
    return LogFile(gzip_bytes(raw), hashlib.sha256(raw).hexdigest(), len(raw), tree_hash(events))


def gzip_bytes(raw: bytes) -> bytes:
    """Compress as CloudTrail does: a ten-byte header without name or time, zlib level 6."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    body = deflate.compress(raw) + deflate.flush()
    trailer = (zlib.crc32(raw) & _UINT32).to_bytes(4, "little") + (len(raw) & _UINT32).to_bytes(4, "little")
    return _GZIP_HEADER + body + trailer
