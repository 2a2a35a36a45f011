"""Local archives: the buckets made by ``opentrail archive create``, kept in folders and served read-only over S3."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.ports.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Archive:
    """One local bucket: its name, Region and owner account."""

    name: str
    region: str
    account_id: str
    created_at: datetime


class Archives(Protocol):
    """The local buckets. Reading is by memory, so it may be asked for every request."""

    def get(self, name: str) -> Archive | None:
        """Return the archive of that name, or None: then the bucket is the upstream's."""
        ...

    def list(self) -> Sequence[Archive]:
        """Return all archives by name."""
        ...

    def create(self, archive: Archive) -> None:
        """Make an archive. Raises AlreadyExists, and ValueError for a name that S3 would refuse."""
        ...

    def store(self, name: str) -> ObjectStore:
        """Return the objects of the archive ``name``; raises KeyError when there is none."""
        ...
