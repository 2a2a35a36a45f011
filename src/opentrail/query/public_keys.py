"""Public keys that a verifier was given, in the place of those that a signer lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opentrail.ports.signer import PublicKey


@dataclass(frozen=True)
class FixedKeys:
    """Exactly these keys, for every Region."""

    keys: tuple[PublicKey, ...]

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        """Return the keys whose validity meets [start, end]."""
        return [key for key in self.keys if key.valid_from <= end and key.valid_until >= start]
