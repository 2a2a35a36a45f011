"""Whatever step a process ends at: an object is whole, and the work can be done again."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.ports.archives import ArchivedObject
from opentrail.ports.object_store import AlreadyExists, ObjectNotFound
from opentrail.resource.archive import Archive, ColdTier
from tests.support.power_cut import Disk, PowerCut

KEY = "AWSLogs/1/CloudTrail/x.json.gz"
BODY = b"a body of some length" * 50

Work = Callable[[LocalArchives], Awaitable[None]]


async def put(archives: LocalArchives) -> None:
    await archives.store("logs").put_if_absent(KEY, BODY, content_type="application/json", metadata={"signature": "ab"})


async def move(archives: LocalArchives) -> None:
    await archives.store("logs").move_to_cold(KEY)


async def delete(archives: LocalArchives) -> None:
    await archives.store("logs").delete(KEY)


async def hold(archives: LocalArchives) -> None:
    await archives.store("logs").set_legal_hold(KEY, is_on=True)


async def nothing(archives: LocalArchives) -> None:
    return None


async def put_and_move(archives: LocalArchives) -> None:
    await put(archives)
    await move(archives)


def open_archives(tmp_path: Path) -> LocalArchives:
    """Return the archives as a process finds them when it starts."""
    (tmp_path / "cold").mkdir(exist_ok=True)
    archives = LocalArchives(tmp_path / "archives")
    if archives.get("logs") is None:
        created_at = datetime(2026, 1, 1, tzinfo=UTC)
        archives.create(Archive("logs", "us-east-1", "1", created_at, cold=ColdTier(str(tmp_path / "cold"), 30)))
    archives.time.latest()  # the file of the time is written now, and not in between
    return archives


async def cut_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Work, work: Work, *, at_least: int = 8
) -> list[tuple[int, LocalArchives]]:
    """Do ``work`` once for each of its steps and both sides of it, ended there; return what the next process finds."""
    probe = open_archives(tmp_path / "probe")
    await before(probe)
    with monkeypatch.context() as patched:
        disk = Disk(patched)
        await work(probe)
    found = []
    for number in range(2 * disk.steps):
        home = tmp_path / str(number)
        archives = open_archives(home)
        await before(archives)
        with monkeypatch.context() as patched:
            Disk(patched, cut_at=number // 2 + 1, after=bool(number % 2))
            with pytest.raises(PowerCut):
                await work(archives)
        found.append((number, LocalArchives(home / "archives")))
    assert len(found) >= at_least
    return found


@pytest.fixture(autouse=True)
def _home(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    for number in range(200):
        (tmp_path / str(number)).mkdir()


async def look(archives: LocalArchives) -> ArchivedObject | None:
    try:
        found = await archives.store("logs").get(KEY)
    except ObjectNotFound:
        found = None
    listed = [summary.key async for summary in archives.store("logs").list("")]
    assert listed == ([KEY] if found else [])
    return found


async def test_an_interrupted_put_left_all_or_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, archives in await cut_runs(tmp_path, monkeypatch, nothing, put):
        found = await look(archives)
        if found is None:
            await put(archives)
        else:
            with pytest.raises(AlreadyExists):
                await put(archives)
        found = await look(archives)
        assert found is not None, number
        assert (found.body, found.metadata) == (BODY, {"signature": "ab"}), number


@pytest.mark.parametrize("before", [put, put_and_move])
async def test_an_interrupted_change_of_a_lock_left_the_object_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Work
) -> None:
    outcomes = set()
    for number, archives in await cut_runs(tmp_path, monkeypatch, before, hold):
        found = await look(archives)
        assert found is not None, number
        assert (found.body, found.metadata) == (BODY, {"signature": "ab"}), number
        outcomes.add(found.lock.has_legal_hold)
    assert outcomes == {False, True}


async def test_an_object_is_readable_wherever_a_move_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = set()
    for number, archives in await cut_runs(tmp_path, monkeypatch, put, move):
        found = await look(archives)
        assert found is not None, number
        assert (found.body, found.metadata) == (BODY, {"signature": "ab"}), number
        outcomes.add(found.is_cold)
        with pytest.raises(AlreadyExists):
            await put(archives)

        await move(archives)

        found = await look(archives)
        assert found is not None, number
        assert (found.body, found.is_cold) == (BODY, True), number
        home = tmp_path / str(number)
        assert [path.name for path in (home / "archives/logs/objects").rglob("x.json.gz*")] == ["x.json.gz%meta"]
        assert len(list((home / "cold").rglob("x.json.gz"))) == 1
    assert outcomes == {False, True}


@pytest.mark.parametrize("before", [put, put_and_move])
async def test_an_interrupted_deletion_left_the_object_whole_or_gone_and_its_key_can_be_put_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Work
) -> None:
    outcomes = set()
    for number, archives in await cut_runs(tmp_path, monkeypatch, before, delete):
        found = await look(archives)
        outcomes.add(found is None)
        if found is not None:
            assert (found.body, found.metadata) == (BODY, {"signature": "ab"}), number
            await delete(archives)
        assert await look(archives) is None, number

        await put(archives)

        again = await look(archives)
        assert again is not None, number
        assert (again.body, again.is_cold) == (BODY, False), number
        await move(archives)
        assert await look(archives) is not None, number
    assert outcomes == {False, True}


async def change(archives: LocalArchives) -> None:
    before = archives.get("logs")
    assert before is not None
    archives.change(replace(before, expire_after_days=30))


async def test_an_interrupted_change_of_rules_left_the_old_ones_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = set()
    for number, archives in await cut_runs(tmp_path, monkeypatch, put, change, at_least=6):
        archive = archives.get("logs")
        assert archive is not None, number
        assert archive.cold is not None, number
        outcomes.add(archive.expire_after_days)
        await change(archives)
        assert (await archives.store("logs").get(KEY)).body == BODY
    assert outcomes == {0, 30}


async def purge(archives: LocalArchives) -> None:
    await archives.delete("logs", purge=True)


async def test_an_interrupted_deletion_of_an_archive_left_all_of_it_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = set()
    for number, _ in await cut_runs(tmp_path, monkeypatch, put_and_move, purge, at_least=4):
        home = tmp_path / str(number)
        archives = LocalArchives(home / "archives")
        is_there = archives.get("logs") is not None
        outcomes.add(is_there)
        if is_there:
            assert (await archives.store("logs").get(KEY)).body == BODY
            await purge(archives)
        archives.clean()
        assert sorted(path.name for path in (home / "archives").iterdir()) == ["time.json"]
        assert list((home / "cold").iterdir()) == []
        await put(open_archives(home))
    assert outcomes == {False, True}


async def test_an_interrupted_creation_left_nothing_in_the_way_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create(archives: LocalArchives) -> None:
        cold = ColdTier(str(archives._folder.parent / "cold"), 30)
        archives.create(Archive("second", "us-east-1", "1", datetime.now(UTC), cold=cold))

    outcomes = set()
    for number, archives in await cut_runs(tmp_path, monkeypatch, nothing, create):
        outcomes.add(archives.get("second") is not None)
        archives.clean()
        if archives.get("second") is None:
            await create(archives)
        await archives.store("second").put_if_absent(KEY, BODY, content_type="")
        await archives.store("second").move_to_cold(KEY)
        assert (await archives.store("second").get(KEY)).body == BODY, number
    assert outcomes == {False, True}
