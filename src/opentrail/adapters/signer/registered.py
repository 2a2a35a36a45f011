"""A signer over a register of keys (``key_files``) and a holder of their private halves.

A key that the holder makes is valid for 30 days and signs for the first 29, so that a digest that ends just before a
new key began, and is signed after, still has a key that is valid at its end. One that the operator named is valid for
ten years, and signs until a rotation takes the next one named.
"""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from opentrail.adapters.signer.key_files import KeyFile, age, fingerprint_of, publish, read_folder
from opentrail.ports.signer import PublicKey

VALIDITY = timedelta(days=30)
NAMED_VALIDITY = timedelta(days=3652)
OVERLAP = timedelta(days=1)
"""How long a key stays valid after the next one took over."""

_REGION = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True)
class NewKey:
    """A key to register: its PKCS#1 DER, and what finds its private half again."""

    der: bytes
    private: Mapping[str, str]
    validity: timedelta = VALIDITY


class KeyHolder(Protocol):
    """What holds private keys and signs with them. Its methods block, and are called in threads."""

    def holds(self, private: Mapping[str, str]) -> bool:
        """Say whether new digests may be signed by the key that these members of a key file describe."""
        ...

    def make(self, region: str, registered: Collection[KeyFile]) -> NewKey:
        """Make a key for a Region, or take the next one that is named and not among ``registered``, the Region's.

        Raises Unavailable, and OperatorError when none is left.
        """
        ...

    def sign(self, region: str, key: KeyFile, text: bytes) -> bytes:
        """Return the RSASSA-PKCS1-v1_5 SHA-256 signature of ``text``. Raises Unavailable and OperatorError."""
        ...


class RegisteredSigner:
    """Implements Signer: a Region's first use makes its key. One process makes keys, any number may read."""

    def __init__(self, folder: Path, holder: KeyHolder) -> None:
        self._folder = folder
        self._holder = holder
        self._keys: dict[str, list[KeyFile]] = {}
        self._making: dict[str, asyncio.Lock] = {}

    async def current_key(self, region: str, at: datetime) -> PublicKey:
        async with self._making.setdefault(region, asyncio.Lock()):
            for key in reversed(await self._load(region)):
                is_signing = key.public.valid_from <= at < key.public.valid_until - OVERLAP
                if is_signing and self._holder.holds(key.private):
                    return key.public
            # From the whole hour on, so that digests of other trails that end a little earlier find it valid.
            return await self._make(region, at.replace(minute=0, second=0, microsecond=0))

    async def rotate(self, region: str, at: datetime) -> PublicKey:
        async with self._making.setdefault(region, asyncio.Lock()):
            await self._load(region)
            return await self._make(region, at.replace(microsecond=0))

    async def sign(self, region: str, fingerprint: str, text: bytes) -> str:
        """Sign in a thread. Raises KeyError for a fingerprint that is not the Region's."""
        for key in await self._load(region):
            if key.public.fingerprint == fingerprint:
                return (await asyncio.to_thread(self._holder.sign, region, key, text)).hex()
        raise KeyError(fingerprint)

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        keys = [key.public for key in await self._load(region)]
        return [key for key in keys if key.valid_from <= end and key.valid_until >= start]

    async def _load(self, region: str) -> list[KeyFile]:
        if _REGION.fullmatch(region) is None:
            return []
        if region not in self._keys:
            self._keys[region] = await asyncio.to_thread(read_folder, self._folder / region)
        return self._keys[region]

    async def _make(self, region: str, valid_from: datetime) -> PublicKey:
        if _REGION.fullmatch(region) is None:
            raise ValueError(f"not a Region: {region[:80]}")
        key = await asyncio.to_thread(self._register, region, valid_from)
        self._keys[region] = sorted([*self._keys[region], key], key=age)
        return key.public

    def _register(self, region: str, valid_from: datetime) -> KeyFile:
        made = self._holder.make(region, self._keys[region])
        public = PublicKey(made.der, fingerprint_of(made.der), valid_from, valid_from + made.validity)
        key = KeyFile(public, made.private)
        publish(self._folder / region, key)
        return key
