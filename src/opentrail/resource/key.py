"""The key of the key ring: what is known of one KMS key beside its secret material, and how keys are named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from opentrail.arn import Arn, partition_of

ALIAS_PREFIX = "alias/"

_KEY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALIAS = re.compile(r"alias/[a-zA-Z0-9:/_-]{1,250}")


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
    off, else the next one is due at ``next_rotation_at``. ``version`` and ``material_id`` are those of the material it
    encrypts with now; ``aliases`` the names (``alias/...``) that point at it, sorted.
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
    version: int = 1
    material_id: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        """Return the key's ARN."""
        return key_arn(self.region, self.account_id, self.key_id)


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
        return alias_arn(self.region, self.account_id, self.name)


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """One version of a key's material. The first is the key's creation; from each ``rotated_at`` on the key encrypts
    with that version, and earlier ones still decrypt."""

    version: int
    material_id: str
    rotated_at: datetime
    is_on_demand: bool = False


@dataclass(frozen=True, slots=True)
class KeyName:
    """How a caller names a key: by id or by alias, and where that is. The other one is empty."""

    account_id: str
    region: str
    key_id: str = ""
    alias: str = ""

    @property
    def arn(self) -> str:
        """Return the key's or alias's ARN."""
        if self.alias:
            return alias_arn(self.region, self.account_id, self.alias)
        return key_arn(self.region, self.account_id, self.key_id)


def parse_key_name(name: str, account_id: str = "", region: str = "") -> KeyName | None:
    """Read a key id, ``alias/NAME``, key ARN or alias ARN; the first two are of the given account and Region.

    Returns None for what is none of them.
    """
    if name.startswith("arn:"):
        try:
            arn = Arn.parse(name)
        except ValueError:
            return None
        if arn.service != "kms" or arn.partition != partition_of(arn.region):
            return None
        is_key = arn.resource.startswith("key/")
        name, account_id, region = arn.resource.removeprefix("key/"), arn.account_id, arn.region
        if is_key == name.startswith(ALIAS_PREFIX):
            return None
    if _KEY_ID.fullmatch(name):
        return KeyName(account_id, region, key_id=name)
    if _ALIAS.fullmatch(name):
        return KeyName(account_id, region, alias=name)
    return None


def key_arn(region: str, account_id: str, key_id: str) -> str:
    """Return a key's ARN."""
    return f"{_prefix(region, account_id)}key/{key_id}"


def alias_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of an alias, whose ``name`` begins with ``alias/``."""
    return _prefix(region, account_id) + name


def _prefix(region: str, account_id: str) -> str:
    return f"arn:{partition_of(region)}:kms:{region}:{account_id}:"
