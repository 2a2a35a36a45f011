"""Local archives: the buckets made by ``opentrail archive create``, kept in folders and served over S3.

Trails put objects and nobody else does; objects are never altered. They go only as the archive's rules allow: by a call
of DeleteObject, or when they expire.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from opentrail.ports import PortError
from opentrail.ports.key_ring import KeyCaller
from opentrail.ports.object_store import ObjectStore, StoredObject
from opentrail.resource.archive import NOT_LOCKED, Archive, ObjectLock, Retention

__all__ = [
    "Archive",
    "ArchiveFigures",
    "ArchiveStore",
    "ArchivedObject",
    "Archives",
    "ColdFolderUnusable",
    "NotEmpty",
    "ObjectLocked",
]


class ObjectLocked(PortError):
    """The object's lock, or the archive's rules, do not allow this; the message says why. Nothing was changed."""


class NotEmpty(PortError):
    """The archive holds objects."""


class ColdFolderUnusable(PortError):
    """The folder cannot be an archive's cold folder; the message says why."""


@dataclass(frozen=True, slots=True)
class ArchivedObject(StoredObject):
    """An object of an archive: what an object store says of it, its version, lock and the key it is encrypted with
    ("" for none). ``is_cold`` when its bytes lie in the cold folder."""

    version_id: str = "null"
    lock: ObjectLock = field(default=NOT_LOCKED)
    kms_key_arn: str = ""
    is_cold: bool = False


@dataclass(frozen=True, slots=True)
class ArchiveFigures:
    """What an archive holds. ``locked_until`` is the end of the last retention period, None without any."""

    objects: int = 0
    size_bytes: int = 0
    cold_objects: int = 0
    encrypted_objects: int = 0
    locked_objects: int = 0
    legal_holds: int = 0
    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    locked_until: datetime | None = None


class ArchiveStore(ObjectStore, Protocol):
    """The objects of one archive. Beside what is named, every method raises Unavailable.

    ``get`` reads as the archive's owner, and an encrypted body that was altered as it lies there. A put locks the
    object as the archive's rule says when it is written.
    """

    async def read(self, key: str, caller: KeyCaller | None = None) -> ArchivedObject:
        """Return an object for ``caller``, whom the key of an encrypted one must let decrypt (None: the owner).

        What was altered where it is kept, and so does not open, comes as it is kept: encrypted bytes that are no file.
        Raises ObjectNotFound, and AccessRefused when the key is refused, disabled or gone.
        """
        ...

    async def describe(self, key: str) -> ArchivedObject:
        """Return what ``read`` does without the bytes; no key is asked. Raises ObjectNotFound."""
        ...

    def describe_all(
        self, prefix: str = "", start_after: str = "", delimiter: str = ""
    ) -> AsyncIterator[ArchivedObject]:
        """Yield what ``describe`` returns of every object, in key order, as ``list`` does.

        With a ``delimiter``, of the keys that are alike up to its first place behind the prefix only the first is
        yielded; the others cost nothing but their names.
        """
        ...

    async def set_retention(self, key: str, retention: Retention | None, *, may_bypass: bool = False) -> None:
        """Lock an object for longer; for shorter only with ``may_bypass`` in governance mode. Durable on return.

        Raises ObjectNotFound, ObjectLocked.
        """
        ...

    async def set_legal_hold(self, key: str, *, is_on: bool) -> None:
        """Put a legal hold on an object, or lift it; durable on return. Raises ObjectNotFound."""
        ...

    async def delete(self, key: str, *, may_bypass: bool = False) -> None:
        """Delete an object for good. Raises ObjectNotFound, and ObjectLocked while it is locked."""
        ...

    async def move_to_cold(self, key: str) -> None:
        """Move an object's bytes to the cold folder; it is readable all the while, and safe at every moment of a crash.
        One that is there already stays. Raises ObjectNotFound."""
        ...

    async def check_deletable(self, key: str, *, may_bypass: bool = False) -> None:
        """Raise what ``delete`` would, and delete nothing."""
        ...


class Archives(Protocol):
    """The local buckets. Reading is by memory, so it may be asked for every request."""

    def get(self, name: str) -> Archive | None:
        """Return the archive of that name, or None: then the bucket is the upstream's."""
        ...

    def list(self) -> Sequence[Archive]:
        """Return all archives by name."""
        ...

    def create(self, archive: Archive) -> None:
        """Make an archive. Raises AlreadyExists, ColdFolderUnusable, and ValueError for a name that S3 would refuse."""
        ...

    def change(self, archive: Archive) -> None:
        """Give the archive of that name new rules, durably. Raises KeyError when there is none, ColdFolderUnusable."""
        ...

    async def delete(self, name: str, *, purge: bool = False) -> None:
        """Delete an archive, with ``purge`` and its objects. Raises KeyError, NotEmpty, and ObjectLocked while one
        object of it is locked: then nothing is deleted."""
        ...

    def store(self, name: str) -> ArchiveStore:
        """Return the objects of the archive ``name``; raises KeyError when there is none."""
        ...

    def now(self) -> datetime:
        """Return the time that rules are judged by: never later than the machine's clock says, and later than before
        only as far as time was seen to pass."""
        ...
