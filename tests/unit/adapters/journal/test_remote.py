"""Writing to a journal that another process owns: what happens when either side goes away or sends garbage."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opentrail.adapters.journal.frames import BrokenConnection, Frame, Order, Outcome, format_frame, read_frame
from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.journal.owner import JournalSocket
from opentrail.adapters.journal.remote import RemoteJournal
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, CallId, EventEntry, JournalEntry


class Owner:
    """A journal with its socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "control"

    async def start(self) -> None:
        self.journal = await LocalJournal.open(self.folder / "journal")
        self.socket = JournalSocket(self.journal, self.path)
        await self.socket.start()

    async def stop(self) -> None:
        await self.socket.stop()
        await self.journal.close()

    async def entries(self) -> list[JournalEntry]:
        return [entry async for page in self.journal.read(START, until=self.journal.head()) for _, entry in page]


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    started = Owner(tmp_path)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def remote(owner: Owner) -> AsyncIterator[RemoteJournal]:
    journal = RemoteJournal(owner.path)
    yield journal
    await journal.close()


def event(number: int) -> EventEntry:
    return EventEntry(b'{"n":%d}' % number)


async def until_abandoned(owner: Owner, count: int) -> list[bytes]:
    async with asyncio.timeout(5):
        while len(await owner.journal.abandoned_calls()) < count:  # noqa: ASYNC110 - the socket tells nobody
            await asyncio.sleep(0.001)
    return [call.event for call in await owner.journal.abandoned_calls()]


async def test_only_the_owner_of_the_home_may_connect(owner: Owner) -> None:
    assert owner.path.stat().st_mode & 0o777 == 0o600


async def test_writers_share_the_journal_with_its_owner(owner: Owner, remote: RemoteJournal) -> None:
    other = RemoteJournal(owner.path)
    call = await owner.journal.open_call(b"{}")

    first = await remote.append([event(1)])
    second = await other.append([event(2)])
    third = await other.close_call(call, [event(3)])
    await other.close()

    assert START < first < second < third == owner.journal.head()
    assert await owner.entries() == [event(1), event(2), event(3)]


async def test_calls_of_a_process_that_went_away_are_abandoned_and_can_be_closed(
    owner: Owner, remote: RemoteJournal
) -> None:
    call = await remote.open_call(b'{"call":1}')
    done = await remote.open_call(b'{"call":2}')
    await remote.close_call(done, [event(1)])
    before = await owner.journal.abandoned_calls()

    await remote.close()
    abandoned = await until_abandoned(owner, 1)
    await owner.journal.close_call(call, [event(2)])

    assert before == []
    assert abandoned == [b'{"call":1}']
    assert await owner.journal.abandoned_calls() == []


async def test_a_writer_without_an_owner_is_told_and_goes_on_when_there_is_one(owner: Owner) -> None:
    remote = RemoteJournal(owner.path)
    await remote.append([event(1)])

    await owner.stop()
    with pytest.raises(Unavailable):
        await remote.append([event(2)])
    with pytest.raises(Unavailable):
        await remote.append([event(3)])
    await owner.start()
    await remote.append([event(4)])
    await remote.close()

    assert await owner.entries() == [event(1), event(4)]


async def test_what_the_owner_cannot_store_is_unavailable_to_the_writer(owner: Owner, remote: RemoteJournal) -> None:
    await remote.append([event(1)])
    await owner.journal.close()

    with pytest.raises(Unavailable, match="closed"):
        await remote.append([event(2)])


async def test_many_writers_requests_are_answered_each_with_its_own(owner: Owner, remote: RemoteJournal) -> None:
    positions = await asyncio.gather(*(remote.append([event(n)]) for n in range(3000)))

    stored = [item async for page in owner.journal.read(START, until=owner.journal.head()) for item in page]
    where = dict(stored)
    assert [where[position] for position in positions] == [event(n) for n in range(3000)]


@pytest.mark.parametrize("call", ["", "x", "0" * 15, "ü" * 8])
async def test_text_that_is_no_call_is_not_pending(remote: RemoteJournal, call: str) -> None:
    with pytest.raises(KeyError):
        await remote.close_call(CallId(call), [event(1)])


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<IIIB", 1 << 31, 0, 1, Order.APPEND),
        struct.pack("<IIIB", 2, 99, 1, Order.APPEND) + b"{}",
        b"\x00",
    ],
)
async def test_garbage_ends_its_connection_and_no_other(owner: Owner, remote: RemoteJournal, garbage: bytes) -> None:
    await remote.append([event(1)])
    reader, writer = await asyncio.open_unix_connection(owner.path)
    writer.write(garbage)
    writer.write_eof()

    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await remote.append([event(2)])

    assert answer == b""
    assert await owner.entries() == [event(1), event(2)]


@pytest.mark.parametrize(
    ("frame", "outcome"),
    [
        (Frame(7, 99, b""), Outcome.REFUSED),
        (Frame(7, Order.APPEND, b"not a body"), Outcome.REFUSED),
        (Frame(7, Order.CLOSE_CALL, b"\xff" * 16), Outcome.REFUSED),
        (Frame(7, Order.CLOSE_CALL, b"short"), Outcome.NOT_PENDING),
    ],
)
async def test_a_frame_that_makes_no_sense_is_refused(owner: Owner, frame: Frame, outcome: Outcome) -> None:
    reader, writer = await asyncio.open_unix_connection(owner.path)
    writer.write(format_frame(frame))

    reply = await asyncio.wait_for(read_frame(reader), 5)
    writer.close()

    assert (reply.request, reply.code) == (7, outcome)
    assert await owner.entries() == []


async def test_a_frame_comes_back_whole_or_not_at_all() -> None:
    data = format_frame(Frame(1, Order.APPEND, b"payload"))
    for at in range(len(data)):
        reader = asyncio.StreamReader()
        reader.feed_data(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        reader.feed_eof()
        try:
            frame = await read_frame(reader)
        except (BrokenConnection, asyncio.IncompleteReadError):
            continue
        assert frame.payload == b"payload"
