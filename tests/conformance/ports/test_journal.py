"""What every journal promises, run over each adapter of the port."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.journal.owner import JournalConnection
from opentrail.adapters.journal.remote import RemoteJournal
from opentrail.adapters.journal.writer import SegmentLimits
from opentrail.ports import Unavailable
from opentrail.ports.journal import (
    MAX_BATCH_BYTES,
    MAX_ENTRY_BYTES,
    REGIONS_SCOPE,
    START,
    CallId,
    EventEntry,
    EventsEntry,
    Journal,
    JournalEntry,
    Position,
    Positioned,
    PositionLost,
    SettingsEntry,
)
from tests.memory.journal import InMemoryJournal


class Subject(Protocol):
    """An adapter under test, which can be closed and opened again."""

    journal: Journal

    async def restart(self, *, cleanly: bool) -> None: ...

    async def stop(self) -> None: ...


class MemorySubject:
    def __init__(self, _folder: Path) -> None:
        self._memory = InMemoryJournal()
        self.journal: Journal = self._memory

    async def restart(self, *, cleanly: bool) -> None:
        if cleanly:
            await self._memory.close()
        self._memory = self._memory.restarted()
        self.journal = self._memory

    async def stop(self) -> None:
        await self._memory.close()


async def start_memory(folder: Path) -> Subject:
    return MemorySubject(folder)


class LocalSubject:
    """A crash is simulated by copying the folder while the journal is open, and opening the copy."""

    def __init__(self, folder: Path, local: LocalJournal, limits: SegmentLimits) -> None:
        self._folder = folder
        self._local = local
        self._limits = limits
        self.journal: Journal = local

    async def restart(self, *, cleanly: bool) -> None:
        if cleanly:
            await self._local.close()
        image = self._folder.with_name(self._folder.name + "+")
        shutil.copytree(self._folder, image)
        await self._local.close()
        self._folder = image
        self._local = await LocalJournal.open(image, limits=self._limits)
        self.journal = self._local

    async def stop(self) -> None:
        await self._local.close()


class ThroughSocket:
    """A journal that is written by way of the socket, as another process writes it, and read by its owner."""

    def __init__(self, local: LocalJournal, remote: RemoteJournal) -> None:
        self.append = remote.append
        self.open_call = remote.open_call
        self.close_call = remote.close_call
        self.abandoned_calls = local.abandoned_calls
        self.head = local.head
        self.grown = local.grown
        self.read = local.read
        self.trim = local.trim
        self.size_bytes = local.size_bytes
        self.was_clean_shutdown = local.was_clean_shutdown
        self.last_commit_at = local.last_commit_at


class RemoteSubject(LocalSubject):
    async def listen(self) -> None:
        ours, theirs = socket.socketpair()
        self._connection = await JournalConnection.over(ours, self._local)
        self._remote = await RemoteJournal.over(theirs)
        self.journal = ThroughSocket(self._local, self._remote)

    async def restart(self, *, cleanly: bool) -> None:
        await self._remote.close()
        await self._connection.gone
        await super().restart(cleanly=cleanly)
        await self.listen()

    async def stop(self) -> None:
        await self._remote.close()
        await self._connection.gone
        await super().stop()


async def start_remote(folder: Path) -> Subject:
    limits = SegmentLimits()
    subject = RemoteSubject(folder / "journal", await LocalJournal.open(folder / "journal", limits=limits), limits)
    await subject.listen()
    return subject


async def start_local(folder: Path, limits: SegmentLimits | None = None) -> Subject:
    limits = limits or SegmentLimits()
    return LocalSubject(folder / "journal", await LocalJournal.open(folder / "journal", limits=limits), limits)


async def start_local_in_tiny_segments(folder: Path) -> Subject:
    return await start_local(folder, SegmentLimits(size_bytes=1))


ADAPTERS: dict[str, Callable[[Path], Awaitable[Subject]]] = {
    "memory": start_memory,
    "local": start_local,
    "local, a segment a commit": start_local_in_tiny_segments,
    "remote": start_remote,
}


@pytest.fixture(params=list(ADAPTERS))
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    started = await ADAPTERS[request.param](tmp_path)
    yield started
    await started.stop()


@pytest.fixture
def journal(subject: Subject) -> Journal:
    return subject.journal


def event(number: int) -> EventEntry:
    return EventEntry(b'{"n":%d}' % number)


async def everything(journal: Journal, after: Position = START) -> list[Positioned]:
    return [item async for page in journal.read(after, until=journal.head()) for item in page]


async def entries(journal: Journal, after: Position = START) -> list[JournalEntry]:
    return [entry for _, entry in await everything(journal, after)]


async def test_entries_come_back_as_they_were_stored_and_in_order(journal: Journal) -> None:
    stored: Sequence[JournalEntry] = [
        EventEntry(b'{"eventName":"CreateBucket"}'),
        SettingsEntry("arn:aws:cloudtrail:us-east-1:123456789012:trail/a", b'{"name":"a"}'),
        EventEntry('{"text":"ü \x00"}'.encode(), audience="arn:aws:cloudtrail:us-east-1:1:eventdatastore/é"),
        SettingsEntry("arn:aws:cloudtrail:us-east-1:123456789012:trail/a", None),
        SettingsEntry(REGIONS_SCOPE, b""),
        EventEntry(b""),
        EventsEntry('{"text":"ü"}\n{}'.encode(), "arn:aws:cloudtrail:us-east-1:1:eventdatastore/é"),
    ]

    await journal.append(stored[:2])
    last = await journal.append(stored[2:])

    assert await entries(journal) == list(stored)
    assert last == journal.head()


async def test_positions_order_as_text_and_are_where_reading_goes_on(journal: Journal) -> None:
    await journal.append([event(n) for n in range(150)])
    await journal.append([event(n) for n in range(150, 300)])
    items = await everything(journal)

    positions = [position for position, _ in items]

    assert positions[0] > START
    assert positions == sorted(set(positions))
    assert [entry for _, entry in items] == [event(n) for n in range(300)]
    for at in (0, 1, 149, 150, 151, 298, 299):
        assert await entries(journal, positions[at]) == [event(n) for n in range(at + 1, 300)]


async def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert journal.head() == START
    assert await entries(journal) == []
    assert await journal.abandoned_calls() == []
    assert journal.was_clean_shutdown()
    assert journal.last_commit_at() is None


async def test_an_empty_batch_stores_nothing_and_returns_the_head(journal: Journal) -> None:
    assert await journal.append([]) == START
    position = await journal.append([event(1)])

    assert await journal.append([]) == position
    assert await entries(journal) == [event(1)]


async def test_concurrent_batches_are_neither_mixed_nor_lost(journal: Journal) -> None:
    batches = [[event(caller * 10 + n) for n in range(3)] for caller in range(40)]

    positions = await asyncio.gather(*(journal.append(batch) for batch in batches))

    items = await everything(journal)
    assert len(items) == 120
    order = {position: index for index, (position, _) in enumerate(items)}
    for batch, position in zip(batches, positions, strict=True):
        end = order[position]
        assert [entry for _, entry in items[end - 2 : end + 1]] == batch


async def test_a_bounded_read_stops_at_its_end_and_yields_nothing_past_it(journal: Journal) -> None:
    await journal.append([event(n) for n in range(250)])
    positions = [position for position, _ in await everything(journal)]

    pages = [page async for page in journal.read(positions[9], until=positions[119])]

    assert [entry for page in pages for _, entry in page] == [event(n) for n in range(10, 120)]
    assert [page async for page in journal.read(positions[119], until=positions[119])] == []
    assert [page async for page in journal.read(positions[200], until=positions[119])] == []


async def test_pages_are_bounded_and_never_empty(journal: Journal) -> None:
    await journal.append([event(n) for n in range(2500)])

    pages = [page async for page in journal.read(START, until=journal.head())]

    assert sum(len(page) for page in pages) == 2500
    assert all(1 <= len(page) <= 1000 for page in pages)


async def test_a_waiting_reader_sees_each_new_entry(journal: Journal) -> None:
    seen: asyncio.Queue[JournalEntry] = asyncio.Queue()

    async def follow() -> None:
        async for page in journal.read(START):
            for _, entry in page:
                seen.put_nowait(entry)

    reader = asyncio.create_task(follow())
    for n in range(20):
        await journal.append([event(n)])
        assert await asyncio.wait_for(seen.get(), 5) == event(n)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)


async def test_growth_past_a_position_is_waited_for(journal: Journal) -> None:
    first = await journal.append([event(1)])
    waiting = asyncio.create_task(journal.grown(first))
    await journal.grown(START)
    await asyncio.sleep(0)
    assert not waiting.done()

    await journal.append([event(2)])

    await waiting
    assert journal.head() > first


async def test_whoever_waits_for_a_journal_that_is_closed_is_told(subject: Subject) -> None:
    journal = subject.journal
    waiting = asyncio.create_task(journal.grown(journal.head()))
    await asyncio.sleep(0)

    await subject.restart(cleanly=True)

    with pytest.raises(Unavailable):
        await waiting


async def test_readers_do_not_wait_for_one_another(journal: Journal) -> None:
    await journal.append([event(n) for n in range(5)])
    stalled = journal.read(START)
    assert len(await anext(stalled)) == 5

    await journal.append([event(5)])

    assert await entries(journal) == [event(n) for n in range(6)]


async def test_entries_survive_a_restart_and_positions_stay_valid(subject: Subject) -> None:
    for n in range(10):
        await subject.journal.append([event(n)])
    before = await everything(subject.journal)

    await subject.restart(cleanly=True)

    assert await everything(subject.journal) == before
    assert subject.journal.head() == before[-1][0]
    later = await subject.journal.append([event(10)])
    assert later > before[-1][0]
    assert await entries(subject.journal, before[-1][0]) == [event(10)]


async def test_a_clean_stop_is_told_from_a_crash(subject: Subject) -> None:
    await subject.journal.append([event(1)])

    await subject.restart(cleanly=True)
    after_stop = subject.journal.was_clean_shutdown()
    stopped_at = subject.journal.last_commit_at()
    await subject.restart(cleanly=False)
    after_crash = subject.journal.was_clean_shutdown()

    assert after_stop
    assert stopped_at is not None
    assert not after_crash
    assert subject.journal.last_commit_at() == stopped_at


async def test_a_closed_call_is_replaced_by_its_entries(subject: Subject) -> None:
    call = await subject.journal.open_call(b'{"pending":1}')
    before = await entries(subject.journal)

    position = await subject.journal.close_call(call, [event(1), event(2)])

    assert before == []
    assert await entries(subject.journal) == [event(1), event(2)]
    assert position == subject.journal.head()
    await subject.restart(cleanly=False)
    assert await subject.journal.abandoned_calls() == []


async def test_a_call_can_be_closed_once_only(journal: Journal) -> None:
    call = await journal.open_call(b"{}")
    await journal.close_call(call, [event(1)])

    with pytest.raises(KeyError):
        await journal.close_call(call, [event(2)])
    with pytest.raises(KeyError):
        await journal.close_call(CallId("never opened"), [event(3)])

    assert await entries(journal) == [event(1)]


async def test_two_closers_of_one_call_store_one_result(journal: Journal) -> None:
    call = await journal.open_call(b"{}")

    results = await asyncio.gather(
        journal.close_call(call, [event(1)]), journal.close_call(call, [event(2)]), return_exceptions=True
    )

    assert sum(isinstance(result, KeyError) for result in results) == 1
    assert len(await entries(journal)) == 1


async def test_a_call_may_be_closed_with_no_entries(subject: Subject) -> None:
    await subject.journal.append([event(1)])
    call = await subject.journal.open_call(b"{}")

    position = await subject.journal.close_call(call, [])

    assert position == subject.journal.head()
    await subject.restart(cleanly=False)
    assert await subject.journal.abandoned_calls() == []
    assert await entries(subject.journal) == [event(1)]


async def test_open_calls_of_this_process_are_not_abandoned(journal: Journal) -> None:
    await journal.open_call(b"{}")

    assert await journal.abandoned_calls() == []


async def test_calls_left_open_are_abandoned_oldest_first_until_they_are_closed(subject: Subject) -> None:
    calls = [await subject.journal.open_call(b'{"call":%d}' % n) for n in range(4)]
    await subject.journal.close_call(calls[1], [event(1)])

    await subject.restart(cleanly=False)
    await subject.journal.open_call(b'{"call":"of this process"}')
    abandoned = await subject.journal.abandoned_calls()
    assert [call.event for call in abandoned] == [b'{"call":0}', b'{"call":2}', b'{"call":3}']
    await subject.journal.close_call(abandoned[0].id, [event(2)])
    remaining = await subject.journal.abandoned_calls()
    await subject.restart(cleanly=False)

    assert [call.event for call in remaining] == [b'{"call":2}', b'{"call":3}']
    assert [call.event for call in await subject.journal.abandoned_calls()] == [
        b'{"call":2}',
        b'{"call":3}',
        b'{"call":"of this process"}',
    ]
    assert await entries(subject.journal) == [event(1), event(2)]


async def test_call_ids_are_never_used_again(subject: Subject) -> None:
    first = await subject.journal.open_call(b"{}")
    await subject.journal.close_call(first, [event(1)])

    await subject.restart(cleanly=True)

    assert await subject.journal.open_call(b"{}") != first


async def test_what_is_too_large_is_refused_and_the_largest_is_kept(journal: Journal) -> None:
    largest = EventEntry(b"x" * MAX_ENTRY_BYTES)

    with pytest.raises(ValueError, match="maximum"):
        await journal.append([event(1), EventEntry(b"x" * (MAX_ENTRY_BYTES + 1))])
    with pytest.raises(ValueError, match="maximum"):
        await journal.append([largest] * (MAX_BATCH_BYTES // MAX_ENTRY_BYTES + 1))
    with pytest.raises(ValueError, match="maximum"):
        await journal.open_call(b"x" * (MAX_ENTRY_BYTES + 1))
    await journal.append([largest])

    assert await entries(journal) == [largest]


async def test_trimming_keeps_everything_after_its_point(journal: Journal) -> None:
    await journal.append([event(n) for n in range(10)])
    positions = [position for position, _ in await everything(journal)]

    await journal.trim(positions[4])

    assert await entries(journal, positions[4]) == [event(n) for n in range(5, 10)]
    assert journal.head() == positions[9]


async def test_a_reader_from_before_the_trimmed_part_is_told_or_served(journal: Journal) -> None:
    await journal.append([event(n) for n in range(10)])
    positions = [position for position, _ in await everything(journal)]
    await journal.trim(positions[4])

    resumed_after = START
    try:
        found = await entries(journal)
    except PositionLost as lost:
        resumed_after = lost.resume_after
        found = await entries(journal, resumed_after)

    assert resumed_after <= positions[4]
    assert found[-5:] == [event(n) for n in range(5, 10)]


async def test_trimming_keeps_open_calls(subject: Subject) -> None:
    await subject.journal.open_call(b'{"call":1}')
    await subject.journal.append([event(n) for n in range(10)])

    await subject.journal.trim(subject.journal.head())
    await subject.restart(cleanly=False)

    assert [call.event for call in await subject.journal.abandoned_calls()] == [b'{"call":1}']


async def test_positions_go_on_after_everything_was_trimmed(subject: Subject) -> None:
    await subject.journal.append([event(n) for n in range(10)])
    head = subject.journal.head()
    await subject.journal.trim(head)

    await subject.restart(cleanly=True)

    assert subject.journal.head() == head
    assert await subject.journal.append([event(10)]) > head
    assert await entries(subject.journal, head) == [event(10)]


async def test_size_grows_with_what_is_stored(journal: Journal) -> None:
    before = journal.size_bytes()

    await journal.append([EventEntry(b"x" * 100_000) for _ in range(10)])

    assert journal.size_bytes() >= before + 1_000_000
