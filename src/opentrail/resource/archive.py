"""Local archives and the locks on their objects, as values; what may be changed, deleted or expired is decided here.

An archive's rules are for objects written from then on: what locks an object is fixed with the object itself. Nothing
here reads a clock; ``now`` is the archive's own time (docs/formats/archive.md, "Time").
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MAX_DAYS = 36_500
"""Longest period of any rule: S3's bound on Object Lock, a hundred years."""

COLD_STORAGE_CLASS = "STANDARD_IA"
"""What S3 calls an object in the cold folder: read at once, kept more cheaply."""


class LockMode(StrEnum):
    """Who may lift a lock before its time: nobody, or who has the permission s3:BypassGovernanceRetention."""

    COMPLIANCE = "COMPLIANCE"
    GOVERNANCE = "GOVERNANCE"


@dataclass(frozen=True, slots=True)
class LockRule:
    """How every new object of an archive is locked: for ``days`` from its writing."""

    mode: LockMode
    days: int


@dataclass(frozen=True, slots=True)
class ColdTier:
    """Where objects go ``after_days``: ``folder`` is an absolute path, on a cheaper disk."""

    folder: str
    after_days: int


@dataclass(frozen=True, slots=True)
class Archive:
    """One local bucket: its name, Region, owner account and rules.

    ``expire_after_days`` 0 keeps objects for ever. ``kms_key_arn`` encrypts what is put without a key of its own. With
    ``needs_mfa_delete`` deleting takes a one-time code of the owner's device.
    """

    name: str
    region: str
    account_id: str
    created_at: datetime
    lock: LockRule | None = None
    expire_after_days: int = 0
    cold: ColdTier | None = None
    kms_key_arn: str = ""
    needs_mfa_delete: bool = False

    @property
    def admits_deletes(self) -> bool:
        """Say whether DeleteObject is ever allowed: only where a rule says when."""
        return self.lock is not None or self.needs_mfa_delete


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when an object can be neither deleted nor expired, and who may lift that."""

    mode: LockMode
    until: datetime


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """What keeps one object from being deleted."""

    retention: Retention | None = None
    has_legal_hold: bool = False

    def refusal(self, now: datetime, *, may_bypass: bool = False) -> str:
        """Return why the object cannot be deleted, "" when it can."""
        if self.has_legal_hold:
            return "a legal hold is on it"
        held = self.retention
        if held is None or held.until <= now or (may_bypass and held.mode is LockMode.GOVERNANCE):
            return ""
        return f"it is kept until {held.until:%Y-%m-%dT%H:%M:%SZ} ({held.mode.lower()})"


NOT_LOCKED = ObjectLock()


def retention_refusal(before: Retention | None, after: Retention | None, now: datetime, *, may_bypass: bool) -> str:
    """Return why an object's retention cannot become ``after``, "" when it can: extending is free to all, anything else
    waits for the end of the period, or in governance mode takes the bypass."""
    if before is None or before.until <= now:
        return ""
    if before.mode is LockMode.GOVERNANCE and may_bypass:
        return ""
    if after is None or after.until < before.until:
        return "the period can only be extended"
    if before.mode is LockMode.COMPLIANCE and after.mode is LockMode.GOVERNANCE:
        return "compliance mode cannot become governance mode"
    return ""


def weakened(before: Archive, after: Archive) -> list[str]:
    """Return what of an archive's rules ``after`` makes weaker, as the options that set it; empty when nothing is."""
    return [name for name, is_weaker in _comparisons(before, after) if is_weaker]


def _comparisons(before: Archive, after: Archive) -> list[tuple[str, bool]]:
    return [
        ("worm", _lock_strength(after.lock) < _lock_strength(before.lock) or _days(after.lock) < _days(before.lock)),
        ("retention-days", _lifetime(after) < _lifetime(before)),
        ("kms-key", bool(before.kms_key_arn) and not after.kms_key_arn),
        ("mfa-delete", before.needs_mfa_delete and not after.needs_mfa_delete),
    ]


def _lock_strength(rule: LockRule | None) -> int:
    return 0 if rule is None else 2 if rule.mode is LockMode.COMPLIANCE else 1


def _days(rule: LockRule | None) -> int:
    return 0 if rule is None else rule.days


def _lifetime(archive: Archive) -> int:
    return archive.expire_after_days or MAX_DAYS + 1


def is_due(written_at: datetime, after_days: int, now: datetime) -> bool:
    """Say whether an object is as old as a rule of ``after_days`` asks for; 0 days is no rule."""
    return bool(after_days) and written_at + timedelta(days=after_days) <= now
