"""Bodies as they lie in buckets and folders: plain, or gzip of one or many members, inflated within a bound."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from isal import isal_zlib

INFLATED_LIMIT_BYTES = 256 * 1024 * 1024
"""More than five times the largest log file that CloudTrail writes (50 MB); a gzip bomb is given up at this size."""

BATCH_LIMIT_BYTES = INFLATED_LIMIT_BYTES
"""What the objects of one batch inflate to, together: the largest object alone. Their rows are made in one go, which
takes some three times as much memory."""

_USUAL_RATIO = 15
"""How many times larger than its gzip a log file is, about."""

_MAGIC = b"\x1f\x8b"
_GZIP_ONLY = isal_zlib.MAX_WBITS | 16
_ERRORS = (cast("type[Exception]", isal_zlib.error), zlib.error)


@dataclass(frozen=True, slots=True)
class PlainBody:
    """What a body holds. ``fault`` says why it is not all of it, "" when it is."""

    raw: bytes
    fault: str = ""


def stated_size(body: bytes) -> int:
    """Return how many bytes a body says that it holds, without inflating it: of gzip with one member and less than
    4 GiB that is so, any other may hold more."""
    return int.from_bytes(body[-4:], "little") if body.startswith(_MAGIC) else len(body)


def expected_size(bodies: Iterable[bytes]) -> int:
    """Return how many bytes bodies are expected to hold together: what they say, or more where that is hardly true."""
    return sum(
        max(stated_size(body), len(body) * _USUAL_RATIO) if body.startswith(_MAGIC) else len(body) for body in bodies
    )


def plain_body(body: bytes, limit_bytes: int = INFLATED_LIMIT_BYTES) -> PlainBody:
    """Return a body, inflated when it is gzip: every member, one behind the other, as far as they can be read."""
    if not body.startswith(_MAGIC):
        if len(body) > limit_bytes:
            return PlainBody(b"", f"it has more than {limit_bytes} bytes")
        return PlainBody(body)
    members: list[bytes] = []
    left = limit_bytes
    rest = body
    while rest.startswith(_MAGIC):
        stream = isal_zlib.decompressobj(_GZIP_ONLY)
        member, fault = _member(stream, rest, left)
        members.append(member)
        left -= len(member)
        if fault:
            return PlainBody(b"".join(members), fault)
        rest = stream.unused_data
    fault = "something that is not gzip follows the gzip stream" if rest.strip(b"\0") else ""
    return PlainBody(members[0] if len(members) == 1 else b"".join(members), fault)


def _member(stream: isal_zlib.Decompress, body: bytes, limit_bytes: int) -> tuple[bytes, str]:
    try:
        raw = stream.decompress(body, limit_bytes + 1)
    except _ERRORS:
        return _as_far_as_possible(body, limit_bytes), "the gzip stream is corrupt"
    if len(raw) > limit_bytes:
        return b"", f"it inflates to more than {limit_bytes} bytes"
    return raw, "" if stream.eof else "the gzip stream ends early"


def _as_far_as_possible(body: bytes, limit_bytes: int) -> bytes:
    """Return what a corrupt stream holds before its first fault, found in small steps: rare, and slow."""
    stream, found = zlib.decompressobj(_GZIP_ONLY), bytearray()
    try:
        for at in range(0, len(body), 256):
            found += stream.decompress(body[at : at + 256], limit_bytes + 1 - len(found))
            if stream.eof or len(found) > limit_bytes:
                break
    except zlib.error:
        pass
    return bytes(found[:limit_bytes])
