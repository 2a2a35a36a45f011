"""Archives on disks that are full, read-only or away, and under writers that do not wait for one another."""

import asyncio
import errno
import hashlib
import multiprocessing
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opentrail.adapters.object_store import durable_file
from opentrail.adapters.object_store.archives import ArchiveDamaged, LocalArchives
from opentrail.adapters.object_store.local import LocalBucket
from opentrail.ports import Unavailable
from opentrail.ports.archives import ColdFolderUnusable, ObjectLocked
from opentrail.ports.object_store import AlreadyExists, ObjectNotFound
from opentrail.resource.archive import Archive, ColdTier, LockMode, LockRule, Retention

KEY = "AWSLogs/1/CloudTrail/x.json.gz"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def opened(tmp_path: Path, **rules: Any) -> LocalArchives:
    (tmp_path / "cold").mkdir(exist_ok=True)
    archives = LocalArchives(tmp_path / "archives")
    if archives.get("logs") is None:
        cold = ColdTier(str(tmp_path / "cold"), 1)
        archives.create(Archive("logs", "us-east-1", "1", CREATED, cold=cold, **rules))
    return archives


async def put(archives: LocalArchives, body: bytes = b"body", key: str = KEY) -> None:
    await archives.store("logs").put_if_absent(key, body, content_type="", metadata={"signature": "ab"})


def refuse_writing(patched: pytest.MonkeyPatch, code: int) -> None:
    """Let no file be made any more; names can still be removed."""
    really = os.open

    def refused(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_EXCL:
            raise OSError(code, os.strerror(code))
        return really(path, flags, *rest, **named)

    patched.setattr(os, "open", refused)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
async def test_a_disk_that_takes_nothing_is_unavailable_and_everything_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    archives = opened(tmp_path)
    await put(archives)
    store = archives.store("logs")
    before = await store.read(KEY)
    work: list[Callable[[], Awaitable[object]]] = [
        lambda: put(archives, key="other.gz"),
        lambda: store.set_legal_hold(KEY, is_on=True),
        lambda: store.set_retention(KEY, Retention(LockMode.COMPLIANCE, datetime(2030, 1, 1, tzinfo=UTC))),
        lambda: store.move_to_cold(KEY),
    ]

    with monkeypatch.context() as patched:
        refuse_writing(patched, code)
        for attempt in work:
            with pytest.raises(Unavailable):
                await attempt()
        with pytest.raises(Unavailable):
            archives.change(Archive("logs", "us-east-1", "1", CREATED))

    assert await store.read(KEY) == before
    assert [found.key async for found in store.list("")] == [KEY]
    assert opened(tmp_path).get("logs") == archives.get("logs")
    assert list((tmp_path / "archives/logs/incoming").iterdir()) == []


async def test_objects_can_be_deleted_to_make_room_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = opened(tmp_path)
    await put(archives)

    with monkeypatch.context() as patched:
        refuse_writing(patched, errno.ENOSPC)
        await archives.store("logs").delete(KEY)

    with pytest.raises(ObjectNotFound):
        await archives.store("logs").read(KEY)


async def test_a_cold_disk_that_is_away_hides_nothing_and_lets_nothing_be_put_twice(tmp_path: Path) -> None:
    archives = opened(tmp_path)
    await put(archives)
    await put(archives, key="hot.gz")
    await archives.store("logs").move_to_cold(KEY)
    (tmp_path / "cold").rename(tmp_path / "away")
    (tmp_path / "cold").mkdir()  # an empty mount point

    later = LocalArchives(tmp_path / "archives")
    store = later.store("logs")

    assert [found.key async for found in store.list("")] == [KEY, "hot.gz"]
    with pytest.raises(Unavailable, match="is its disk there"):
        await store.read(KEY)
    with pytest.raises(AlreadyExists):
        await put(later)
    with pytest.raises(Unavailable, match="is its disk mounted"):
        await store.delete(KEY)
    with pytest.raises(Unavailable, match="is its disk mounted"):
        await store.move_to_cold("hot.gz")
    (tmp_path / "cold").rmdir()
    (tmp_path / "away").rename(tmp_path / "cold")
    assert (await store.read(KEY)).body == b"body"


async def test_a_cold_disk_that_gives_back_other_bytes_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = opened(tmp_path)
    await put(archives)
    really = durable_file.write_synced

    def loses_a_bit(path: Path, data: bytes, mode: int = 0o600) -> None:
        really(path, data[:-1] + b"?" if "cold" in path.parts else data, mode)

    monkeypatch.setattr(durable_file, "write_synced", loses_a_bit)
    with pytest.raises(Unavailable, match="other bytes"):
        await archives.store("logs").move_to_cold(KEY)

    found = await archives.store("logs").read(KEY)
    assert (found.body, found.is_cold) == (b"body", False)


async def test_a_lock_that_cannot_be_read_holds_for_the_archives_period(tmp_path: Path) -> None:
    archives = opened(tmp_path, lock=LockRule(LockMode.COMPLIANCE, 30))
    sidecar = tmp_path / "archives/logs/objects" / f"{KEY}%meta"
    await put(archives)
    sidecar.chmod(0o600)

    for damage in (b"{", b"[]", b'{"retention": {"mode": "NONE", "until": "2020-01-01T00:00:00Z"}}', None):
        if damage is None:
            sidecar.unlink()
        else:
            sidecar.write_bytes(damage)
        with pytest.raises(ObjectLocked, match="compliance"):
            await archives.store("logs").delete(KEY, may_bypass=True)
        await archives.store("logs").move_to_cold(KEY)
        assert not (await archives.store("logs").describe(KEY)).is_cold


@pytest.mark.parametrize("is_cold", [False, True])
@pytest.mark.parametrize(
    "damage", [b"{", b"\xff", b'{"place": "cold"}', b'{"place": "gone"}', b'{"place": "cold", "size_bytes": -1}']
)
async def test_no_damage_of_a_sidecar_hides_a_body_that_is_there_or_stops_a_listing(
    tmp_path: Path, damage: bytes, is_cold: bool
) -> None:
    archives = opened(tmp_path)
    await put(archives)
    await put(archives, key="z.gz")
    if is_cold:
        await archives.store("logs").move_to_cold(KEY)
    sidecar = tmp_path / "archives/logs/objects" / f"{KEY}%meta"
    sidecar.chmod(0o600)
    sidecar.write_bytes(damage)

    listed = [found.key async for found in archives.store("logs").list("")]

    if is_cold and b"gone" in damage:  # the one thing that deleting it, too, would leave
        assert listed == ["z.gz"]
        return
    assert listed == [KEY, "z.gz"]
    assert (await archives.store("logs").read(KEY)).body == b"body"
    with pytest.raises(AlreadyExists):
        await put(archives)


async def test_a_sidecar_that_names_a_cold_folder_where_there_is_none_stops_nothing(tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path / "bucket")
    for key in ("a.gz", "b.gz"):
        await bucket.put_if_absent(key, b"body", content_type="")
    sidecar = tmp_path / "bucket/objects/a.gz%meta"
    sidecar.chmod(0o600)
    sidecar.write_bytes(sidecar.read_bytes().replace(b'"hot"', b'"cold"'))
    assert (await bucket.get("a.gz")).body == b"body"
    (tmp_path / "bucket/objects/a.gz").unlink()

    assert [found.key async for found in bucket.list("")] == ["a.gz", "b.gz"]
    with pytest.raises(Unavailable):
        await bucket.get("a.gz")


async def test_an_object_is_found_at_every_moment_of_a_move(tmp_path: Path) -> None:
    archives = opened(tmp_path)
    store = archives.store("logs")
    keys = [f"{number:03}.gz" for number in range(60)]
    for key in keys:
        await put(archives, key=key)

    async def move() -> None:
        for key in keys:
            await store.move_to_cold(key)

    moving = asyncio.create_task(move())
    rounds = 0
    while not moving.done():
        assert [found.key async for found in store.list("")] == keys
        for key in keys[::7]:
            assert (await store.get(key)).body == b"body"
        rounds += 1
    await moving

    assert rounds > 1
    assert [found.storage_class async for found in store.list("")] == ["STANDARD_IA"] * len(keys)


async def test_a_hold_on_an_object_without_a_readable_lock_writes_both_down(tmp_path: Path) -> None:
    archives = opened(tmp_path, lock=LockRule(LockMode.COMPLIANCE, 30))
    await put(archives)
    (tmp_path / "archives/logs/objects" / f"{KEY}%meta").unlink()

    await archives.store("logs").set_legal_hold(KEY, is_on=True)

    lock = (await archives.store("logs").describe(KEY)).lock
    assert lock.has_legal_hold
    assert lock.retention is not None
    assert lock.retention.mode is LockMode.COMPLIANCE


@pytest.mark.parametrize("damage", [b"{}", b'{"lock": {"mode": "WEAK", "days": 1}}', b'{"cold": 5}'])
def test_rules_that_cannot_be_read_are_never_guessed(tmp_path: Path, damage: bytes) -> None:
    opened(tmp_path)
    (tmp_path / "archives/logs/archive.json").write_bytes(damage)

    with pytest.raises(ArchiveDamaged, match=r"logs/archive\.json"):
        opened(tmp_path)


def test_a_cold_folder_is_one_archives_own(tmp_path: Path) -> None:
    archives = opened(tmp_path)
    stranger = tmp_path / "cold" / "other"
    stranger.mkdir()
    (stranger / "file").write_bytes(b"x")
    second = LocalArchives(tmp_path / "second")

    for store, name, folder, sentence in (
        (archives, "other", tmp_path / "cold", "holds other files"),
        (archives, "third", tmp_path / "archives", "archives themselves"),
        (second, "logs", tmp_path / "cold", "another archive"),
    ):
        with pytest.raises(ColdFolderUnusable, match=sentence):
            store.create(Archive(name, "us-east-1", "1", datetime.now(UTC), cold=ColdTier(str(folder), 1)))
        assert store.get(name) is None or store is archives


def _race(folder: Path, number: int, start: Any, won: Any) -> None:
    async def write() -> None:
        bucket = LocalBucket(folder)
        start.wait()
        for round_number in range(ROUNDS):
            body = f"{number}-{round_number}".encode() * 100
            try:
                await bucket.put_if_absent(f"{round_number}.gz", body, content_type="", metadata={"by": str(number)})
            except AlreadyExists:
                continue
            won.put((round_number, number))

    asyncio.run(write())


ROUNDS = 20
WRITERS = 4


async def test_of_processes_that_put_one_key_one_wins_with_its_own_metadata(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, won = context.Barrier(WRITERS), context.Queue()
    writers = [context.Process(target=_race, args=(tmp_path, number, start, won)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    winners = dict([await asyncio.to_thread(won.get, True, 60) for _ in range(ROUNDS)])
    for writer in writers:
        writer.join(60)

    assert won.empty()
    for round_number, number in winners.items():
        found = await LocalBucket(tmp_path).get(f"{round_number}.gz")
        assert found.body == f"{number}-{round_number}".encode() * 100
        assert found.metadata == {"by": str(number)}
        assert found.summary.etag == f'"{hashlib.md5(found.body).hexdigest()}"'
