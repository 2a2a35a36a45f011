"""Writing to a journal that another process owns: what happens when either side goes away or sends garbage."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.adapters.journal import remote as remote_module
from opentrail.adapters.journal.codec import encode_entries, parse_number
from opentrail.adapters.journal.frames import (
    BrokenConnection,
    Frame,
    FrameReader,
    Order,
    Outcome,
    Result,
    WriteOrder,
    format_reply,
    format_request,
    read_reply,
    read_request,
)
from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.journal.owner import JournalConnection
from opentrail.adapters.journal.remote import RemoteJournal
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, CallId, EventEntry, JournalEntry


class Owner:
    """A journal and those who write to it."""

    def __init__(self, journal: LocalJournal) -> None:
        self.journal = journal
        self.connections: list[JournalConnection] = []
        self.frames_stored = 0

    async def connected(self) -> socket.socket:
        """Return the other end of a new connection."""
        ours, theirs = socket.socketpair()
        self.connections.append(await JournalConnection.over(ours, self.journal, self.stored))
        return theirs

    async def writer(self) -> RemoteJournal:
        return await RemoteJournal.over(await self.connected())

    def stored(self) -> None:
        self.frames_stored += 1

    async def stop(self) -> None:
        for connection in self.connections:
            connection.close()
            await connection.gone
        await self.journal.close()

    async def entries(self) -> list[JournalEntry]:
        return [entry async for page in self.journal.read(START, until=self.journal.head()) for _, entry in page]


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    started = Owner(await LocalJournal.open(tmp_path / "journal"))
    yield started
    await started.stop()


@pytest.fixture
async def remote(owner: Owner) -> AsyncIterator[RemoteJournal]:
    journal = await owner.writer()
    yield journal
    await journal.close()


def event(number: int) -> EventEntry:
    return EventEntry(b'{"n":%d}' % number)


async def reply_to(connected: socket.socket, request: bytes) -> tuple[list[Result], str]:
    reader, writer = await asyncio.open_unix_connection(sock=connected)
    writer.write(request)
    frames: list[Frame] = []
    replies = FrameReader()
    while not frames:
        frames = replies.feed(await asyncio.wait_for(reader.read(65536), 5))
    writer.close()
    return read_reply(frames[0])


async def test_writers_share_the_journal_with_its_owner(owner: Owner, remote: RemoteJournal) -> None:
    other = await owner.writer()
    call = await owner.journal.open_call(b"{}")

    first = await remote.append([event(1)])
    second = await other.append([event(2)])
    third = await other.close_call(call, [event(3)])

    assert START < first < second < third == owner.journal.head()
    assert await owner.entries() == [event(1), event(2), event(3)]
    assert owner.frames_stored == 3


async def test_calls_of_a_process_that_went_away_are_abandoned_and_can_be_closed(
    owner: Owner, remote: RemoteJournal
) -> None:
    call = await remote.open_call(b'{"call":1}')
    done = await remote.open_call(b'{"call":2}')
    await remote.close_call(done, [event(1)])
    before = await owner.journal.abandoned_calls()

    await remote.close()
    await asyncio.wait_for(owner.connections[0].gone, 5)
    abandoned = await owner.journal.abandoned_calls()
    await owner.journal.close_call(call, [event(2)])

    assert before == []
    assert [left.event for left in abandoned] == [b'{"call":1}']
    assert await owner.journal.abandoned_calls() == []


async def test_a_call_that_was_still_being_stored_when_its_process_went_away_is_abandoned_too(owner: Owner) -> None:
    connected = await owner.connected()
    connected.sendall(format_request(1, [WriteOrder(Order.OPEN_CALL, 0, b'{"call":1}')]))
    connected.close()

    await asyncio.wait_for(owner.connections[0].gone, 5)

    assert [left.event for left in await owner.journal.abandoned_calls()] == [b'{"call":1}']


async def test_an_opener_that_is_cancelled_leaves_no_call(owner: Owner, remote: RemoteJournal) -> None:
    opening = asyncio.ensure_future(remote.open_call(b"{}"))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await remote.append([event(1)])  # its reply comes after the cancelled call's
    await remote.append([event(2)])  # and this one's after that call was dropped
    await remote.close()
    await owner.connections[0].gone

    assert await owner.journal.abandoned_calls() == []


async def test_whoever_waits_for_an_owner_that_went_away_is_told(owner: Owner) -> None:
    told = asyncio.Event()
    remote = await RemoteJournal.over(await owner.connected(), told.set)
    await remote.append([event(1)])

    owner.connections[0].close()
    with pytest.raises(Unavailable):
        await remote.append([event(2)])
    await asyncio.wait_for(told.wait(), 5)
    with pytest.raises(Unavailable, match="gone"):
        await remote.append([event(3)])


async def test_what_the_owner_cannot_store_is_unavailable_to_the_writer(owner: Owner, remote: RemoteJournal) -> None:
    await remote.append([event(1)])
    await owner.journal.close()

    with pytest.raises(Unavailable, match="closed"):
        await remote.append([event(2)])


async def test_more_than_may_wait_is_refused_at_once(
    owner: Owner, remote: RemoteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "MAX_WAITING_WRITES", 2)
    results = await asyncio.gather(*(remote.append([event(n)]) for n in range(3)), return_exceptions=True)

    assert isinstance(results[2], Unavailable)
    assert await owner.entries() == [event(0), event(1)]
    await remote.append([event(4)])


async def test_many_writers_requests_are_answered_each_with_its_own(owner: Owner, remote: RemoteJournal) -> None:
    positions = await asyncio.gather(*(remote.append([event(n)]) for n in range(3000)))

    stored = [item async for page in owner.journal.read(START, until=owner.journal.head()) for item in page]
    where = dict(stored)
    assert [where[position] for position in positions] == [event(n) for n in range(3000)]


async def test_a_connection_with_too_much_in_flight_is_read_on_once_that_is_stored(
    owner: Owner, remote: RemoteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opentrail.adapters.journal.owner.MAX_BYTES_IN_FLIGHT", 1000)
    entries = [EventEntry(b'"%d%s"' % (n, b"x" * 400)) for n in range(50)]

    for some in (entries[:25], entries[25:]):
        await asyncio.wait_for(asyncio.gather(*(remote.append([entry]) for entry in some)), 10)

    assert await owner.entries() == entries


@pytest.mark.parametrize("call", ["", "x", "0" * 15, "ü" * 8])
async def test_text_that_is_no_call_is_not_pending(remote: RemoteJournal, call: str) -> None:
    with pytest.raises(KeyError):
        await remote.close_call(CallId(call), [event(1)])


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<IIH", 1 << 31, 1, 1),
        struct.pack("<IIH", 2, 1, 1) + b"{}",
        struct.pack("<IIH", 0, 1, 0xFFFF),
        format_request(1, [WriteOrder(Order.APPEND, 0, b"")])[:-1] + b"\x09",
    ],
)
async def test_garbage_ends_its_connection_and_no_other(owner: Owner, remote: RemoteJournal, garbage: bytes) -> None:
    await remote.append([event(1)])
    reader, writer = await asyncio.open_unix_connection(sock=await owner.connected())
    writer.write(garbage)
    writer.write_eof()

    with pytest.raises(asyncio.IncompleteReadError) as ended:
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()
    await remote.append([event(2)])

    assert ended.value.partial == b""
    assert await owner.entries() == [event(1), event(2)]


@pytest.mark.parametrize(
    ("write", "outcome"),
    [
        (WriteOrder(99, 0, b""), Outcome.REFUSED),
        (WriteOrder(Order.APPEND, 0, b"not a body"), Outcome.REFUSED),
        (WriteOrder(Order.CLOSE_CALL, 77, encode_entries([event(1)])), Outcome.NOT_PENDING),
    ],
)
async def test_a_write_that_makes_no_sense_is_refused_and_its_neighbours_are_stored(
    owner: Owner, write: WriteOrder, outcome: Outcome
) -> None:
    good = WriteOrder(Order.APPEND, 0, encode_entries([event(1)]))

    results, message = await reply_to(await owner.connected(), format_request(7, [good, write, good]))

    assert [result.outcome for result in results] == [Outcome.STORED, outcome, Outcome.STORED]
    assert message
    assert results[2].number == parse_number(owner.journal.head())
    assert await owner.entries() == [event(1), event(1)]


_WRITES = st.lists(
    st.builds(WriteOrder, st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(max_size=50)), max_size=5
)


@given(st.lists(_WRITES, max_size=4), st.integers(1, 40))
def test_requests_come_out_as_they_went_in_however_they_are_cut(requests: list[list[WriteOrder]], piece: int) -> None:
    data = b"".join(format_request(number, writes) for number, writes in enumerate(requests))
    reader = FrameReader()

    frames = [frame for at in range(0, len(data), piece) for frame in reader.feed(data[at : at + piece])]

    assert [(frame.request, list(read_request(frame))) for frame in frames] == list(enumerate(requests))


@given(st.lists(st.builds(Result, st.integers(0, 3), st.integers(0, 2**64 - 1)), max_size=5), st.text(max_size=20))
def test_replies_come_out_as_they_went_in(results: list[Result], message: str) -> None:
    [frame] = FrameReader().feed(format_reply(9, results, message))

    assert (frame.request, read_reply(frame)) == (9, (results, message))


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_is_a_frame(data: bytes) -> None:
    try:
        requests = [(frame.request, list(read_request(frame))) for frame in FrameReader().feed(data)]
    except BrokenConnection:
        return
    assert data.startswith(b"".join(format_request(number, writes) for number, writes in requests))
