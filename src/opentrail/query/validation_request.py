"""What a validation is asked, and what it asks of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from opentrail.arn import Arn
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
