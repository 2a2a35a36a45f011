"""Archives in memory."""

from collections.abc import Sequence

from opentrail.ports.archives import Archive
from opentrail.ports.object_store import AlreadyExists, ObjectStore
from opentrail.resource.bucket_name import is_bucket_name
from tests.memory.object_store import InMemoryObjectStore


class InMemoryArchives:
    """Archives whose objects are InMemoryObjectStore; ``stores`` gives tests a way in."""

    def __init__(self, *archives: Archive) -> None:
        self._archives: dict[str, Archive] = {}
        self.stores: dict[str, InMemoryObjectStore] = {}
        for archive in archives:
            self.create(archive)

    def get(self, name: str) -> Archive | None:
        return self._archives.get(name)

    def list(self) -> Sequence[Archive]:
        return [self._archives[name] for name in sorted(self._archives)]

    def create(self, archive: Archive) -> None:
        if not is_bucket_name(archive.name):
            raise ValueError(f"not a bucket name: {archive.name}")
        if archive.name in self._archives:
            raise AlreadyExists(archive.name)
        self._archives[archive.name] = archive
        self.stores[archive.name] = InMemoryObjectStore(archive.name)

    def store(self, name: str) -> ObjectStore:
        return self.stores[name]
