"""The signer: RSA-2048 key pairs, one valid per Region at a time, that sign digest files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key as ListPublicKeys gives it.

    ``der`` is the DER of the PKCS#1 RSAPublicKey; ``fingerprint`` the lower-case hex MD5 of ``der``.
    """

    der: bytes
    fingerprint: str
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature in lower-case hex with the fingerprint of the key that made it."""

    fingerprint: str
    hex: str


class Signer(Protocol):
    """Private keys never leave the signer. All methods raise Unavailable, and OperatorError for what only the operator
    can mend: a damaged key, one of another kind, no named key left."""

    async def current_key(self, region: str, at: datetime) -> PublicKey:
        """Return the key that signs in ``region`` at a time; made on first use, and a new one once the last expired."""
        ...

    async def rotate(self, region: str, at: datetime) -> PublicKey:
        """Make a new key that signs in ``region`` from ``at`` on; earlier keys stay listed until they expire."""
        ...

    async def sign(self, region: str, fingerprint: str, text: bytes) -> str:
        """Return the RSASSA-PKCS1-v1_5 SHA-256 signature of ``text`` by that key, in lower-case hex."""
        ...

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        """Return the Region's keys whose validity meets [start, end], oldest first."""
        ...
