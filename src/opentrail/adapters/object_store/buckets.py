"""The buckets that trails deliver to: local archives first, then one S3 endpoint's."""

from collections.abc import AsyncIterator, Callable, Mapping

from opentrail.ports.archives import Archives
from opentrail.ports.object_store import BucketNotFound, ObjectStore, ObjectSummary, StoredObject


class Buckets:
    """ObjectStores over local archives and, unless ``remote`` is None, whatever it gives for the other names."""

    def __init__(self, archives: Archives, remote: Callable[[str], ObjectStore] | None = None) -> None:
        self._archives = archives
        self._remote = remote

    def bucket(self, name: str) -> ObjectStore:
        if self._archives.get(name) is not None:
            return self._archives.store(name)
        if self._remote is None:
            return MissingBucket(name)
        return self._remote(name)


class MissingBucket:
    """A bucket that nobody has: every call raises BucketNotFound."""

    def __init__(self, name: str) -> None:
        self._name = name

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
        raise BucketNotFound(self._name)

    async def get(self, key: str) -> StoredObject:
        raise BucketNotFound(self._name)

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectSummary]:
        raise BucketNotFound(self._name)
        yield  # makes this an asynchronous generator, as the port wants

    async def check_delivery(self, marker_key: str, trail_arn: str, *, kms_key_id: str = "") -> None:
        raise BucketNotFound(self._name)
