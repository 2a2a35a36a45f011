"""The key of the key ring: what is known of one KMS key beside its secret material."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from opentrail.arn import partition_of


class KeyState(StrEnum):
    """What a key may be used for: everything, nothing, or nothing and its end is set."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"


@dataclass(frozen=True, slots=True)
class Key:
    """One symmetric encryption key of an account in a Region. Times are aware UTC.

    ``key_id`` is a lower-case UUID, unique over all accounts and Regions. ``policy`` is the key policy's JSON text.
    ``deletion_at`` is set while the state is PendingDeletion. ``rotation_period_days`` is 0 while automatic rotation is
    off, else the next one is due at ``next_rotation_at``.
    """

    key_id: str
    account_id: str
    region: str
    created_at: datetime
    policy: str
    state: KeyState = KeyState.ENABLED
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    deletion_at: datetime | None = None
    rotation_period_days: int = 0
    next_rotation_at: datetime | None = None

    @property
    def arn(self) -> str:
        """Return the key's ARN."""
        return f"{key_arn_prefix(self.region, self.account_id)}key/{self.key_id}"


@dataclass(frozen=True, slots=True)
class KeyAlias:
    """A further name of a key, ``alias/...``, unique in its account and Region; it may be pointed at another key."""

    name: str
    account_id: str
    region: str
    key_id: str
    created_at: datetime
    updated_at: datetime

    @property
    def arn(self) -> str:
        """Return the alias's ARN."""
        return key_arn_prefix(self.region, self.account_id) + self.name


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """One rotation: from ``rotated_at`` on the key encrypts with material ``version``; earlier ones still decrypt."""

    version: int
    rotated_at: datetime
    is_on_demand: bool


def key_arn_prefix(region: str, account_id: str) -> str:
    """Return what the ARNs of an account's keys and aliases in a Region begin with."""
    return f"arn:{partition_of(region)}:kms:{region}:{account_id}:"
