"""Seals of event data stores: a signed statement, outside a table, of how far its commits are.

A table's own log can be rewritten whole by who may write to its files; a seal says what it must still lead to. Of each
store the newest is kept, as the commits hold on to one another (docs/formats/lake.md).
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LakeSeal:
    """One seal: the statement's JSON text, and its signature (hex) by the key with ``fingerprint``."""

    arn: str
    statement: str
    fingerprint: str
    signature: str


class LakeSeals(Protocol):
    """All methods raise Unavailable. A store's seal goes with the store's last settings entry."""

    async def seal(self, arn: str) -> LakeSeal | None:
        """Return the newest seal of a store, None when its table was never sealed."""
        ...

    async def put_seal(self, seal: LakeSeal) -> None:
        """Keep a seal in place of the one before, durably."""
        ...
