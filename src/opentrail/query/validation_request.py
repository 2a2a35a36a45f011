"""What a validation is asked, and what it asks of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from opentrail.arn import Arn
from opentrail.ports.delivery_log import DigestSpan
from opentrail.ports.object_store import ObjectSummary
from opentrail.ports.signer import PublicKey
from opentrail.resource.delivery_layout import DigestPlace


class PublicKeySource(Protocol):
    """Where public keys come from: a signer, ListPublicKeys, or a file."""

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        """Return the Region's keys whose validity meets [start, end]."""
        ...


class NoPublicKeys(Exception):
    """There are digests and no key is listed to check them with."""


class ValidationMemory(Protocol):
    """The log files that an interrupted validation found valid, each by what the store says of it now."""

    def knows(self, bucket: str, summary: ObjectSummary, listed: Mapping[str, Any]) -> bool:
        """Say whether the object that ``summary`` describes was found to be what ``listed`` says."""
        ...

    def remember(self, bucket: str, summary: ObjectSummary, listed: Mapping[str, Any]) -> None:
        """Note that it was."""
        ...


LEDGER_DIGESTS = 1_000
"""Delivered digests that a ledger names at a time, the newest."""


@dataclass(frozen=True, slots=True)
class ChainLedger:
    """What the installation that delivers has on record of a chain: the digests it ``delivered`` in a range, newest
    first; up to when every digest was planned (None: the chain never began); whether it is
    resting, with none due: the last was the final one, or waits for its bucket."""

    delivered: Sequence[DigestSpan]
    settled_until: datetime | None
    is_resting: bool


class DigestLedger(Protocol):
    """The delivery log of the installation that delivers, where it is at hand."""

    async def chain(self, account_id: str, region: str, start: datetime, end: datetime) -> ChainLedger:
        """Return what is on record of the chain, and of it the newest LEDGER_DIGESTS that end in [start, end]."""
        ...


@dataclass(frozen=True)
class ValidationRequest:
    """What to validate: the log files of ``region`` delivered from ``start_time`` to ``end_time``.

    ``bucket`` and ``key_prefix`` are the trail's; ``account_id`` is needed for a member of an organization only.
    """

    trail_arn: str
    region: str
    start_time: datetime
    end_time: datetime
    bucket: str
    key_prefix: str = ""
    account_id: str = ""
    organization_id: str = ""

    @property
    def home_region(self) -> str:
        return Arn.parse(self.trail_arn).region

    @property
    def place(self) -> DigestPlace:
        """Where the digests lie."""
        arn = Arn.parse(self.trail_arn)
        account, name = self.account_id or arn.account_id, arn.resource.rpartition("/")[2]
        return DigestPlace(account, self.region, name, arn.region, self.key_prefix, self.organization_id)
