"""Imports bring every record once, name what fails, go on where they stopped, and end as they should."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from opentrail.pipeline import import_job
from opentrail.pipeline.imports import Imports, OngoingImport
from opentrail.ports import Unavailable
from opentrail.ports.journal import SettingsEntry
from opentrail.ports.log_source import LogObject, LogSource
from opentrail.ports.object_store import AccessRefused, BucketNotFound
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from opentrail.resource.lake_import import ImportFailure, ImportSource, ImportStatus, LakeImport
from tests.builders import ACCOUNT, REGION, World
from tests.memory.imports import InMemoryImportLog, InMemoryLakeAppender, InMemoryLogSource

SOURCE = ImportSource("s3://logs/AWSLogs")


def log_file(*numbers: int, time: str = "2026-01-01T00:00:00Z", region: str = REGION) -> bytes:
    records = [
        {"eventVersion": "1.11", "eventTime": time, "eventID": f"id-{number}", "awsRegion": region}
        for number in numbers
    ]
    return orjson.dumps({"Records": records})


class Scene:
    """An installation with one store, a source, and imports over them that a test may start anew."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.world = World()
        self.source: LogSource = InMemoryLogSource(objects)
        self.target = InMemoryLakeAppender()
        self.log = InMemoryImportLog()
        now = self.world.clock.now()
        arn = event_data_store_arn(REGION, ACCOUNT, "11111111-1111-4111-8111-111111111111")
        self.store = EventDataStore(arn, "imported", ACCOUNT, REGION, now, now, retention_days=3653)
        self.imports = self.new_process()

    def new_process(self) -> Imports:
        self.imports = Imports(
            self.log,
            self.world.event_data_stores,
            lambda source, selection: self.source,
            self.target,
            self.world.clock,
            self.world.identifiers,
        )
        return self.imports

    async def ready(self) -> "Scene":
        entry = SettingsEntry(self.store.arn, self.store.to_json())
        await self.world.trails.apply(await self.world.journal.append([entry]), entry)
        return self

    async def run(self, end_time: datetime | None = None) -> LakeImport:
        made = await self.imports.start(self.store, SOURCE, end_time=end_time)
        return await self.imports.wait(made, 10)

    async def failures(self, one: LakeImport) -> list[ImportFailure]:
        return list((await self.imports.failures(one, 0, 1000))[0])

    @property
    def ids(self) -> list[str]:
        return sorted(self.target.events)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_job, "RETRY_SECONDS", (0.0, 0.0))


async def test_an_import_stores_every_event_once_and_counts_what_it_did() -> None:
    scene = await Scene({"a/1": log_file(1, 2), "a/2": log_file(2, 3), "b/1": log_file(4)}).ready()

    done = await scene.run()

    assert (done.status, scene.ids) == (ImportStatus.COMPLETED, ["id-1", "id-2", "id-3", "id-4"])
    said = done.statistics
    assert (said.prefixes_found, said.prefixes_completed, said.files_found, said.files_completed) == (2, 2, 3, 3)
    assert (said.events_completed, said.duplicates, said.failed_entries, said.is_listed) == (4, 1, 0, True)
    assert scene.target.commits == [(4, ("s3://logs/a/1", "s3://logs/a/2", "s3://logs/b/1"))]


async def test_what_cannot_be_read_is_a_failure_with_its_place_and_the_rest_goes_on() -> None:
    bad_time = log_file(9, time="yesterday")
    scene = await Scene({"a/1": log_file(1), "a/2": b"nonsense", "a/3": bad_time, "a/4": log_file(4)[:-9]}).ready()

    done = await scene.run()

    assert (done.status, scene.ids) == (ImportStatus.FAILED, ["id-1"])
    found = [(one.location, one.place, one.error_type, one.status) for one in await scene.failures(done)]
    assert found == [
        ("s3://logs/a/2", "", "UnknownFormat", "FAILED"),
        ("s3://logs/a/3", "record 1", "InvalidEventTime", "FAILED"),
        ("s3://logs/a/4", "record 1, character 13", "MalformedRecord", "FAILED"),
    ]
    assert done.statistics.failed_entries == 3


async def test_events_outside_what_the_store_keeps_are_counted_not_stored() -> None:
    scene = await Scene(
        {
            "a/1": log_file(1, time="1999-01-01T00:00:00Z"),
            "a/2": log_file(2, time="2999-01-01T00:00:00Z"),
            "a/3": log_file(3),
        }
    ).ready()

    done = await scene.run()

    assert (done.status, scene.ids, done.statistics.events_expired) == (ImportStatus.COMPLETED, ["id-3"], 2)


async def test_a_time_range_leaves_out_events_to_the_second() -> None:
    scene = await Scene(
        {"a/1": log_file(1, time="2026-01-01T00:00:00Z"), "a/2": log_file(2, time="2026-01-01T00:00:01Z")}
    ).ready()

    done = await scene.run(end_time=datetime(2026, 1, 1, tzinfo=UTC))

    assert (scene.ids, done.statistics.events_outside) == (["id-1"], 1)


async def test_an_import_goes_on_in_the_next_process_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_job, "BATCH_OBJECTS", 1)
    objects = {f"a/{number}": log_file(number) for number in range(10, 30)}
    scene = await Scene(objects).ready()
    assert isinstance(scene.source, InMemoryLogSource)
    made = await scene.imports.start(scene.store, SOURCE)
    while scene.imports.find(made.id, ACCOUNT).statistics.files_completed < 5:  # type: ignore[union-attr]  # noqa: ASYNC110
        await asyncio.sleep(0)
    await scene.imports.close()
    reads_before = len(scene.source.reads)

    await scene.new_process().open()
    done = await scene.imports.wait(made, 10)

    assert (done.status, done.statistics.events_completed) == (ImportStatus.COMPLETED, 20)
    assert scene.ids == sorted(f"id-{number}" for number in range(10, 30))
    assert len(scene.source.reads) - reads_before <= 15


async def test_a_failed_import_started_again_reads_only_what_failed() -> None:
    scene = await Scene({"a/1": log_file(1), "a/2": b"nonsense", "a/3": b"worse"}).ready()
    assert isinstance(scene.source, InMemoryLogSource)
    failed = await scene.run()
    scene.source.objects["a/2"] = log_file(2)
    scene.source.reads.clear()

    again = await scene.imports.wait(await scene.imports.resume(failed), 10)

    assert scene.source.reads == ["a/2", "a/3"]
    assert (again.status, again.statistics.failed_entries, again.statistics.events_completed) == (
        ImportStatus.FAILED,
        1,
        2,
    )
    assert [(one.location, one.status) for one in await scene.failures(again)] == [
        ("s3://logs/a/2", "SUCCEEDED"),
        ("s3://logs/a/3", "FAILED"),
    ]


async def test_a_source_that_does_not_answer_for_a_while_is_asked_again() -> None:
    scene = await Scene({"a/1": log_file(1)}).ready()
    assert isinstance(scene.source, InMemoryLogSource)
    scene.source.failing["a/1"] = [Unavailable("busy"), Unavailable("busy")]

    assert (await scene.run()).status is ImportStatus.COMPLETED


async def test_an_object_that_may_not_be_read_is_a_failure_of_its_own() -> None:
    scene = await Scene({"a/1": log_file(1), "a/2": log_file(2)}).ready()
    assert isinstance(scene.source, InMemoryLogSource)
    scene.source.failing["a/1"] = [AccessRefused("InvalidObjectState", "it is in the archive")]

    done = await scene.run()

    assert scene.ids == ["id-2"]
    assert [one.error_type for one in await scene.failures(done)] == ["InvalidObjectState"]


class ListingThatFails(InMemoryLogSource):
    """A source whose listing ends with each key of ``ends_at`` so many times; ``begun`` has where listings began."""

    def __init__(self, objects: dict[str, bytes], ends_at: dict[str, int]) -> None:
        super().__init__(objects)
        self.ends_at = ends_at
        self.begun: list[str] = []

    async def list(self, start_after: str = "") -> AsyncIterator[LogObject]:
        self.begun.append(start_after)
        async for one in super().list(start_after):
            if self.ends_at.get(one.key, 0):
                self.ends_at[one.key] -= 1
                raise Unavailable("the listing ended")
            yield one


async def test_a_listing_that_fails_midway_goes_on_where_it_was() -> None:
    scene = await Scene({}).ready()
    source = ListingThatFails({f"a/{number}": log_file(number) for number in range(6)}, {"a/2": 2, "a/4": 2})
    scene.source = source

    done = await scene.run()

    assert (done.status, done.statistics.files_found) == (ImportStatus.COMPLETED, 6)
    assert scene.ids == [f"id-{number}" for number in range(6)]
    assert sorted(source.begun) == ["", "", "a/1", "a/1", "a/3", "a/3"]


async def test_a_listing_that_does_not_go_on_fails_the_import_and_keeps_what_was_brought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(import_job, "BATCH_OBJECTS", 1)
    scene = await Scene({}).ready()
    scene.source = ListingThatFails({f"a/{number}": log_file(number) for number in range(6)}, {"a/4": 100})

    done = await scene.run()

    assert (done.status, done.error_message) == (ImportStatus.FAILED, "the listing ended")
    assert scene.ids == [f"id-{number}" for number in range(len(scene.ids))]
    assert len(scene.ids) <= 4


async def test_objects_that_say_they_inflate_to_too_much_together_are_appended_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects = {f"a/{number}": gzip.compress(log_file(number)) for number in range(5)}
    monkeypatch.setattr(import_job, "BATCH_PLAIN_BYTES", 2 * len(log_file(0)))
    scene = await Scene({**objects, "a/2x": b"nonsense"}).ready()

    done = await scene.run()

    assert [sources for _, sources in scene.target.commits] == [
        ("s3://logs/a/0", "s3://logs/a/1"),
        ("s3://logs/a/2", "s3://logs/a/2x"),
        ("s3://logs/a/3", "s3://logs/a/4"),
    ]
    assert (done.statistics.files_completed, done.statistics.prefixes_completed) == (6, 1)
    assert [one.location for one in await scene.failures(done)] == ["s3://logs/a/2x"]


async def test_a_bucket_that_is_not_there_fails_the_import_and_says_so() -> None:
    class NoBucket(InMemoryLogSource):
        async def list(self, start_after: str = ""):  # type: ignore[no-untyped-def]
            raise BucketNotFound("logs")
            yield

    scene = await Scene({}).ready()
    scene.source = NoBucket({})

    done = await scene.run()

    assert (done.status, done.error_message) == (ImportStatus.FAILED, "there is no bucket logs")


async def test_one_import_runs_for_an_account_and_a_stopped_one_stays_stopped() -> None:
    class Slow(InMemoryLogSource):
        async def read(self, key: str) -> bytes:
            await asyncio.sleep(3600)
            return b""

    scene = await Scene({}).ready()
    scene.source = Slow({"a/1": log_file(1)})
    running = await scene.imports.start(scene.store, SOURCE)
    await asyncio.sleep(0)

    with pytest.raises(OngoingImport):
        await scene.imports.start(scene.store, SOURCE)
    assert scene.imports.is_running_into(scene.store.arn)
    assert (await scene.imports.stop(running)).status is ImportStatus.STOPPED
    assert not scene.imports.is_running_into(scene.store.arn)
    await scene.new_process().open()
    assert scene.imports.find(running.id, ACCOUNT).status is ImportStatus.STOPPED  # type: ignore[union-attr]


async def test_an_import_and_its_failures_are_kept_for_seven_days() -> None:
    scene = await Scene({"a/1": log_file(1)}).ready()
    done = await scene.run()

    scene.world.clock.advance(timedelta(days=7).total_seconds())

    assert scene.imports.find(done.id, ACCOUNT) is None
    assert list(scene.imports.of_account(ACCOUNT)) == []


async def test_an_import_into_a_store_that_is_gone_fails() -> None:
    scene = Scene({"a/1": log_file(1)})

    assert "gone" in (await scene.run()).error_message
