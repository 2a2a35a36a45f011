"""Batches as bytes: entries in, one framed body out, and back; and positions as text.

A body is its entries one after another, each ``<kind: 1 byte><scope length: 2><payload length: 4>`` (little-endian),
then the scope (UTF-8: an audience that is not LIVE, or a settings scope) and the payload. A body carries no checksum of
its own; the row or frame that holds it does.
"""

import struct
from collections.abc import Sequence

from opentrail.ports.journal import (
    LIVE,
    MAX_BATCH_BYTES,
    MAX_ENTRY_BYTES,
    START,
    EventEntry,
    EventsEntry,
    JournalEntry,
    Position,
    SettingsEntry,
)

_HEADER = struct.Struct("<BHI")

_LIVE_EVENT = 0
_EVENT_FOR_AUDIENCE = 1
_SETTINGS = 2
_SETTINGS_GONE = 3
_EVENTS_FOR_AUDIENCE = 4

_NUMBER_DIGITS = 16
"""Hexadecimal digits of a position: enough for every 64-bit number, so that text order is number order."""


class MalformedBody(Exception):
    """The bytes are not a batch of entries."""


def encode_entries(entries: Sequence[JournalEntry]) -> bytes:
    """Return the body of a batch; raises ValueError when an entry or the batch is over the port's maximum."""
    parts: list[bytes] = []
    total = 0
    for entry in entries:
        kind, scope, payload = _parts_of(entry)
        size = len(scope) + len(payload)
        check_size(size)
        if len(scope) > 0xFFFF:
            raise ValueError(f"a scope of {len(scope)} bytes is over the maximum of {0xFFFF}")
        total += size
        parts += (_HEADER.pack(kind, len(scope), len(payload)), scope, payload)
    if total > MAX_BATCH_BYTES:
        raise ValueError(f"a batch of {total} bytes is over the maximum of {MAX_BATCH_BYTES}")
    return b"".join(parts)


def check_size(size: int) -> None:
    """Raise ValueError for an entry of ``size`` bytes that is over the port's maximum."""
    if size > MAX_ENTRY_BYTES:
        raise ValueError(f"an entry of {size} bytes is over the maximum of {MAX_ENTRY_BYTES}")


def decode_entries(body: bytes) -> list[JournalEntry]:
    """Return the entries of a body; raises MalformedBody on anything that ``encode_entries`` does not write."""
    entries: list[JournalEntry] = []
    at, end = 0, len(body)
    try:
        while at < end:
            kind, scope_length, payload_length = _HEADER.unpack_from(body, at)
            scope_at = at + _HEADER.size
            payload_at = scope_at + scope_length
            at = payload_at + payload_length
            if at > end:
                raise MalformedBody("an entry ends past its body")
            entries.append(_entry(kind, body[scope_at:payload_at], body[payload_at:at]))
    except (struct.error, UnicodeDecodeError) as error:
        raise MalformedBody(str(error)) from error
    return entries


def count_entries(body: bytes) -> int:
    """Return how many entries a body has, looking at their framing only; raises MalformedBody."""
    count, at, end = 0, 0, len(body)
    try:
        while at < end:
            _, scope_length, payload_length = _HEADER.unpack_from(body, at)
            at += _HEADER.size + scope_length + payload_length
            count += 1
    except struct.error as error:
        raise MalformedBody(str(error)) from error
    if at > end:
        raise MalformedBody("an entry ends past its body")
    return count


def format_number(number: int) -> Position:
    """Return the position of the entry with this number; 0 is START."""
    return Position(f"{number:016x}") if number else START


def parse_number(text: str) -> int:
    """Return the number in a position or call id; raises ValueError on text that no journal gave out."""
    if text == START:
        return 0
    if len(text) != _NUMBER_DIGITS or not text.isascii() or not text.isalnum():
        raise ValueError(f"not a journal position: {text[:50]!r}")
    return int(text, 16)


def _parts_of(entry: JournalEntry) -> tuple[int, bytes, bytes]:
    if isinstance(entry, EventEntry):
        if entry.audience == LIVE:
            return _LIVE_EVENT, b"", entry.event
        return _EVENT_FOR_AUDIENCE, entry.audience.encode(), entry.event
    if isinstance(entry, EventsEntry):
        return _EVENTS_FOR_AUDIENCE, entry.audience.encode(), entry.lines
    if entry.settings is None:
        return _SETTINGS_GONE, entry.scope.encode(), b""
    return _SETTINGS, entry.scope.encode(), entry.settings


def _entry(kind: int, scope: bytes, payload: bytes) -> JournalEntry:
    if kind == _LIVE_EVENT:
        return EventEntry(payload)
    if kind == _EVENT_FOR_AUDIENCE:
        return EventEntry(payload, scope.decode())
    if kind == _EVENTS_FOR_AUDIENCE:
        return EventsEntry(payload, scope.decode())
    if kind == _SETTINGS:
        return SettingsEntry(scope.decode(), payload)
    if kind == _SETTINGS_GONE:
        return SettingsEntry(scope.decode(), None)
    raise MalformedBody(f"unknown kind of entry {kind}")
