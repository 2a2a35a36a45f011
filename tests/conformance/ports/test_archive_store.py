"""What every archive promises of its objects' locks, deletions and places, in memory and on disk."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from opentrail.adapters.object_store.archive_time import BootTime
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.ports.archives import Archives, ArchiveStore, NotEmpty, ObjectLocked
from opentrail.ports.object_store import AlreadyExists, BucketNotFound, ObjectNotFound
from opentrail.resource.archive import Archive, ColdTier, LockMode, LockRule, Retention
from tests.builders import ACCOUNT, NOON, REGION, HandClock
from tests.memory.archives import InMemoryArchives

KEY = "AWSLogs/1/CloudTrail/x.json.gz"
DAY = timedelta(days=1)


class Bench:
    """The archive ``logs`` and a clock that both it and its machine go by."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.clock = HandClock()
        self.archives: Archives = InMemoryArchives(now=self.clock.now)
        if kind == "local":
            self.archives = LocalArchives(folder / "archives", clock=self.clock, boot=self._boot)
        (folder / "cold").mkdir()
        self.bare = Archive("logs", REGION, ACCOUNT, NOON, cold=ColdTier(str(folder / "cold"), 1))
        self.archives.create(self.bare)

    def _boot(self) -> BootTime:
        return BootTime("boot", (self.clock.now() - NOON).total_seconds())

    @property
    def store(self) -> ArchiveStore:
        return self.archives.store("logs")

    def locks(self, mode: LockMode, days: int) -> None:
        self.archives.change(replace(self.bare, lock=LockRule(mode, days)))

    async def put(self, key: str = KEY, body: bytes = b"0123456789") -> None:
        await self.store.put_if_absent(key, body, content_type="application/json", metadata={"signature": "ab"})

    def passes(self, time: timedelta) -> None:
        self.clock.advance(time.total_seconds())

    async def retention(self) -> Retention | None:
        return (await self.store.describe(KEY)).lock.retention


@pytest.fixture(params=["memory", "local"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param, tmp_path)


@pytest.mark.parametrize("mode", list(LockMode))
async def test_an_object_is_locked_from_its_writing_by_the_rule_of_that_time(bench: Bench, mode: LockMode) -> None:
    await bench.put("before.gz")
    bench.locks(mode, 30)
    await bench.put()
    bench.locks(mode, 90)

    assert await bench.retention() == Retention(mode, NOON + 30 * DAY)
    assert (await bench.store.describe("before.gz")).lock.retention is None


@pytest.mark.parametrize("mode", list(LockMode))
async def test_a_locked_object_goes_when_its_time_has_come_and_not_before(bench: Bench, mode: LockMode) -> None:
    bench.locks(mode, 30)
    await bench.put()

    bench.passes(30 * DAY - timedelta(seconds=1))
    for check in (bench.store.check_deletable, bench.store.delete):
        with pytest.raises(ObjectLocked, match="2026-12-20T12:00:00Z"):
            await check(KEY)
    bench.passes(timedelta(seconds=1))
    await bench.store.check_deletable(KEY)
    await bench.store.delete(KEY)

    with pytest.raises(ObjectNotFound):
        await bench.store.get(KEY)
    assert [found.key async for found in bench.store.list("")] == []


async def test_the_bypass_lifts_governance_and_nothing_lifts_compliance(bench: Bench) -> None:
    bench.locks(LockMode.COMPLIANCE, 30)
    await bench.put()
    bench.locks(LockMode.GOVERNANCE, 30)
    await bench.put("other.gz")

    with pytest.raises(ObjectLocked):
        await bench.store.delete(KEY, may_bypass=True)
    with pytest.raises(ObjectLocked):
        await bench.store.set_retention(KEY, None, may_bypass=True)
    await bench.store.delete("other.gz", may_bypass=True)

    assert [found.key async for found in bench.store.list("")] == [KEY]


async def test_a_period_is_extended_only(bench: Bench) -> None:
    bench.locks(LockMode.GOVERNANCE, 30)
    await bench.put()
    until = NOON + 30 * DAY

    for shorter in (None, Retention(LockMode.GOVERNANCE, until - DAY), Retention(LockMode.COMPLIANCE, until - DAY)):
        with pytest.raises(ObjectLocked):
            await bench.store.set_retention(KEY, shorter)
    await bench.store.set_retention(KEY, Retention(LockMode.COMPLIANCE, until + DAY))
    with pytest.raises(ObjectLocked):
        await bench.store.set_retention(KEY, Retention(LockMode.GOVERNANCE, until + 2 * DAY))

    assert await bench.retention() == Retention(LockMode.COMPLIANCE, until + DAY)


async def test_a_legal_hold_stands_beside_the_period(bench: Bench) -> None:
    bench.locks(LockMode.GOVERNANCE, 1)
    await bench.put()
    await bench.store.set_legal_hold(KEY, is_on=True)
    bench.passes(2 * DAY)

    with pytest.raises(ObjectLocked, match="legal hold"):
        await bench.store.delete(KEY, may_bypass=True)
    assert await bench.retention() == Retention(LockMode.GOVERNANCE, NOON + DAY)
    await bench.store.set_legal_hold(KEY, is_on=False)
    await bench.store.delete(KEY)


async def test_what_is_not_there_has_no_lock(bench: Bench) -> None:
    for call in (
        bench.store.describe(KEY),
        bench.store.delete(KEY),
        bench.store.check_deletable(KEY),
        bench.store.set_legal_hold(KEY, is_on=True),
        bench.store.set_retention(KEY, None),
        bench.store.move_to_cold(KEY),
    ):
        with pytest.raises(ObjectNotFound):
            await call


async def test_a_moved_object_is_the_same_in_every_other_way(bench: Bench) -> None:
    bench.locks(LockMode.COMPLIANCE, 30)
    await bench.put()
    before = await bench.store.read(KEY)

    for _ in range(2):
        await bench.store.move_to_cold(KEY)

    after = await bench.store.read(KEY)
    assert after.is_cold
    assert after.summary.storage_class == "STANDARD_IA"
    assert replace(after, is_cold=False, summary=before.summary) == before
    assert replace(after.summary, storage_class="STANDARD") == before.summary
    assert [found.summary.key async for found in bench.store.describe_all()] == [KEY]
    with pytest.raises(AlreadyExists):
        await bench.put()
    with pytest.raises(ObjectLocked):
        await bench.store.delete(KEY)
    bench.passes(31 * DAY)
    await bench.store.delete(KEY)
    with pytest.raises(ObjectNotFound):
        await bench.store.read(KEY)
    await bench.put()


async def test_describing_all_says_of_each_what_describing_it_says(bench: Bench) -> None:
    for key in ("b.gz", "a/1.gz", "a/2.gz"):
        await bench.put(key)
    await bench.store.move_to_cold("a/2.gz")

    found = [item async for item in bench.store.describe_all()]

    assert [item.summary.key for item in found] == ["a/1.gz", "a/2.gz", "b.gz"]
    assert found == [await bench.store.describe(item.summary.key) for item in found]
    assert [item.summary.key async for item in bench.store.describe_all("a/", "a/1.gz")] == ["a/2.gz"]


async def test_of_keys_that_are_alike_up_to_the_delimiter_the_first_is_described(bench: Bench) -> None:
    for key in ("a/1.gz", "a/2.gz", "a/b/3.gz", "b.gz", "c/1.gz", "c/2.gz", "d"):
        await bench.put(key)

    async def described(*asked: str) -> list[str]:
        return [item.summary.key async for item in bench.store.describe_all(*asked)]

    assert await described("", "", "/") == ["a/1.gz", "b.gz", "c/1.gz", "d"]
    assert await described("a/", "", "/") == ["a/1.gz", "a/2.gz", "a/b/3.gz"]
    assert await described("", "a/1.gz", "/") == ["a/2.gz", "b.gz", "c/1.gz", "d"]
    assert await described("", "", ".g") == ["a/1.gz", "a/2.gz", "a/b/3.gz", "b.gz", "c/1.gz", "c/2.gz", "d"]
    assert await described("", "", "/1.g") == ["a/1.gz", "a/2.gz", "a/b/3.gz", "b.gz", "c/1.gz", "c/2.gz", "d"]
    assert await described("a", "", "/") == ["a/1.gz"]


async def test_an_archive_goes_empty_or_purged_and_never_with_a_locked_object(bench: Bench) -> None:
    bench.locks(LockMode.GOVERNANCE, 1)
    await bench.put()
    store = bench.store

    with pytest.raises(NotEmpty):
        await bench.archives.delete("logs")
    with pytest.raises(ObjectLocked):
        await bench.archives.delete("logs", purge=True)
    assert (await store.get(KEY)).body == b"0123456789"
    bench.passes(2 * DAY)
    await bench.archives.delete("logs", purge=True)

    assert bench.archives.get("logs") is None
    with pytest.raises(KeyError):
        bench.archives.store("logs")
    with pytest.raises(KeyError):
        await bench.archives.delete("logs")
    bench.archives.create(bench.bare)
    assert [found.key async for found in bench.store.list("")] == []


async def test_rules_change_for_what_is_there(bench: Bench) -> None:
    changed = replace(bench.bare, expire_after_days=30, needs_mfa_delete=True, kms_key_arn="arn")

    bench.archives.change(changed)

    assert bench.archives.get("logs") == changed
    with pytest.raises(KeyError):
        bench.archives.change(replace(changed, name="other"))


async def test_rules_cold_objects_and_locks_outlive_the_process(tmp_path: Path) -> None:
    bench = Bench("local", tmp_path)
    bench.locks(LockMode.COMPLIANCE, 30)
    await bench.put()
    await bench.store.set_legal_hold(KEY, is_on=True)
    await bench.store.move_to_cold(KEY)

    later = LocalArchives(tmp_path / "archives", clock=bench.clock, boot=bench._boot)

    assert later.get("logs") == bench.archives.get("logs")
    assert await later.store("logs").read(KEY) == await bench.store.read(KEY)


async def test_a_deleted_archive_is_no_bucket_for_who_still_puts(tmp_path: Path) -> None:
    bench = Bench("local", tmp_path)
    store = bench.store
    await bench.archives.delete("logs")

    with pytest.raises(BucketNotFound):
        await store.put_if_absent(KEY, b"late", content_type="")
    assert not (tmp_path / "archives" / "logs").exists()
