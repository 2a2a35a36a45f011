"""Local archives: one folder a bucket below ``home/archives``, described by its ``archive.json``."""

import asyncio
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from opentrail.adapters.object_store import durable_file
from opentrail.adapters.object_store.archive_time import ArchiveTime, BootTime, boot_time
from opentrail.adapters.object_store.description import (
    DESCRIPTION,
    ArchiveDamaged,
    format_description,
    read_description,
)
from opentrail.adapters.object_store.local import LocalBucket
from opentrail.clock import Clock, SystemClock
from opentrail.ports import Unavailable
from opentrail.ports.archives import ColdFolderUnusable
from opentrail.ports.key_ring import KeyRing
from opentrail.ports.object_store import AlreadyExists
from opentrail.resource.archive import Archive
from opentrail.resource.bucket_name import is_bucket_name

__all__ = ["ArchiveDamaged", "LocalArchives"]

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}")


class LocalArchives:
    """The archives of one home folder, read on opening and by ``reload``; the process that holds the home changes them.

    ``keys`` opens and makes encrypted objects; without it they can be neither read nor put.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        keys: KeyRing | None = None,
        boot: Callable[[], BootTime] = boot_time,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self.time = ArchiveTime(folder / "time.json", clock or SystemClock(), self._locks_began_at, boot)
        self._archives: dict[str, Archive] = {}
        self._buckets: dict[str, LocalBucket] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.reload()

    def reload(self) -> None:
        """Read the folder again: another process changed it. Raises ArchiveDamaged."""
        found = [
            replace(read_description(description), name=description.parent.name)
            for description in sorted(self._folder.glob(f"*/{DESCRIPTION}"))
            if is_bucket_name(description.parent.name)
        ]
        kept = {archive.name: self._buckets[archive.name] for archive in found if archive.name in self._buckets}
        self._archives, self._buckets = {}, kept
        for archive in found:
            self._open(archive)

    def _open(self, archive: Archive) -> None:
        self._archives[archive.name] = archive
        bucket = self._buckets.get(archive.name)
        if bucket is None:
            folder = self._folder / archive.name
            self._buckets[archive.name] = LocalBucket(folder, archive, keys=self._keys, time=self.time)
        else:
            bucket.set_rules(archive)

    def get(self, name: str) -> Archive | None:
        return self._archives.get(name)

    def list(self) -> Sequence[Archive]:
        return [self._archives[name] for name in sorted(self._archives)]

    def now(self) -> datetime:
        return self.time.earliest()

    def create(self, archive: Archive) -> None:
        if not is_bucket_name(archive.name):
            raise ValueError(f"not a bucket name: {archive.name}")
        if archive.name in self._archives:
            raise AlreadyExists(archive.name)
        unfinished = self._folder / f".{archive.name}.{secrets.token_hex(4)}"
        try:
            unfinished.mkdir(mode=0o700)
            durable_file.write_synced(unfinished / DESCRIPTION, format_description(archive))
            durable_file.sync_folder(unfinished)
            self._make_cold_folder(archive)
            unfinished.rename(self._folder / archive.name)  # fails on a folder that is not empty
            durable_file.sync_folder(self._folder)
        except ColdFolderUnusable:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise Unavailable(f"cannot create the archive {archive.name}: {error.strerror}") from error
        self._open(archive)

    def change(self, archive: Archive) -> None:
        if archive.name not in self._archives:
            raise KeyError(archive.name)
        folder = self._folder / archive.name
        new = durable_file.temporary_name(folder / "incoming")
        try:
            with durable_file.locked(folder / "lock"):
                self._make_cold_folder(archive)
                durable_file.write_synced(new, format_description(archive))
                durable_file.replace(new, folder / DESCRIPTION)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise Unavailable(f"cannot change the archive {archive.name}: {error.strerror}") from error
        self._open(archive)

    def _make_cold_folder(self, archive: Archive) -> None:
        """Make the archive's part of its cold folder, which is there already; raises OSError, ColdFolderUnusable."""
        if archive.cold is None:
            return
        root = Path(archive.cold.folder)
        part = root / archive.name
        if root.resolve().is_relative_to(self._folder.resolve()):
            raise ColdFolderUnusable(f"{root} is where the archives themselves are")
        if (part / DESCRIPTION).exists():
            if read_description(part / DESCRIPTION).created_at != archive.created_at:
                raise ColdFolderUnusable(f"{part} holds objects of another archive of this name")
            return
        if _holds_files(part):
            raise ColdFolderUnusable(f"{part} holds other files")
        for folder in ("objects", "incoming"):
            durable_file.make_folders(part / folder, root)
        new = durable_file.temporary_name(part / "incoming")
        durable_file.write_synced(new, format_description(archive))
        durable_file.replace(new, part / DESCRIPTION)

    async def delete(self, name: str, *, purge: bool = False) -> None:
        archive, bucket = self._archives[name], self._buckets[name]
        try:
            await asyncio.to_thread(self._remove, archive, bucket, purge)
        except OSError as error:
            raise Unavailable(f"cannot delete the archive {name}: {error.strerror}") from error
        del self._archives[name], self._buckets[name]

    def _remove(self, archive: Archive, bucket: LocalBucket, purge: bool) -> None:
        folder = self._folder / archive.name
        doomed = self._folder / f".{archive.name}.{secrets.token_hex(4)}"
        with durable_file.locked(folder / "lock"):
            bucket.check_removable(purge=purge)
            folder.rename(doomed)  # from here on nobody finds it
            durable_file.sync_folder(self._folder)
        _remove_cold(archive)
        shutil.rmtree(doomed, ignore_errors=True)

    def clean(self) -> None:
        """Remove what archives left that were not finished, or not deleted to the end; at the start of a server."""
        for leftover in self._folder.iterdir():
            if _LEFTOVER.fullmatch(leftover.name) and leftover.is_dir():
                with suppress(ArchiveDamaged):
                    _remove_cold(read_description(leftover / DESCRIPTION))
                shutil.rmtree(leftover, ignore_errors=True)

    def store(self, name: str) -> LocalBucket:
        return self._buckets[name]

    def _locks_began_at(self) -> datetime | None:
        """Where the archives' own time starts again when its file was lost: no lock may end early for that."""
        return max((archive.created_at for archive in self._archives.values() if archive.lock), default=None)


def _holds_files(part: Path) -> bool:
    """Say whether a cold part holds more than a crash can leave of one that was being made."""
    return any(not path.is_dir() and path.parent != part / "incoming" for path in part.rglob("*"))


def _remove_cold(archive: Archive) -> None:
    """Remove an archive's part of its cold folder; another archive's part stays."""
    if archive.cold is None:
        return
    part = Path(archive.cold.folder) / archive.name
    description = part / DESCRIPTION
    if description.exists():
        is_ours = read_description(description).created_at == archive.created_at
    else:
        is_ours = not _holds_files(part)
    if is_ours:
        shutil.rmtree(part / "objects", ignore_errors=True)
        shutil.rmtree(part, ignore_errors=True)
