"""Inflating delivered files within bounds, telling apart the ways in which a gzip object can be broken."""

import hashlib
import zlib
from dataclasses import dataclass
from typing import cast

from isal import isal_zlib

INFLATED_LIMIT_BYTES = 256 * 1024 * 1024
"""More than five times the largest log file CloudTrail writes (50 MB); a gzip bomb is given up at this size."""

_MAGIC = b"\x1f\x8b\x08"
_FLAGS, _KNOWN_FLAGS = 3, b"\x1f"
_STEP_BYTES = 1024 * 1024
_ERRORS = (cast("type[Exception]", isal_zlib.error), zlib.error)
_GZIP_ONLY = isal_zlib.MAX_WBITS | 16


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
    _check_start(body)
    stream = isal_zlib.decompressobj(_GZIP_ONLY)
    try:
        raw = stream.decompress(body, limit_bytes + 1)
    except _ERRORS as error:
        raise NotGzip(str(error)) from error
    if len(raw) > limit_bytes:
        raise NotGzip(f"inflates to more than {limit_bytes} bytes")
    return Inflated(raw, stream.eof, bool(stream.unused_data))


def _check_start(body: bytes) -> None:
    # Where isal waits for a whole header, or lets reserved flags pass, zlib and so AWS's verifier object.
    if not body.startswith(_MAGIC[: len(body)]):
        raise NotGzip("incorrect header check")
    if body[_FLAGS : _FLAGS + 1] > _KNOWN_FLAGS:
        raise NotGzip("unknown header flags set")


@dataclass(frozen=True, slots=True)
class InflatedHash:
    """The hex SHA-256 of what a gzip object holds, as far as its first member goes."""

    sha256: str
    has_trailing_data: bool


def hash_inflated(body: bytes, limit_bytes: int = INFLATED_LIMIT_BYTES, *, is_exact: bool = False) -> InflatedHash:
    """Inflate and hash in steps of a megabyte, so that memory stays flat. Raises NotGzip.

    A stream that ends early is hashed as far as it goes. ``is_exact`` uses zlib, which is slower and tells a corrupt
    stream from one that ends early in every case, as AWS's verifier does.
    """
    _check_start(body)
    stream = zlib.decompressobj(_GZIP_ONLY) if is_exact else isal_zlib.decompressobj(_GZIP_ONLY)
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
    except _ERRORS as error:
        raise NotGzip(str(error)) from error
    return InflatedHash(digest.hexdigest(), bool(stream.unused_data))
