"""The journal on disk: segments, ownership, bounds, altered files and full disks."""

import asyncio
import resource
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opentrail.adapters.journal import local, segments
from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.journal.writer import SegmentLimits
from opentrail.errors import HomeInUse, JournalCorrupt
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, EventEntry, JournalEntry, Position, PositionLost, SettingsEntry

ONE_COMMIT_EACH = SegmentLimits(size_bytes=1)


class HandClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
async def journal(folder: Path) -> AsyncIterator[LocalJournal]:
    opened = await LocalJournal.open(folder)
    yield opened
    await opened.close()


def event(number: int) -> EventEntry:
    return EventEntry(b'{"n":%d}' % number)


async def entries(journal: LocalJournal, after: Position = START) -> list[JournalEntry]:
    return [entry async for page in journal.read(after, until=journal.head()) for _, entry in page]


def segment_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("segment-*.sqlite"))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow past ``size``: what a full disk does to a database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# ---- segments ------------------------------------------------------------------------------------------------------


async def test_a_full_segment_is_followed_by_another_and_reading_crosses_them(folder: Path) -> None:
    journal = await LocalJournal.open(folder, limits=SegmentLimits(size_bytes=20_000))
    for n in range(100):
        await journal.append([event(n), EventEntry(b"x" * 1000)])

    read = await entries(journal)
    await journal.close()

    assert len(segment_names(folder)) > 3
    assert read[::2] == [event(n) for n in range(100)]
    for name in segment_names(folder):
        assert not (folder / f"{name}-wal").exists()


async def test_a_segment_with_pages_of_another_size_is_gone_on_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(segments, "PAGE_BYTES", 4096)
        journal = await LocalJournal.open(folder)
        await journal.append([event(1)])
        await journal.close()

    journal = await LocalJournal.open(folder)
    await journal.append([event(2)])
    read = await entries(journal)
    await journal.close()

    with closing(sqlite3.connect(folder / "segment-00000001.sqlite")) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (4096,)
    assert read == [event(1), event(2)]


async def test_an_old_segment_is_followed_by_another_once_something_is_stored(folder: Path) -> None:
    clock = HandClock()
    journal = await LocalJournal.open(folder, clock)
    await journal.append([event(1)])
    clock.moment += timedelta(minutes=59)
    await journal.append([event(2)])
    before = segment_names(folder)

    clock.moment += timedelta(minutes=1)
    await journal.append([event(3)])
    after = segment_names(folder)
    read = await entries(journal)
    await journal.close()

    assert (len(before), len(after)) == (1, 2)
    assert read == [event(1), event(2), event(3)]


async def test_trimming_unlinks_whole_segments_and_tells_readers_from_before(folder: Path) -> None:
    journal = await LocalJournal.open(folder, limits=ONE_COMMIT_EACH)
    positions = [await journal.append([event(n), event(n + 100)]) for n in range(5)]

    await journal.trim(positions[2])

    assert segment_names(folder) == ["segment-00000004.sqlite", "segment-00000005.sqlite"]
    assert await entries(journal, positions[2]) == [event(3), event(103), event(4), event(104)]
    with pytest.raises(PositionLost) as lost:
        await entries(journal, positions[1])
    assert lost.value.resume_after == positions[2]
    await journal.close()


async def test_the_newest_segment_is_never_deleted(folder: Path) -> None:
    journal = await LocalJournal.open(folder, limits=ONE_COMMIT_EACH)
    for n in range(3):
        await journal.append([event(n)])

    await journal.trim(journal.head())
    names = segment_names(folder)
    await journal.close()

    assert names == ["segment-00000003.sqlite"]


async def test_a_segment_with_an_open_call_outlives_those_around_it(folder: Path) -> None:
    journal = await LocalJournal.open(folder, limits=ONE_COMMIT_EACH)
    await journal.append([event(1)])
    call = await journal.open_call(b'{"call":1}')
    middle = await journal.append([event(2)])
    await journal.append([event(3)])
    last = await journal.append([event(4)])

    await journal.trim(journal.head())
    kept = segment_names(folder)
    with pytest.raises(PositionLost) as before_all:
        await entries(journal)
    with pytest.raises(PositionLost) as in_the_hole:
        await entries(journal, middle)
    await journal.close_call(call, [event(5)])
    resumed = await entries(journal, in_the_hole.value.resume_after)
    await journal.trim(last)

    assert kept == ["segment-00000002.sqlite", "segment-00000005.sqlite"]
    assert resumed == [event(4), event(5)]
    assert before_all.value.resume_after < middle < in_the_hole.value.resume_after
    assert segment_names(folder) == ["segment-00000006.sqlite"]
    await journal.close()


async def test_a_hole_left_by_deleted_segments_survives_a_restart(folder: Path) -> None:
    journal = await LocalJournal.open(folder, limits=ONE_COMMIT_EACH)
    await journal.open_call(b'{"call":1}')
    for n in range(4):
        await journal.append([event(n)])
    await journal.trim(journal.head())
    await journal.close()

    journal = await LocalJournal.open(folder)
    abandoned = await journal.abandoned_calls()
    with pytest.raises(PositionLost) as lost:
        await entries(journal)
    resumed = await entries(journal, lost.value.resume_after)
    await journal.close()

    assert [call.event for call in abandoned] == [b'{"call":1}']
    assert resumed == [event(3)]


async def test_a_segment_whose_creation_was_cut_off_is_made_again(folder: Path) -> None:
    journal = await LocalJournal.open(folder)
    await journal.append([event(1)])
    await journal.close()
    with closing(sqlite3.connect(segments.segment_path(folder, 2))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")

    journal = await LocalJournal.open(folder)
    await journal.append([event(2)])
    read = await entries(journal)
    await journal.close()

    assert read == [event(1), event(2)]


async def test_what_a_cut_off_deletion_left_is_dropped(folder: Path) -> None:
    journal = await LocalJournal.open(folder, limits=ONE_COMMIT_EACH)
    await journal.append([event(1)])
    position = await journal.append([event(2)])
    await journal.close()
    segments.segment_path(folder, 1).unlink()
    left = folder / "segment-00000001.sqlite-wal"
    left.write_bytes(b"rest")

    journal = await LocalJournal.open(folder)
    with pytest.raises(PositionLost):
        await entries(journal)
    head = journal.head()
    await journal.close()

    assert head == position
    assert not left.exists()


async def test_the_files_are_for_their_owner_alone(journal: LocalJournal, folder: Path) -> None:
    await journal.append([event(1)])

    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


async def test_the_size_is_what_the_files_take(journal: LocalJournal, folder: Path) -> None:
    await journal.append([EventEntry(b"x" * 100_000)])

    assert journal.size_bytes() == sum(
        path.stat().st_size for path in folder.iterdir() if path.name.endswith((".sqlite", "-wal"))
    )


# ---- ownership and shutdown ----------------------------------------------------------------------------------------


async def test_a_journal_has_one_owner_at_a_time(journal: LocalJournal, folder: Path) -> None:
    with pytest.raises(HomeInUse, match=str(folder)):
        await LocalJournal.open(folder)

    await journal.close()
    again = await LocalJournal.open(folder)
    await again.close()


async def test_closing_stores_what_waits_and_refuses_the_rest(folder: Path) -> None:
    journal = await LocalJournal.open(folder)
    waiting = [asyncio.create_task(journal.append([event(n)])) for n in range(50)]
    await asyncio.sleep(0)

    await journal.close()
    await journal.close()

    positions = await asyncio.gather(*waiting)
    with pytest.raises(Unavailable, match="closed"):
        await journal.append([event(50)])
    with pytest.raises(Unavailable, match="closed"):
        await journal.open_call(b"{}")
    journal = await LocalJournal.open(folder)
    assert await entries(journal) == [event(n) for n in range(50)]
    assert journal.head() == positions[-1]
    assert journal.was_clean_shutdown()
    await journal.close()


async def test_closing_ends_waiting_readers_and_leaves_no_thread(folder: Path) -> None:
    threads = set(threading.enumerate())
    journal = await LocalJournal.open(folder)
    await journal.append([event(1)])

    async def follow() -> None:
        async for _ in journal.read(START):
            pass

    reader = asyncio.create_task(follow())
    await entries(journal)
    await journal.close()

    with pytest.raises(Unavailable):
        await asyncio.wait_for(reader, 5)
    started = set(threading.enumerate()) - threads
    assert not [thread for thread in started if thread.name.startswith("journal-")]


async def test_a_mark_of_an_older_shutdown_does_not_count(folder: Path, tmp_path: Path) -> None:
    journal = await LocalJournal.open(folder)
    await journal.append([event(1)])
    await journal.close()
    mark = (folder / "closed").read_bytes()
    journal = await LocalJournal.open(folder)
    await journal.append([event(2)])
    crashed = tmp_path / "crashed"
    shutil.copytree(folder, crashed)
    (crashed / "closed").write_bytes(mark)

    journal_after_crash = await LocalJournal.open(crashed)

    assert not journal_after_crash.was_clean_shutdown()
    await journal.close()
    await journal_after_crash.close()


async def test_the_last_commit_is_timed_by_the_clock_even_when_its_segment_is_gone(folder: Path) -> None:
    clock = HandClock()
    journal = await LocalJournal.open(folder, clock, ONE_COMMIT_EACH)
    await journal.append([event(1)])
    clock.moment += timedelta(seconds=90)
    await journal.append([event(2)])
    await journal.close()
    clock.moment += timedelta(hours=5)

    journal = await LocalJournal.open(folder, clock)
    at = journal.last_commit_at()
    await journal.close()

    assert at == clock.moment - timedelta(hours=5)


# ---- cancellation and bounds ---------------------------------------------------------------------------------------


async def test_a_call_whose_opener_was_cancelled_is_not_left_open(folder: Path) -> None:
    journal = await LocalJournal.open(folder)
    opening = asyncio.ensure_future(journal.open_call(b'{"call":1}'))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for n in range(3):
        await journal.append([event(n)])
    await journal.close()

    journal = await LocalJournal.open(folder)
    abandoned = await journal.abandoned_calls()
    await journal.close()

    assert abandoned == []


async def test_a_cancelled_close_is_still_stored_once(journal: LocalJournal) -> None:
    call = await journal.open_call(b"{}")
    closing_call = asyncio.ensure_future(journal.close_call(call, [event(1)]))
    await asyncio.sleep(0)
    closing_call.cancel()
    await asyncio.gather(closing_call, return_exceptions=True)
    await journal.append([event(2)])

    with pytest.raises(KeyError):
        await journal.close_call(call, [event(3)])

    assert await entries(journal) == [event(1), event(2)]


async def test_more_than_may_wait_is_refused_at_once_and_nothing_of_it_stored(
    journal: LocalJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MAX_WAITING_BATCHES", 10)

    results = await asyncio.gather(*(journal.append([event(n)]) for n in range(25)), return_exceptions=True)

    refused = [result for result in results if isinstance(result, Unavailable)]
    assert len(refused) == 15
    assert await entries(journal) == [event(n) for n in range(10)]
    await journal.append([event(99)])


async def test_waiting_bytes_are_bounded_too(journal: LocalJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_WAITING_BYTES", 25_000)

    results = await asyncio.gather(
        *(journal.append([EventEntry(b"x" * 10_000)]) for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(result, Unavailable) for result in results) == 2


# ---- full disks ----------------------------------------------------------------------------------------------------


async def test_a_full_disk_stores_nothing_and_works_again_when_space_returns(journal: LocalJournal) -> None:
    call = await journal.open_call(b'{"call":1}')
    await journal.append([event(1)])

    with file_size_limit(40_000):
        for n in range(2):
            with pytest.raises(Unavailable):
                await journal.append([event(100 + n), EventEntry(b"x" * 100_000)])
        with pytest.raises(Unavailable):
            await journal.close_call(call, [EventEntry(b"x" * 100_000)])
        assert await entries(journal) == [event(1)]
    await journal.append([event(2)])
    await journal.close_call(call, [event(3)])

    assert await entries(journal) == [event(1), event(2), event(3)]


async def test_a_disk_too_full_for_a_new_segment_is_tried_again(folder: Path) -> None:
    journal = await LocalJournal.open(folder, limits=ONE_COMMIT_EACH)
    await journal.append([event(1)])

    with file_size_limit(2_000), pytest.raises(Unavailable):
        await journal.append([event(2)])
    await journal.append([event(3)])
    read = await entries(journal)
    await journal.close()

    assert read == [event(1), event(3)]
    assert len(segment_names(folder)) == 2


# ---- altered files -------------------------------------------------------------------------------------------------


@pytest.fixture
async def stored(folder: Path) -> Path:
    """A closed journal of two segments; the first holds rows 1 to 3, the second 4 (a call) to 6."""
    clock = HandClock()
    journal = await LocalJournal.open(folder, clock)
    for n in (1, 2, 3):
        await journal.append([event(n)])
    clock.moment += timedelta(hours=2)
    await journal.open_call(b'{"call":1}')
    await journal.append([SettingsEntry("scope", b"{}")])
    await journal.append([event(6)])
    await journal.close()
    return folder


def alter(folder: Path, segment: int, statement: str) -> None:
    with closing(sqlite3.connect(segments.segment_path(folder, segment))) as connection, connection:
        connection.execute(statement)


async def read_all(folder: Path) -> list[JournalEntry]:
    journal = await LocalJournal.open(folder)
    try:
        await journal.abandoned_calls()
        return await entries(journal)
    finally:
        await journal.close()


async def test_an_unaltered_journal_is_read(stored: Path) -> None:
    assert await read_all(stored) == [event(1), event(2), event(3), SettingsEntry("scope", b"{}"), event(6)]


@pytest.mark.parametrize(
    ("segment", "statement", "row"),
    [
        (1, "UPDATE batch SET body = replace(body, '2', '7') WHERE last = 2", 2),
        (1, "UPDATE batch SET body = CAST(replace(body, '2', '7') AS BLOB) WHERE last = 2", 2),
        (1, "UPDATE batch SET body = NULL WHERE last = 2", 2),
        (1, "UPDATE batch SET at = at + 1 WHERE last = 2", 2),
        (1, "UPDATE batch SET at = 'now' WHERE last = 2", 2),
        (1, "UPDATE batch SET checksum = 0 WHERE last = 2", 2),
        (1, "UPDATE batch SET kind = 2 WHERE last = 2", 2),
        (1, "UPDATE batch SET entries = 0 WHERE last = 2", 2),
        (1, "DELETE FROM batch WHERE last = 2", 3),
        (1, "DELETE FROM batch WHERE last = 1", 2),
        (2, "UPDATE batch SET body = CAST('{\"call\":2}' AS BLOB) WHERE last = 4", 4),
        (2, "DELETE FROM batch WHERE last = 4", 5),
        (2, "DELETE FROM batch WHERE last = 5", 6),
        (2, "UPDATE batch SET call = 9 WHERE last = 6", 6),
    ],
)
async def test_an_altered_row_is_found_and_named(stored: Path, segment: int, statement: str, row: int) -> None:
    alter(stored, segment, statement)

    with pytest.raises(JournalCorrupt) as corrupt:
        await read_all(stored)

    assert str(segments.segment_path(stored, segment)) in str(corrupt.value)
    assert f"row {row}:" in str(corrupt.value)


async def test_the_rows_before_an_altered_one_are_still_read(stored: Path) -> None:
    alter(stored, 1, "UPDATE batch SET checksum = 0 WHERE last = 2")
    journal = await LocalJournal.open(stored)
    first = [entry async for page in journal.read(START, until=Position(f"{1:016x}")) for _, entry in page]

    with pytest.raises(JournalCorrupt):
        await entries(journal)
    await journal.close()

    assert first == [event(1)]


async def test_missing_rows_at_the_end_of_a_sealed_segment_are_found(stored: Path) -> None:
    alter(stored, 1, "DELETE FROM batch WHERE last = 3")

    with pytest.raises(JournalCorrupt, match="segment-00000001"):
        await LocalJournal.open(stored)


@pytest.mark.parametrize("segment", [1, 2])
async def test_torn_pages_are_found(stored: Path, segment: int) -> None:
    path = segments.segment_path(stored, segment)
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(len(data) - 4096))

    with pytest.raises(JournalCorrupt, match=path.name):
        await read_all(stored)


@pytest.mark.parametrize("segment", [1, 2])
async def test_a_file_that_is_no_segment_is_found(stored: Path, segment: int) -> None:
    path = segments.segment_path(stored, segment)
    path.write_bytes(b"this is not a database" * 500)

    with pytest.raises(JournalCorrupt, match=path.name):
        await read_all(stored)


async def test_a_format_of_a_later_release_is_refused(stored: Path) -> None:
    alter(stored, 2, "UPDATE segment SET format = 99")

    with pytest.raises(JournalCorrupt, match="format 99"):
        await LocalJournal.open(stored)


@pytest.mark.parametrize("offset", range(0, 12_288, 997))
async def test_one_flipped_byte_never_changes_what_is_read(stored: Path, offset: int) -> None:
    path = segments.segment_path(stored, 1)
    whole = await read_all(stored)
    data = bytearray(path.read_bytes())
    data[offset % len(data)] ^= 0x10
    path.write_bytes(data)

    try:
        read = await read_all(stored)
    except (JournalCorrupt, Unavailable):
        return

    assert read == whole
