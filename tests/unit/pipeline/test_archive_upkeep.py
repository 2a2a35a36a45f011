"""Archives' rules over time: what moves, what expires, what stays, and what is on record before it is gone."""

from datetime import timedelta
from typing import Any

import pytest

from opentrail.pipeline import archive_upkeep
from opentrail.pipeline.archive_upkeep import ArchiveUpkeep
from opentrail.ports import Unavailable
from opentrail.resource.archive import Archive, ColdTier, LockMode, LockRule
from tests.builders import ACCOUNT, NOON, HandClock
from tests.memory.archives import InMemoryArchives, InMemoryArchiveStore

DAY = timedelta(days=1).total_seconds()


class Bench:
    def __init__(self, **rules: Any) -> None:
        self.clock = HandClock()
        self.archives = InMemoryArchives(Archive("logs", "us-east-1", ACCOUNT, NOON, **rules), now=self.clock.now)
        self.store: InMemoryArchiveStore = self.archives.stores["logs"]
        self.recorded: list[tuple[str, dict[str, Any]]] = []
        self.there_when_recorded: list[list[str]] = []
        self.takes_records = True
        self.upkeep = ArchiveUpkeep(self.archives, self.clock, self._record)

    async def _record(self, event_source: str, event_name: str, details: dict[str, Any]) -> None:
        if not self.takes_records:
            raise Unavailable("the journal takes nothing")
        self.recorded.append((event_name, details))
        self.there_when_recorded.append(sorted(self.store.objects))

    async def put(self, *keys: str) -> None:
        for key in keys:
            await self.store.put_if_absent(key, b"0123456789", content_type="")

    async def after_days(self, days: float) -> None:
        self.clock.advance(days * DAY)
        await self.upkeep.run_once()


async def test_objects_expire_at_their_age_and_are_on_record_before_they_are_gone() -> None:
    bench = Bench(expire_after_days=10)
    await bench.put("a.gz", "b.gz")
    await bench.after_days(5)
    await bench.put("c.gz")

    await bench.after_days(4.9)
    assert (sorted(bench.store.objects), bench.recorded) == (["a.gz", "b.gz", "c.gz"], [])
    await bench.after_days(0.2)

    assert sorted(bench.store.objects) == ["c.gz"]
    assert bench.there_when_recorded == [["a.gz", "b.gz", "c.gz"]]
    (name, details) = bench.recorded[0]
    assert (name, details["bucketName"], details["afterDays"]) == ("ExpireObjects", "logs", 10)
    assert [item["key"] for item in details["objects"]] == ["a.gz", "b.gz"]
    assert details["objects"][0] | {"versionId": "", "eTag": ""} == {
        "key": "a.gz",
        "versionId": "",
        "eTag": "",
        "sizeBytes": 10,
        "lastModified": "2026-11-20T12:00:00Z",
    }


async def test_what_is_locked_or_held_outlives_its_age() -> None:
    bench = Bench(expire_after_days=1, lock=LockRule(LockMode.GOVERNANCE, 10))
    await bench.put("locked.gz", "held.gz")
    await bench.store.set_legal_hold("held.gz", is_on=True)

    await bench.after_days(9)
    assert sorted(bench.store.objects) == ["held.gz", "locked.gz"]
    await bench.after_days(2)
    assert sorted(bench.store.objects) == ["held.gz"]
    await bench.store.set_legal_hold("held.gz", is_on=False)
    await bench.after_days(0)

    assert sorted(bench.store.objects) == []


async def test_what_cannot_be_recorded_does_not_expire() -> None:
    bench = Bench(expire_after_days=1)
    await bench.put("a.gz")
    bench.takes_records = False

    await bench.after_days(2)
    assert sorted(bench.store.objects) == ["a.gz"]
    bench.takes_records = True
    await bench.after_days(0)

    assert sorted(bench.store.objects) == []


async def test_objects_move_before_they_expire_and_stay_readable() -> None:
    bench = Bench(expire_after_days=10, cold=ColdTier("/cold", 3))
    await bench.put("a.gz")

    await bench.after_days(4)
    assert bench.store.cold == {"a.gz"}
    assert (await bench.store.get("a.gz")).body == b"0123456789"
    await bench.after_days(7)

    assert (bench.store.cold, sorted(bench.store.objects)) == (set(), [])


async def test_the_markers_of_trails_stay() -> None:
    bench = Bench(expire_after_days=1, cold=ColdTier("/cold", 1))
    await bench.store.check_delivery("AWSLogs/1/CloudTrail/", "arn")

    await bench.after_days(30)

    assert (sorted(bench.store.objects), bench.store.cold) == (["AWSLogs/1/CloudTrail/"], set())


async def test_many_objects_expire_in_events_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_upkeep, "EXPIRED_AT_ONCE", 3)
    bench = Bench(expire_after_days=1)
    await bench.put(*(f"{number}.gz" for number in range(8)))

    await bench.after_days(2)

    assert [len(details["objects"]) for _, details in bench.recorded] == [3, 3, 2]
    assert sorted(bench.store.objects) == []


async def test_one_archive_that_does_not_answer_holds_up_no_other() -> None:
    bench = Bench(expire_after_days=1)
    bench.archives.create(Archive("a-first", "us-east-1", ACCOUNT, NOON, expire_after_days=1))
    bench.archives.stores["a-first"].failure = Unavailable("its disk is away")
    await bench.put("a.gz")

    await bench.after_days(2)

    assert sorted(bench.store.objects) == []


async def test_a_clock_that_ran_ahead_is_on_record_once_a_day() -> None:
    bench = Bench(lock=LockRule(LockMode.COMPLIANCE, 30))
    bench.archives.follow(lambda: bench.clock.now() - timedelta(days=300))

    await bench.after_days(0)
    await bench.after_days(0.5)
    await bench.after_days(0.6)

    assert [name for name, _ in bench.recorded] == ["ArchiveTimeBehind", "ArchiveTimeBehind"]
    assert bench.recorded[0][1]["secondsBehind"] == 300 * DAY
