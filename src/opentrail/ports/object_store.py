"""Object stores: where log files and digest files are delivered and read back. One ObjectStore is one bucket."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from opentrail.ports import PortError


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """One line of a listing. ``etag`` is the quoted entity tag."""

    key: str
    size_bytes: int
    modified_at: datetime
    etag: str
    storage_class: str = "STANDARD"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object with its body. ``metadata`` is the user metadata, keys lower-case without ``x-amz-meta-``."""

    summary: ObjectSummary
    body: bytes
    content_type: str = ""
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectNotFound(PortError):
    """No object has this key (S3: NoSuchKey)."""


class AlreadyExists(PortError):
    """An object with this key is already there; nothing was written."""


class BucketNotFound(PortError):
    """The bucket does not exist (S3: NoSuchBucket)."""


class AccessRefused(PortError):
    """The store refuses what was asked; ``code`` is its own error code, such as AccessDenied."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ObjectStore(Protocol):
    """One bucket. Every method raises Unavailable, BucketNotFound and AccessRefused beside what it names."""

    async def put_if_absent(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str,
        content_encoding: str = "",
        metadata: Mapping[str, str] | None = None,
        encryption_context: Mapping[str, str] | None = None,
        kms_key_id: str = "",
    ) -> None:
        """Write one object atomically and durably, never over another. Raises AlreadyExists; a store that encrypts may
        take the very same body under the same key for written."""
        ...

    async def get(self, key: str) -> StoredObject:
        """Return the whole object (log files are at most 50 MB before compression). Raises ObjectNotFound."""
        ...

    def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectSummary]:
        """Yield the objects whose key starts with ``prefix`` and is greater than ``start_after``, in key order."""
        ...

    async def check_delivery(self, marker_key: str, trail_arn: str, *, kms_key_id: str = "") -> None:
        """Prove that a trail may deliver: the bucket is there, its policy (if it has one) lets CloudTrail write, and
        the zero-byte object ``marker_key`` can be written or is there already. A store that encrypts with keys of its
        own service is given ``kms_key_id`` with it, and refuses what it cannot encrypt."""
        ...


class ObjectStores(Protocol):
    """The buckets that trails can deliver to: local archives and the upstream's."""

    def bucket(self, name: str) -> ObjectStore:
        """Return the store of a bucket: the local archive of that name, else the configured S3 endpoint's bucket."""
        ...
