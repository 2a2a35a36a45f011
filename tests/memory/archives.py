"""Archives in memory."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opentrail.ports.archives import Archive, ArchivedObject, NotEmpty, ObjectLocked
from opentrail.ports.key_ring import KeyCaller
from opentrail.ports.object_store import AccessRefused, AlreadyExists, ObjectNotFound, ObjectSummary
from opentrail.resource.archive import ObjectLock, Retention, retention_refusal
from opentrail.resource.bucket_name import is_bucket_name
from tests.memory.object_store import InMemoryObjectStore


def _epoch() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


class InMemoryArchiveStore(InMemoryObjectStore):
    """The objects of one archive, under its rules; ``refused_readers`` are callers' ARNs that no key lets decrypt."""

    def __init__(self, archive: Archive, now: Callable[[], datetime] = _epoch) -> None:
        super().__init__(archive.name, now)
        self.archive = archive
        self.locks: dict[str, ObjectLock] = {}
        self.cold: set[str] = set()
        self.refused_readers: set[str] = set()

    async def put_if_absent(self, key: str, body: bytes, **named: object) -> None:
        await super().put_if_absent(key, body, **named)  # type: ignore[arg-type]
        rule = self.archive.lock
        self.locks[key] = ObjectLock(Retention(rule.mode, self._now() + timedelta(days=rule.days)) if rule else None)

    async def get(self, key: str) -> ArchivedObject:
        return await self.read(key)

    async def read(self, key: str, caller: KeyCaller | None = None) -> ArchivedObject:
        stored = await super().get(key)
        kms_key = self.encryption[key][0]
        if kms_key and caller is not None and caller.principal.arn in self.refused_readers:
            raise AccessRefused("AccessDenied", "the key policy says no")
        is_cold = key in self.cold
        return ArchivedObject(
            replace(stored.summary, storage_class="STANDARD_IA" if is_cold else "STANDARD"),
            stored.body,
            stored.content_type,
            stored.content_encoding,
            stored.metadata,
            version_id=f"v-{stored.summary.etag[1:9]}",
            lock=self.locks[key],
            kms_key_arn=kms_key,
            is_cold=is_cold,
        )

    async def describe(self, key: str) -> ArchivedObject:
        return replace(await self.read(key), body=b"")

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectSummary]:
        async for found in self.describe_all(prefix, start_after):
            yield found.summary

    async def describe_all(
        self, prefix: str = "", start_after: str = "", delimiter: str = ""
    ) -> AsyncIterator[ArchivedObject]:
        groups = set()
        async for summary in super().list(prefix, start_after):
            before, found, _ = summary.key[len(prefix) :].partition(delimiter or "\0")
            if found and before in groups:
                continue
            groups |= {before} if found else set()
            yield await self.describe(summary.key)

    async def set_retention(self, key: str, retention: Retention | None, *, may_bypass: bool = False) -> None:
        lock = (await self.describe(key)).lock
        if reason := retention_refusal(lock.retention, retention, self._now(), may_bypass=may_bypass):
            raise ObjectLocked(f"{key}: {reason}")
        self.locks[key] = ObjectLock(retention, lock.has_legal_hold)

    async def set_legal_hold(self, key: str, *, is_on: bool) -> None:
        self.locks[key] = ObjectLock((await self.describe(key)).lock.retention, is_on)

    async def check_deletable(self, key: str, *, may_bypass: bool = False) -> None:
        if key not in self.objects:
            raise ObjectNotFound(key)
        if reason := self.locks[key].refusal(self._now(), may_bypass=may_bypass):
            raise ObjectLocked(f"{key} cannot be deleted: {reason}")

    async def delete(self, key: str, *, may_bypass: bool = False) -> None:
        await self.check_deletable(key, may_bypass=may_bypass)
        for kept in (self.objects, self.encryption, self.locks):
            del kept[key]
        self.cold.discard(key)

    async def move_to_cold(self, key: str) -> None:
        await self.describe(key)
        self.cold.add(key)


class InMemoryArchives:
    """Archives whose objects are InMemoryArchiveStore; ``stores`` gives tests a way in."""

    def __init__(self, *archives: Archive, now: Callable[[], datetime] = _epoch) -> None:
        self._archives: dict[str, Archive] = {}
        self._now = now
        self.stores: dict[str, InMemoryArchiveStore] = {}
        for archive in archives:
            self.create(archive)

    def follow(self, now: Callable[[], datetime]) -> None:
        """Go by another clock from now on."""
        self._now = now
        for store in self.stores.values():
            store._now = now

    def get(self, name: str) -> Archive | None:
        return self._archives.get(name)

    def list(self) -> Sequence[Archive]:
        return [self._archives[name] for name in sorted(self._archives)]

    def now(self) -> datetime:
        return self._now()

    def create(self, archive: Archive) -> None:
        if not is_bucket_name(archive.name):
            raise ValueError(f"not a bucket name: {archive.name}")
        if archive.name in self._archives:
            raise AlreadyExists(archive.name)
        self._archives[archive.name] = archive
        self.stores[archive.name] = InMemoryArchiveStore(archive, self._now)

    def change(self, archive: Archive) -> None:
        self.stores[archive.name].archive = archive
        self._archives[archive.name] = archive

    async def delete(self, name: str, *, purge: bool = False) -> None:
        async for found in self.stores[name].describe_all():
            if not purge:
                raise NotEmpty(f"{name} holds objects, the first is {found.summary.key}")
            await self.stores[name].check_deletable(found.summary.key)
        del self._archives[name], self.stores[name]

    def store(self, name: str) -> InMemoryArchiveStore:
        return self.stores[name]
