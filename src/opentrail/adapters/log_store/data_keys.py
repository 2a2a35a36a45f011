"""Data keys of log groups: made and opened by the key ring, which judges every use. Format: docs/formats/log-groups.md.

A group's events are sealed under one data key until the process ends, or so many were that another is due; the files
keep its blob beside them. No key is trusted longer than for the call that asked for it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.envelope import (
    MAX_TEXTS_PER_KEY,
    BlobBroken,
    data_key_id,
    is_sealed_text,
    open_text,
    seal_text,
    sealing_key,
)
from opentrail.ports.key_ring import KeyRing
from opentrail.ports.log_keys import LogDataKeys
from opentrail.ports.log_store import LogKey, LogKeyUnusable

MAX_HELD = 1_000
"""Groups whose present data key is remembered; of one that is not, the next events begin another."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A data key as a file keeps it: its blob, and the ARN of the log group that it was made for."""

    blob: bytes
    group_arn: str

    @property
    def key_id(self) -> bytes:
        """The name by which sealed messages know the key."""
        return data_key_id(self.blob)


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    """A data key that is open."""

    key_id: bytes
    kept: KeptKey
    cipher: AESGCM

    @classmethod
    def of(cls, kept: KeptKey, plaintext: bytes) -> "DataKey":
        return cls(kept.key_id, kept, AESGCM(plaintext))

    def seal(self, message: bytes, place: bytes) -> bytes:
        """Return ``message`` as it is kept under the key."""
        return seal_text(self.cipher, self.key_id, message, place)


class KeysNeeded(Exception):
    """A message that was met is sealed under a key that was not opened."""

    def __init__(self, key: KeptKey) -> None:
        super().__init__("a data key is needed")
        self.key = key


class MessageOpener:
    """Opens the messages of one file with the keys in ``opened`` (by id). ``read_kept`` reads those that the file has,
    once its first sealed message is met.

    ``open`` raises KeysNeeded for a key that is not opened yet, LogKeyUnusable for a message that was altered.
    """

    def __init__(self, read_kept: Callable[[], Mapping[bytes, KeptKey]], opened: Mapping[bytes, AESGCM]) -> None:
        self._read_kept = read_kept
        self._kept: Mapping[bytes, KeptKey] | None = None
        self._opened = opened

    def open(self, message: bytes, place: bytes) -> bytes:
        if not is_sealed_text(message):
            return message
        try:
            return open_text(self._key(sealing_key(message)), message, place)
        except BlobBroken as error:
            raise LogKeyUnusable(f"a log event cannot be opened: {error}") from error

    def _key(self, key_id: bytes) -> AESGCM:
        if key_id in self._opened:
            return self._opened[key_id]
        if self._kept is None:
            self._kept = self._read_kept()
        if key_id not in self._kept:
            raise BlobBroken("the file does not have the key of one of its messages")
        raise KeysNeeded(self._kept[key_id])


def place_of(stream_id: str, timestamp: int) -> bytes:
    """Return what a sealed message is bound to."""
    return f"{stream_id} {timestamp}".encode()


class DataKeys:
    """The data keys of all groups. Without a ring, which is for tests alone, no key can be used."""

    def __init__(self, ring: KeyRing | None) -> None:
        self._keys = LogDataKeys(ring)
        self._held: OrderedDict[str, tuple[LogKey, KeptKey, int]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def for_events(self, group_id: str, key: LogKey, events: int) -> DataKey:
        """Return the key that ``events`` more events of a group are sealed under, once the key ring lets it be used.

        Raises LogKeyUnusable, Unavailable.
        """
        async with self._locks.setdefault(group_id, asyncio.Lock()):
            held = self._held.get(group_id)
            if held is None or held[0] != key or held[2] + events > MAX_TEXTS_PER_KEY:
                made = await self._made(key)
                self._held[group_id] = (key, made.kept, events)
                self._forget()
                return made
            _, kept, sealed = held
            self._held[group_id] = (key, kept, sealed + events)
            self._held.move_to_end(group_id)
        return DataKey.of(kept, await self.plaintext(kept))

    def _forget(self) -> None:
        while len(self._held) > MAX_HELD:
            self._held.popitem(last=False)
        if len(self._locks) > 2 * MAX_HELD:
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked() or name in self._held}

    async def _made(self, key: LogKey) -> DataKey:
        made = await self._keys.new(key.key_arn, key.group_arn)
        return DataKey.of(KeptKey(made.blob, key.group_arn), made.plaintext)

    async def plaintext(self, kept: KeptKey) -> bytes:
        """Return what opens and seals the messages of a key. Raises LogKeyUnusable, Unavailable."""
        return await self._keys.plaintext(kept.blob, kept.group_arn)

    async def opened(self, keys: Sequence[KeptKey]) -> dict[bytes, bytes]:
        """Return the plaintext of keys by their ids. Raises LogKeyUnusable, Unavailable."""
        return {key.key_id: await self.plaintext(key) for key in keys}

    async def reading(self, read: Callable[[Mapping[bytes, AESGCM]], Awaitable[_Read]]) -> _Read:
        """Return what ``read`` gives, called again with each key that it needs. Raises what it raises, LogKeyUnusable,
        Unavailable."""
        opened: dict[bytes, AESGCM] = {}
        while True:
            try:
                return await read(opened)
            except KeysNeeded as needed:
                opened[needed.key.key_id] = AESGCM(await self.plaintext(needed.key))
