"""One event as the history keeps it: its place in the order, what it is found by, and its bytes.

A record's bytes are ``u32 length of the head, head, event JSON``; the head is the JSON list
``[event id, account id, Region, seconds since 1970, key code, value, key code, value, ...]``. The head is what a
lookup is checked against, because the index knows only hashes.
"""

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import orjson

from opentrail.adapters.event_history.layout import DAY_SECONDS
from opentrail.event.encoding import encode_event
from opentrail.ports.event_history import HistoryEvent, LookupKey, LookupQuery

KEY_CODES = {
    LookupKey.EVENT_ID: "i",
    LookupKey.EVENT_NAME: "n",
    LookupKey.READ_ONLY: "r",
    LookupKey.USERNAME: "u",
    LookupKey.RESOURCE_TYPE: "t",
    LookupKey.RESOURCE_NAME: "m",
    LookupKey.EVENT_SOURCE: "s",
    LookupKey.ACCESS_KEY_ID: "a",
}
"""How a head names a key: part of the format on disk, so a code is never reused."""

_CACHED_HASHES = 16_384
"""Hashes of values kept because they come back (event names, users): about 5 MB."""

_SCOPE_CODE = ""
_FIRST_ATTRIBUTE = 4
_length = struct.Struct("<I")


class Place(NamedTuple):
    """Where an event stands in the total order of lookups: newest first, then by event id. Smaller is earlier."""

    negative_time: int
    event_id: str

    @property
    def day(self) -> int:
        """Days from 1970-01-01 to the event's, UTC."""
        return -self.negative_time // DAY_SECONDS


class Row(NamedTuple):
    """An event on its way into an index."""

    place: Place
    account_id: str
    region: str
    hashes: tuple[int, ...]
    record: bytes

    @property
    def identity(self) -> "Identity":
        """What makes another row the same event."""
        return self.account_id, self.region, self.place.day, self.place.event_id


Identity = tuple[str, str, int, str]
"""Account id, Region, day and event id: what a history holds once."""


def make_row(event: HistoryEvent) -> Row:
    """Turn an event into its row; its time is cut to the second, as ``eventTime`` is."""
    time = math.floor(event.event_time.timestamp())
    head: list[str | int] = [event.event_id, event.account_id, event.region, time]
    for key, value in event.attributes:
        if key is not LookupKey.EVENT_ID:
            head += (KEY_CODES[key], value)
    encoded = orjson.dumps(head)
    record = b"".join((_length.pack(len(encoded)), encoded, encode_event(event.event)))
    return Row(Place(-time, event.event_id), event.account_id, event.region, _hashes_of(head), record)


def restore_row(record: bytes) -> Row:
    """Return the row whose record these bytes are."""
    head = read_head(record)
    return Row(place_of(head), str(head[1]), str(head[2]), _hashes_of(head), record)


def read_head(record: bytes) -> list[str | int]:
    """Return a record's head."""
    (length,) = _length.unpack_from(record)
    head: list[str | int] = orjson.loads(memoryview(record)[4 : 4 + length])
    return head


def read_event(record: bytes) -> bytes:
    """Return a record's event JSON."""
    (length,) = _length.unpack_from(record)
    return record[4 + length :]


def place_of(head: Sequence[str | int]) -> Place:
    """Return the place that a head states."""
    return Place(-int(head[3]), str(head[0]))


class Condition(NamedTuple):
    """What every event of a lookup must have: the hashes that find it and the text that proves it."""

    hashes: tuple[int, ...]
    account_id: str
    region: str
    attributes: frozenset[tuple[str, str]]

    def holds(self, head: Sequence[str | int]) -> bool:
        """Tell whether the event with this head has all of it, text by text."""
        if (head[1], head[2]) != (self.account_id, self.region):
            return False
        return all(_has(head, code, value) for code, value in self.attributes)


def _has(head: Sequence[str | int], code: str, value: str) -> bool:
    if code == "i":
        return head[0] == value
    return any(head[place] == code and head[place + 1] == value for place in range(_FIRST_ATTRIBUTE, len(head), 2))


def condition_of(query: LookupQuery) -> Condition:
    """Return the condition that a query sets, times apart."""
    scope = (query.account_id, query.region)
    attributes = frozenset((KEY_CODES[key], value) for key, value in query.attributes)
    hashes = tuple(hash_value(*scope, code, value) for code, value in attributes)
    return Condition(hashes or (_hash_shared(*scope, _SCOPE_CODE, ""),), *scope, attributes)


def hash_value(account_id: str, region: str, code: str, value: str) -> int:
    """Return the 64 bits under which the index keeps one value of one account and Region."""
    text = f"{account_id}\0{region}\0{code}\0{value}"
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


_hash_shared = lru_cache(_CACHED_HASHES)(hash_value)


def _hashes_of(head: list[str | int]) -> tuple[int, ...]:
    event_id, account_id, region = str(head[0]), str(head[1]), str(head[2])
    attributes = zip(head[_FIRST_ATTRIBUTE::2], head[_FIRST_ATTRIBUTE + 1 :: 2], strict=True)
    found = {_hash_shared(account_id, region, str(code), str(value)) for code, value in attributes}
    found.add(_hash_shared(account_id, region, _SCOPE_CODE, ""))
    found.add(hash_value(account_id, region, "i", event_id))
    return tuple(found)
