"""Reading a journal page by page. One thread does it; it keeps the connections to the segments it read last."""

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import pairwise

from opentrail.adapters.journal import segments
from opentrail.adapters.journal.codec import MalformedBody, decode_entries, format_number
from opentrail.adapters.journal.segments import OPENED, Row, SegmentFile
from opentrail.errors import JournalCorrupt
from opentrail.ports import Unavailable
from opentrail.ports.journal import JournalEntry, Positioned, PositionLost

PAGE_ENTRIES = 1000
PAGE_BYTES = 4 * 1024 * 1024
"""A page ends with the entry that reaches this; one row more may be in memory while it is decoded."""

_KEPT_CONNECTIONS = 4

Page = tuple[Sequence[Positioned], int]
"""Entries, and the number up to which everything was looked at."""


async def follow(
    at: int,
    end: int | None,
    standing: Callable[[], tuple[int, asyncio.Event]],
    read_page: Callable[[int, int], Awaitable[Page]],
) -> AsyncIterator[Sequence[Positioned]]:
    """Yield the pages past number ``at``, up to ``end`` or, without one, for ever.

    ``standing`` gives the number of the newest entry and the event that is set once there is a newer one; what it and
    ``read_page`` raise is raised.
    """
    while end is None or at < end:
        head, changed = standing()
        limit = head if end is None else min(end, head)
        if at >= limit:
            await changed.wait()
            continue
        page, at = await read_page(at, limit)
        if page:
            yield page


class PageReader:
    """Reads pages for any number of readers; every method is called on one and the same thread."""

    def __init__(self, list_segments: Callable[[], tuple[SegmentFile, ...]]) -> None:
        self._list_segments = list_segments
        self._connections: OrderedDict[int, sqlite3.Connection] = OrderedDict()

    def read(self, after: int, through: int) -> Page:
        """Return the next entries past number ``after`` and up to ``through``, which is durable and past ``after``.

        Raises PositionLost, JournalCorrupt, Unavailable. A page may be empty when only calls were opened.
        """
        segment, last = self._segment_of(after + 1, through)
        try:
            connection = self._connection(segment)
        except sqlite3.OperationalError as error:
            if segment in self._list_segments():
                raise Unavailable(f"the journal cannot read {segment.path}: {error}") from error
            return (), after
        try:
            return _read_page(connection, segment, after, min(through, last))
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the journal cannot read {segment.path}: {error}") from error

    def close(self) -> None:
        """Let go of all files."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _segment_of(self, number: int, through: int) -> tuple[SegmentFile, int]:
        """Return the segment that holds ``number`` and its last number (of the newest: ``through``)."""
        listed = self._list_segments()
        for segment, following in pairwise(listed):
            if number < segment.first:
                raise PositionLost(format_number(segment.first - 1))
            if number < following.first and following.ordinal == segment.ordinal + 1:
                return segment, following.first - 1
            if number < following.first:
                return segment, self._last_number(segment, number, following)
        if number < listed[-1].first:
            raise PositionLost(format_number(listed[-1].first - 1))
        return listed[-1], through

    def _last_number(self, segment: SegmentFile, number: int, following: SegmentFile) -> int:
        """Return the last number of a segment whose successor was deleted; ``number`` may have been in that one."""
        try:
            last = segments.last_number(self._connection(segment))
        except sqlite3.OperationalError:
            last = 0
        if number > last:
            raise PositionLost(format_number(following.first - 1))
        return last

    def _connection(self, segment: SegmentFile) -> sqlite3.Connection:
        kept = self._connections.pop(segment.ordinal, None)
        connection = kept or segments.open_for_reading(segment.path)
        self._connections[segment.ordinal] = connection
        live = {listed.ordinal for listed in self._list_segments()}
        gone = [ordinal for ordinal in self._connections if ordinal not in live and ordinal != segment.ordinal]
        if len(self._connections) > _KEPT_CONNECTIONS and not gone:
            gone = [next(iter(self._connections))]
        for ordinal in gone:
            self._connections.pop(ordinal).close()
        return connection


def _read_page(connection: sqlite3.Connection, segment: SegmentFile, after: int, through: int) -> Page:
    page: list[Positioned] = []
    size = 0
    reached = after
    rows = segments.read_rows(connection, segment, after, through, with_calls=False)
    try:
        for row in rows:
            if row.kind == OPENED or not row.entries:
                reached = row.last
                continue
            size += len(row.body)
            for number, entry in zip(range(row.first, row.last + 1), _decoded(row, segment), strict=True):
                if number <= reached:
                    continue
                if number > through or len(page) >= PAGE_ENTRIES:
                    return page, reached
                page.append((format_number(number), entry))
                reached = number
            if size >= PAGE_BYTES:
                break
    finally:
        rows.close()
    return page, reached


def _decoded(row: Row, segment: SegmentFile) -> Sequence[JournalEntry]:
    try:
        entries = decode_entries(row.body)
    except MalformedBody as error:
        raise JournalCorrupt(f"{segment.path}, row {row.last}: {error}; restore the file from a copy") from error
    if len(entries) != row.entries:
        raise JournalCorrupt(f"{segment.path}, row {row.last}: {len(entries)} of {row.entries} entries are there")
    return entries
