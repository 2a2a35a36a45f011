"""Witnesses: parties beyond the host's reach that are told each digest's signature, and what they say when asked.

A witness is told a Statement (digest/statement.py) and gives a receipt. A verifier asks for testimonies: what a witness
holds, or proves, of a chain's digests, whoever owns the host and its keys by then.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.digest.statement import Statement
from opentrail.ports import PortError
from opentrail.resource.delivery_layout import DigestPlace


class WitnessRefused(PortError):
    """The witness will not take or answer this as things stand: a wrong key, a wrong certificate, a bucket unlocked."""


class WitnessContradicts(PortError):
    """The witness already holds another statement about this digest: a chain was signed twice."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one witness gave for one digest. ``attested_at`` is the witness's own time, or ours where it tells none.

    ``evidence`` is what the adapter needs to prove it later (a time-stamp token) or to find it (a version id).
    """

    witness: str
    kind: str
    statement: Statement
    attested_at: datetime
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Testimony:
    """What a witness says: it knew ``statement`` at ``attested_at``. ``origin`` names where that is kept."""

    statement: Statement
    attested_at: datetime
    origin: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The digests that a question is about: those of ``place`` in ``bucket`` that end from ``start`` to ``end``."""

    bucket: str
    place: DigestPlace
    start: datetime
    end: datetime

    def includes(self, statement: Statement) -> bool:
        """Say whether a statement is about one of these digests."""
        return (
            statement.bucket == self.bucket
            and self.place.matches(statement.key)
            and self.start <= statement.end_time <= self.end
        )


class TestimonySource(Protocol):
    """Somebody to ask about a chain."""

    def testimonies(self, chain: Chain) -> AsyncIterator[Testimony]:
        """Yield everything that is held about the chain's digests, in no order, also what contradicts itself.

        Nothing that the holder of the host and its keys could have changed after the fact is yielded. Raises
        Unavailable and WitnessRefused when it cannot be asked.
        """
        ...


class Witness(Protocol):
    """One configured witness."""

    @property
    def name(self) -> str:
        """The name that the settings give it."""
        ...

    async def attest(self, statement: Statement) -> Receipt:
        """Tell the witness; once this returns it can prove so for good. The same statement again gives a receipt again.

        Raises Unavailable, WitnessRefused and WitnessContradicts.
        """
        ...


@dataclass(frozen=True, slots=True)
class AttestationState:
    """How far one witness got: digests it was not told yet, and the end of the oldest of them."""

    pending: int
    oldest: datetime | None


class AttestationLog(Protocol):
    """Which digest was told to which witness. Every method is durable on return and raises Unavailable."""

    async def pending(self, witness: str, since: datetime, limit: int) -> Sequence[Statement]:
        """Return planned digests that end at or after ``since`` and have no receipt from ``witness``, newest first: a
        digest names the one before, so that the newest one's receipt bounds the age of all that it follows."""
        ...

    async def keep(self, receipt: Receipt) -> None:
        """Store a receipt; a second one of the same witness for the same digest changes nothing."""
        ...

    async def unpublished(self, limit: int) -> Sequence[Receipt]:
        """Return receipts that are not yet beside their digest, oldest digest first."""
        ...

    async def publish(self, receipt: Receipt) -> None:
        """Note that a receipt lies beside its digest."""
        ...

    async def receipts(self, bucket: str, key: str) -> Sequence[Receipt]:
        """Return a digest's receipts, by witness."""
        ...

    async def state(self, witness: str) -> AttestationState:
        """Return what ``witness`` was not told yet; it looks at every digest ever planned."""
        ...
