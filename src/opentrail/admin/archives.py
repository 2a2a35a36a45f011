"""The operator's commands over local archives: make, look, change the rules, delete.

What is changed of an archive that is there, and its deletion, are on record before they take effect; a change that
cannot be put on record is not made, and one that was recorded and failed is followed by a second event (``tookEffect``
false). A new archive hides nothing and is recorded right after. What weakens an archive's rules is refused unless it
is asked for in so many words, with the owner's one-time code where deleting takes one; a compliance lock is never
weakened. Objects keep the locks that they were written with, whatever becomes of the rules.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from opentrail.admin.identities import Answer, Command, Record
from opentrail.arn import root_arn
from opentrail.clock import Clock, format_time
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from opentrail.ports.archives import (
    ArchivedObject,
    ArchiveFigures,
    Archives,
    ColdFolderUnusable,
    NotEmpty,
    ObjectLocked,
)
from opentrail.ports.identity_store import IdentityStore, NoSuchEntity
from opentrail.ports.key_ring import KeyNotFound, KeyRing
from opentrail.ports.object_store import AlreadyExists
from opentrail.ports.trail_store import TrailStore
from opentrail.resource.archive import MAX_DAYS, Archive, ColdTier, LockMode, LockRule, weakened
from opentrail.resource.key import KeyState

MAX_COUNTED = 200_000
"""Objects that ``show_archive`` looks at; of more it says so."""

_S3 = "s3.amazonaws.com"
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NONE = "none"


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What an operator says of an archive's rules; None leaves one as it is. ``worm`` is ``compliance``, ``governance``
    or ``none``; ``kms_key`` and ``cold_folder`` ``none`` take it away; ``retention_days`` 0 keeps for ever."""

    worm: str | None = None
    days: int | None = None
    retention_days: int | None = None
    cold_folder: str | None = None
    cold_after_days: int | None = None
    kms_key: str | None = None
    mfa_delete: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is to be changed."""
        return all(value is None for value in asdict(self).values())


class ArchiveAdministration:
    """Commands over one installation's archives. Every method raises OperatorError with a sentence that says what to
    do; a mistake is neither carried out nor recorded."""

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        archives: Archives,
        identities: IdentityStore,
        trails: TrailStore,
        key_ring: KeyRing,
        record: Record,
        clock: Clock,
    ) -> None:
        self._account_id = account_id
        self._region = region
        self._archives = archives
        self._identities = identities
        self._trails = trails
        self._key_ring = key_ring
        self._record = record
        self._clock = clock

    def commands(self) -> dict[str, Command]:
        """Return what the control socket may call, by name."""
        own: tuple[Command, ...] = (
            self.create_archive,
            self.list_archives,
            self.show_archive,
            self.set_archive,
            self.delete_archive,
        )
        return {command.__name__: command for command in own}

    async def create_archive(self, name: str, region: str = "", **rules: Any) -> Answer:
        """Make a local bucket that trails can deliver to, with ``rules`` (RuleChanges)."""
        if region and not _REGION.fullmatch(region):
            raise OperatorError(f"{region[:64]!r} cannot be a Region's name, such as us-east-1")
        bare = Archive(name, region or self._region, self._account_id, self._clock.now())
        archive = await self._changed(bare, RuleChanges(**rules))
        try:
            self._archives.create(archive)
        except AlreadyExists as error:
            raise OperatorError(f"the archive {name} exists already") from error
        except ValueError as error:
            raise OperatorError(f"{name} cannot be an archive's name: {error}") from error
        except ColdFolderUnusable as error:
            raise OperatorError(str(error)) from error
        await self._record(_S3, "CreateBucket", {"bucketName": name})
        for event_name, details in _told_changes(bare, archive):
            await self._record(_S3, event_name, {"bucketName": name, **details})
        return _described(archive)

    async def list_archives(self) -> Answer:
        """Return the local buckets and their rules."""
        return {"archives": [_described(archive) for archive in self._archives.list()]}

    async def show_archive(self, name: str) -> Answer:
        """Return an archive's rules and what it holds."""
        archive = self._archive(name)
        figures, is_whole = await self._figures(name)
        held = {
            **asdict(figures),
            "oldest_at": _format(figures.oldest_at),
            "newest_at": _format(figures.newest_at),
            "locked_until": _format(figures.locked_until),
        }
        behind = (self._clock.now() - self._archives.now()).total_seconds()
        return {**_described(archive), "holds": held, "is_counted": is_whole, "time_behind_seconds": int(behind)}

    async def set_archive(self, name: str, *, allow_weaker: bool = False, mfa_code: str = "", **rules: Any) -> Answer:
        """Change rules; what is weaker than before takes ``allow_weaker``, and ``mfa_code`` where deleting does."""
        changes = RuleChanges(**rules)
        if changes.is_empty:
            raise OperatorError("say what to change; `opentrail archive set --help` lists what there is")
        before = self._archive(name)
        after = await self._changed(before, changes)
        await self._check_cold_move(before, after)
        told = _told_changes(before, after)
        if not told:
            return _described(before)
        weaker = weakened(before, after)
        if weaker:
            _check_weakening(before, after, weaker, allow_weaker=allow_weaker)
            await self._check_mfa(before, mfa_code)

        async def effect() -> None:
            self._archives.change(after)

        details = {"isWeaker": True} if weaker else {}
        await self._change([(event, {"bucketName": name, **values, **details}) for event, values in told], effect)
        return _described(after)

    async def delete_archive(self, name: str, *, purge: bool = False, mfa_code: str = "") -> Answer:
        """Delete an archive that is empty, or with ``purge`` and its objects when none of them is locked."""
        archive = self._archive(name)
        for trail in await self._trails.all_trails():
            if trail.s3_bucket_name == name:
                called = trail.name if trail.account_id == self._account_id else trail.arn
                raise OperatorError(
                    f"the trail {called} delivers to {name}: delete the trail, or give it another bucket, first"
                )
        figures, _ = await self._figures(name)
        if figures.objects and not purge:
            raise OperatorError(f"{name} holds {figures.objects} objects; --purge deletes them, too")
        if figures.locked_objects or figures.legal_holds:
            until = f"; the last lock ends {_format(figures.locked_until)}" if figures.locked_until else ""
            raise OperatorError(
                f"{name} cannot be deleted: {figures.locked_objects + figures.legal_holds} of its objects are locked"
                f"{until}"
            )
        await self._check_mfa(archive, mfa_code)
        details = {"bucketName": name, "objects": figures.objects, "sizeBytes": figures.size_bytes}
        await self._change([("DeleteBucket", details)], lambda: self._archives.delete(name, purge=purge))
        return {"name": name, "objects": figures.objects}

    def _archive(self, name: str) -> Archive:
        archive = self._archives.get(name)
        if archive is None:
            raise OperatorError(f"there is no archive {name}; `opentrail archive list` shows those there are")
        return archive

    async def _figures(self, name: str) -> tuple[ArchiveFigures, bool]:
        """Count what an archive holds; say whether all of it was looked at."""
        figures, now = ArchiveFigures(), self._archives.now()
        async for found in self._archives.store(name).describe_all():
            if figures.objects == MAX_COUNTED:
                return figures, False
            figures = _counted(figures, found, now)
        return figures, True

    async def _changed(self, archive: Archive, changes: RuleChanges) -> Archive:
        """Return the archive as the changes make it; raises OperatorError where they make no sense."""
        changed = replace(
            archive,
            lock=_lock(archive.lock, changes),
            expire_after_days=_days(changes.retention_days, "--retention-days", archive.expire_after_days, least=0),
            cold=_cold(archive.cold, changes),
            kms_key_arn=archive.kms_key_arn
            if changes.kms_key is None
            else await self._key_arn(archive, changes.kms_key),
            needs_mfa_delete=archive.needs_mfa_delete if changes.mfa_delete is None else changes.mfa_delete,
        )
        if changed.cold and changed.expire_after_days and changed.cold.after_days >= changed.expire_after_days:
            raise OperatorError(
                "objects would expire before they move: let --cold-after-days be below --retention-days"
            )
        if changed.needs_mfa_delete and await self._owner_device(archive.account_id) is None:
            raise OperatorError("the owner has no MFA device yet: `opentrail users mfa enable --owner` gives it one")
        return changed

    async def _key_arn(self, archive: Archive, key: str) -> str:
        if key in ("", _NONE):
            return ""
        try:
            found = await self._key_ring.describe(key, archive.account_id, archive.region)
        except KeyNotFound as error:
            raise OperatorError(f"there is no key {key} in {archive.region}") from error
        if found.state is not KeyState.ENABLED:
            raise OperatorError(f"the key {found.arn} cannot be used: it is {found.state.value}")
        return found.arn

    async def _check_cold_move(self, before: Archive, after: Archive) -> None:
        """What lies in a cold folder is found by the rules that put it there."""
        if before.cold is None or (after.cold is not None and after.cold.folder == before.cold.folder):
            return
        figures, is_whole = await self._figures(before.name)
        if figures.cold_objects or not is_whole:
            raise OperatorError(f"objects of {before.name} lie in {before.cold.folder}: it stays the cold folder")

    async def _check_mfa(self, archive: Archive, code: str) -> None:
        if not archive.needs_mfa_delete:
            return
        device = await self._owner_device(archive.account_id)
        if device is None or not code:
            raise OperatorError(f"{archive.name} asks for the owner's one-time code: --mfa CODE")
        owner = root_arn(archive.account_id)
        try:
            is_right = await self._identities.try_mfa_code(owner, device, code, self._clock.now())
        except NoSuchEntity as error:
            raise OperatorError("the owner's MFA device was taken away meanwhile") from error
        if not is_right:
            raise OperatorError("the one-time code is not right, was used already, or too many wrong ones came before")

    async def _owner_device(self, account_id: str) -> str | None:
        device = await self._identities.mfa_device(root_arn(account_id))
        return device.serial_number if device else None

    async def _change(self, told: list[tuple[str, Answer]], effect: Callable[[], Awaitable[None]]) -> None:
        """Put a change on record, then let it take effect; put on record, too, when it did not."""
        try:
            for event_name, details in told:
                await self._record(_S3, event_name, details)
        except Unavailable as error:
            raise OperatorError("nothing was changed: the change could not be put on record; try again") from error
        try:
            await effect()
        except Exception as error:
            reason = str(error) if isinstance(error, (ColdFolderUnusable, NotEmpty, ObjectLocked, Unavailable)) else ""
            for event_name, details in told:
                failed = {**details, "tookEffect": False, "reason": reason or "it failed"}
                await self._record(_S3, event_name, failed)
            if reason:
                raise OperatorError(f"nothing was changed: {reason}") from error
            raise


def _check_weakening(before: Archive, after: Archive, weaker: list[str], *, allow_weaker: bool) -> None:
    if "worm" in weaker and before.lock is not None and before.lock.mode is LockMode.COMPLIANCE:
        raise OperatorError(
            f"{before.name} locks its objects in compliance mode for {before.lock.days} days: nobody can shorten that"
        )
    if not allow_weaker:
        listed = ", ".join(f"--{option}" for option in weaker)
        raise OperatorError(f"this makes {after.name} weaker ({listed}); add --allow-weaker if that is what you want")


def _lock(before: LockRule | None, changes: RuleChanges) -> LockRule | None:
    if changes.worm is None:
        if changes.days is None or before is None:
            if changes.days is not None:
                raise OperatorError("--days says how long --worm compliance or governance locks: give both")
            return before
        return replace(before, days=_days(changes.days, "--days", 0))
    if changes.worm == _NONE:
        return None
    if changes.worm.upper() not in list(LockMode):
        raise OperatorError("--worm is compliance (nobody deletes before the time), governance, or none")
    days = changes.days if changes.days is not None or before is None else before.days
    if days is None:
        raise OperatorError(f"--worm {changes.worm} needs --days N: how long each object is locked")
    return LockRule(LockMode(changes.worm.upper()), _days(days, "--days", 0))


def _cold(before: ColdTier | None, changes: RuleChanges) -> ColdTier | None:
    folder, after_days = changes.cold_folder, changes.cold_after_days
    if folder is None and after_days is None:
        return before
    if folder in (_NONE, ""):
        return None
    folder = folder or (before.folder if before else "")
    after_days = after_days if after_days is not None else before.after_days if before else None
    if not folder or after_days is None:
        raise OperatorError("a cold folder needs both --cold-folder DIR and --cold-after-days N")
    if not Path(folder).is_absolute() or not Path(folder).is_dir():
        raise OperatorError(f"{folder} is not a folder that is there; give its whole path")
    return ColdTier(folder, _days(after_days, "--cold-after-days", 0))


def _days(value: int | None, option: str, default: int, *, least: int = 1) -> int:
    if value is None:
        return default
    if not least <= value <= MAX_DAYS:
        raise OperatorError(f"{option} is {least} to {MAX_DAYS}, not {value}")
    return value


def _told_changes(before: Archive, after: Archive) -> list[tuple[str, Answer]]:
    """Return the events of what differs, named as S3's calls that would do it."""
    kinds: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("PutBucketObjectLockConfiguration", "objectLock", ("worm", "days")),
        ("PutBucketLifecycle", "lifecycle", ("retention_days", "cold_folder", "cold_after_days")),
        ("PutBucketEncryption", "encryption", ("kms_key",)),
        ("PutBucketVersioning", "versioning", ("mfa_delete",)),
    )
    old, new = _described(before), _described(after)
    told = []
    for event_name, member, names in kinds:
        was, now = {name: old[name] for name in names}, {name: new[name] for name in names}
        if was != now:
            told.append((event_name, {member: {"before": was, "after": now}}))
    return told


def _described(archive: Archive) -> Answer:
    lock, cold = archive.lock, archive.cold
    return {
        "name": archive.name,
        "region": archive.region,
        "created_at": format_time(archive.created_at),
        "worm": lock.mode.lower() if lock else "",
        "days": lock.days if lock else 0,
        "retention_days": archive.expire_after_days,
        "cold_folder": cold.folder if cold else "",
        "cold_after_days": cold.after_days if cold else 0,
        "kms_key": archive.kms_key_arn,
        "mfa_delete": archive.needs_mfa_delete,
    }


def _counted(figures: ArchiveFigures, found: ArchivedObject, now: datetime) -> ArchiveFigures:
    written_at, held = found.summary.modified_at, found.lock.retention
    is_locked = held is not None and held.until > now
    return ArchiveFigures(
        objects=figures.objects + 1,
        size_bytes=figures.size_bytes + found.summary.size_bytes,
        cold_objects=figures.cold_objects + found.is_cold,
        encrypted_objects=figures.encrypted_objects + bool(found.kms_key_arn),
        locked_objects=figures.locked_objects + is_locked,
        legal_holds=figures.legal_holds + found.lock.has_legal_hold,
        oldest_at=min(figures.oldest_at or written_at, written_at),
        newest_at=max(figures.newest_at or written_at, written_at),
        locked_until=max(figures.locked_until or held.until, held.until)
        if held and is_locked
        else figures.locked_until,
    )


def _format(moment: datetime | None) -> str:
    return format_time(moment) if moment else ""
