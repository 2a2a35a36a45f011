"""What imports stand on, in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence

import orjson

from opentrail.ports.lake_table import Appended, Batch, BatchTaken
from opentrail.ports.log_source import LogObject
from opentrail.ports.object_store import ObjectNotFound
from opentrail.resource.lake_import import ImportFailure, LakeImport


class InMemoryLogSource:
    """A source with these objects; ``failing`` raises an error for each key named there, once for each error."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.failing: dict[str, list[Exception]] = {}
        self.reads: list[str] = []

    async def list(self, start_after: str = "") -> AsyncIterator[LogObject]:
        for key in sorted(self.objects):
            if key > start_after:
                yield LogObject(key, len(self.objects[key]))

    async def read(self, key: str) -> bytes:
        self.reads.append(key)
        if self.failing.get(key):
            raise self.failing[key].pop(0)
        if key not in self.objects:
            raise ObjectNotFound(key)
        return self.objects[key]


class InMemoryLakeAppender:
    """The events of one store, by their ids; ``commits`` holds (rows, sources) of each batch that had any."""

    def __init__(self, oldest: str = "2000", newest: str = "2100") -> None:
        self.events: dict[str, bytes] = {}
        self.commits: list[tuple[int, tuple[str, ...]]] = []
        self.batches: set[str] = set()
        self._range = (oldest, newest)

    async def append(self, arn: str, batch: Batch) -> Appended:
        if batch.id in self.batches:
            raise BatchTaken(batch.id)
        loaded = batch.load()
        loaded = loaded.judged() if loaded.judged is not None else loaded
        fresh: dict[str, bytes] = {}
        counts = dict.fromkeys(("duplicates", "too_old", "too_new"), 0)
        for record in loaded.events:
            read = orjson.loads(record)
            event_id = read.get("eventID") or record.decode()
            if not self._range[0] <= read["eventTime"] <= self._range[1]:
                counts["too_old" if read["eventTime"] < self._range[0] else "too_new"] += 1
            elif event_id in self.events or event_id in fresh:
                counts["duplicates"] += 1
            else:
                fresh[event_id] = record
        self.events |= fresh
        if fresh:
            self.batches.add(batch.id)
            self.commits.append((len(fresh), batch.sources))
        return Appended(None, len(fresh), unreadable=0, report=loaded.report, **counts)

    async def has_batch(self, arn: str, batch_id: str) -> bool:
        return batch_id in self.batches


class InMemoryImportLog:
    """Keeps imports as JSON, as a process finds them that starts anew."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.failures: dict[tuple[str, int], bytes] = {}

    async def store(self, lake_import: LakeImport) -> None:
        self.kept[lake_import.id] = lake_import.to_json()

    async def imports(self) -> Sequence[LakeImport]:
        return [LakeImport.from_json(one) for one in self.kept.values()]

    async def append_failures(self, import_id: str, file: int, start: int, failures: Sequence[ImportFailure]) -> int:
        before = self.failures.get((import_id, file), b"")[:start]
        self.failures[import_id, file] = before + b"".join(one.to_json() + b"\n" for one in failures)
        return len(self.failures[import_id, file])

    async def read_failures(
        self, import_id: str, file: int, start: int, end: int, limit: int
    ) -> tuple[Sequence[ImportFailure], int]:
        lines = self.failures.get((import_id, file), b"")[start:end].splitlines(keepends=True)[:limit]
        return [ImportFailure.from_json(line) for line in lines], min(end, start + sum(map(len, lines)))

    async def remove(self, import_id: str) -> None:
        self.kept.pop(import_id, None)
