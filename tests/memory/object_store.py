"""ObjectStore and ObjectStores in memory."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from opentrail.ports import PortError
from opentrail.ports.object_store import (
    AccessRefused,
    AlreadyExists,
    BucketNotFound,
    ObjectNotFound,
    ObjectStore,
    ObjectSummary,
    StoredObject,
)


def _epoch() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


class InMemoryObjectStore:
    """One bucket. ``failure`` is raised by every call while it is set; puts under one of ``refused_kms_keys``, or of a
    key with one of ``refused_parts`` in it, are refused; ``puts`` lists every successful put's key."""

    def __init__(self, name: str = "bucket", now: Callable[[], datetime] = _epoch) -> None:
        self.name = name
        self.objects: dict[str, StoredObject] = {}
        self.puts: list[str] = []
        self.encryption: dict[str, tuple[str, dict[str, str]]] = {}
        self.failure: PortError | None = None
        self.refused_kms_keys: set[str] = set()
        self.refused_parts: set[str] = set()
        self._now = now

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

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
        self._check()
        if kms_key_id in self.refused_kms_keys:
            raise AccessRefused("KMS.DisabledException", kms_key_id)
        if any(part in key for part in self.refused_parts):
            raise AccessRefused("AccessDenied", key)
        if key in self.objects:
            raise AlreadyExists(key)
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        summary = ObjectSummary(key, len(body), self._now(), etag)
        kept = {name.lower(): value for name, value in (metadata or {}).items()}
        self.objects[key] = StoredObject(summary, body, content_type, content_encoding, kept)
        self.encryption[key] = (kms_key_id, dict(encryption_context or {}))
        self.puts.append(key)

    async def get(self, key: str) -> StoredObject:
        self._check()
        try:
            return self.objects[key]
        except KeyError:
            raise ObjectNotFound(key) from None

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectSummary]:
        self._check()
        for key in sorted(self.objects, key=str.encode):
            if key.startswith(prefix) and key.encode() > start_after.encode():
                yield self.objects[key].summary

    async def check_delivery(self, marker_key: str, trail_arn: str, *, kms_key_id: str = "") -> None:
        self._check()
        if marker_key not in self.objects:
            await self.put_if_absent(marker_key, b"", content_type="", kms_key_id=kms_key_id)

    def overwrite(self, key: str, body: bytes) -> None:
        """Alter an object behind Opentrail's back, as an attacker would: everything but the body stays."""
        self.objects[key] = replace(self.objects[key], body=body)


class _NoBucket(InMemoryObjectStore):
    def _check(self) -> None:
        raise BucketNotFound(self.name)


class InMemoryObjectStores:
    """The given buckets; any other name is a bucket that does not exist."""

    def __init__(self, *stores: InMemoryObjectStore) -> None:
        self.stores = {store.name: store for store in stores}

    def bucket(self, name: str) -> ObjectStore:
        return self.stores.get(name) or _NoBucket(name)
