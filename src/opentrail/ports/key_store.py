"""The keys of the key ring as they are kept: their settings, their material in versions, their aliases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.ports import PortError
from opentrail.ports.key_ring import KeyNotFound
from opentrail.resource.key import Key, KeyAlias, KeyRotation

__all__ = ["AliasExists", "AliasNotFound", "KeyMaterial", "KeyNotFound", "KeyStore"]


class AliasExists(PortError):
    """The account has an alias of this name in this Region."""


class AliasNotFound(PortError):
    """The account has no alias of this name in this Region."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyMaterial:
    """One version of a key's secret, in the clear: 32 bytes, in memory only; and its public name."""

    version: int
    secret: bytes
    id: str


class KeyStore(Protocol):
    """Material is encrypted at rest. Every change is durable and whole on return, and seen by the next read.

    A key whose time of deletion has come is not there any more, whether or not it was destroyed yet. All methods raise
    Unavailable.
    """

    async def add(self, key: Key, material: bytes) -> None:
        """Keep a new key with its first material, version 1."""
        ...

    async def find(self, name: str, account_id: str = "", region: str = "") -> Key | None:
        """Return the key of a key ARN, alias ARN, key id or ``alias/NAME``; the last two are of the given account and
        Region. None when there is none."""
        ...

    async def find_by_id(self, key_id: str) -> Key | None:
        """Return the key of an id, of whatever account and Region."""
        ...

    async def keys(self, account_id: str, region: str, after: str = "", limit: int = 1000) -> Sequence[Key]:
        """Return up to ``limit`` keys by id, those whose id is greater than ``after``."""
        ...

    async def count(self, account_id: str, region: str) -> int:
        """Return how many keys the account has in the Region, those waiting for deletion included."""
        ...

    async def change(self, before: Key, after: Key) -> None:
        """Write those settings that differ between the two; material, versions and aliases stay. Raises KeyNotFound."""
        ...

    async def rotate(
        self, key_id: str, material: bytes, at: datetime, *, is_on_demand: bool, next_at: datetime | None = None
    ) -> None:
        """Give a key new material, in one transaction with its place in line and, where it is given, the time of the
        next automatic rotation; older versions stay. Raises KeyNotFound."""
        ...

    async def rotations(self, key_id: str) -> Sequence[KeyRotation]:
        """Return all versions of a key's material, oldest first; empty for an unknown key."""
        ...

    async def material(self, key_id: str, version: int) -> KeyMaterial | None:
        """Return the material of one version of a key that is there, None when there is none."""
        ...

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Key]:
        """Return up to ``limit`` keys whose deletion is due, or whose rotation is while they are enabled."""
        ...

    async def destroy(self, key_id: str, now: datetime) -> bool:
        """Remove a key, all its material and its aliases, if its deletion is due; say whether that was so."""
        ...

    async def add_alias(self, alias: KeyAlias) -> None:
        """Raises AliasExists, KeyNotFound."""
        ...

    async def alias(self, account_id: str, region: str, name: str) -> KeyAlias | None: ...

    async def aliases(
        self, account_id: str, region: str, key_id: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[KeyAlias]:
        """Return up to ``limit`` aliases by name, those whose name is greater than ``after``; with ``key_id``, that
        key's only."""
        ...

    async def point_alias(self, alias: KeyAlias) -> None:
        """Have an alias name ``alias.key_id`` from now on, as of ``alias.updated_at``. Raises AliasNotFound,
        KeyNotFound."""
        ...

    async def delete_alias(self, account_id: str, region: str, name: str) -> None:
        """Raises AliasNotFound."""
        ...
