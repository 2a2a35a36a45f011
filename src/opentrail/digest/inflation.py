"""Inflating delivered files within bounds, telling apart the ways in which a gzip object can be broken."""

import hashlib
import zlib
from dataclasses import dataclass

INFLATED_LIMIT_BYTES = 256 * 1024 * 1024
"""More than five times the largest log file CloudTrail writes (50 MB); a gzip bomb is given up at this size."""

_STEP_BYTES = 1024 * 1024
_GZIP_ONLY = zlib.MAX_WBITS | 16


class NotGzip(ValueError):
    """The bytes are no gzip stream, are corrupt, or inflate past the stated limit."""


@dataclass(frozen=True, slots=True)
class Inflated:
    """What one gzip object holds. ``is_whole`` is False when the stream ends early, ``has_trailing_data`` is True
    when something follows its end."""

    raw: bytes
    is_whole: bool
    has_trailing_data: bool


def inflate(body: bytes, limit_bytes: int = INFLATED_LIMIT_BYTES) -> Inflated:
    """Inflate the first gzip member of ``body``. Raises NotGzip."""
    stream = zlib.decompressobj(_GZIP_ONLY)
    try:
        raw = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise NotGzip(str(error)) from error
    if len(raw) > limit_bytes:
        raise NotGzip(f"inflates to more than {limit_bytes} bytes")
    return Inflated(raw, stream.eof, bool(stream.unused_data))


@dataclass(frozen=True, slots=True)
class InflatedHash:
    """The hex SHA-256 of what a gzip object holds, as far as its first member goes."""

    sha256: str
    has_trailing_data: bool


def hash_inflated(body: bytes, limit_bytes: int = INFLATED_LIMIT_BYTES) -> InflatedHash:
    """Inflate and hash in steps of a megabyte, so that memory stays flat. Raises NotGzip.

    A stream that ends early is hashed as far as it goes.
    """
    stream = zlib.decompressobj(_GZIP_ONLY)
    digest, size, rest = hashlib.sha256(), 0, body
    try:
        while rest and not stream.eof:
            piece = stream.decompress(rest, _STEP_BYTES)
            rest = stream.unconsumed_tail
            digest.update(piece)
            size += len(piece)
            if size > limit_bytes:
                raise NotGzip(f"inflates to more than {limit_bytes} bytes")
        digest.update(stream.flush())
    except zlib.error as error:
        raise NotGzip(str(error)) from error
    return InflatedHash(digest.hexdigest(), bool(stream.unused_data))
