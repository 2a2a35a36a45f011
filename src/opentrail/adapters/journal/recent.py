"""The rows that a journal committed last, kept in memory: a reader that is close behind needs neither the disk nor the
reader's thread, and what one reader had decoded the next one finds decoded."""

from collections.abc import Sequence
from itertools import islice

from opentrail.adapters.journal.codec import MalformedBody, decode_entries, format_number
from opentrail.adapters.journal.pages import PAGE_BYTES, PAGE_ENTRIES, Page
from opentrail.ports.journal import JournalEntry, Positioned

RECENT_BYTES = 16 * 1024 * 1024
"""Bodies of the rows that are kept at most."""

RECENT_ROWS = 16_384
"""Rows that are kept at most, those without a body included."""

RECENT_SECONDS = 3.0
"""How long a row is kept; readers look for work every second."""


class RecentRow:
    """One committed row: its numbers, and its entries as far as they are known (else its body)."""

    __slots__ = ("at", "body", "entries", "first", "last", "page", "size")

    def __init__(self, first: int, last: int, entries: Sequence[JournalEntry] | None, body: bytes, at: float) -> None:
        self.first = first
        self.last = last
        self.entries = entries
        self.body = body if entries is None else b""
        self.size = len(body)
        self.at = at
        self.page: list[Positioned] | None = None

    def positioned(self) -> list[Positioned]:
        """Return the entries with their positions. Raises MalformedBody."""
        if self.page is None:
            entries = decode_entries(self.body) if self.entries is None else self.entries
            self.page = [(format_number(number), entry) for number, entry in enumerate(entries, self.first)]
            self.entries, self.body = None, b""
        return self.page


class RecentRows:
    """Rows without a gap between them, oldest first. Used in the event loop only."""

    def __init__(self) -> None:
        self._rows: list[RecentRow] = []
        self._begin = 0
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        """Whether no row is kept."""
        return self._begin == len(self._rows)

    def add(self, row: RecentRow) -> None:
        """Keep a row that was committed; those before it go where there would be a gap, or too many."""
        if not self.is_empty and row.first != self._rows[-1].last + 1:
            self.clear()
        self._rows.append(row)
        self._bytes += row.size
        while self._bytes > RECENT_BYTES or len(self._rows) - self._begin > RECENT_ROWS:
            self._drop_first()

    def expire(self, before: float) -> None:
        """Drop the rows that were added before a time."""
        while not self.is_empty and self._rows[self._begin].at < before:
            self._drop_first()

    def clear(self) -> None:
        """Drop all rows."""
        self._rows, self._begin, self._bytes = [], 0, 0

    def page(self, after: int, through: int) -> Page | None:
        """Return the next entries past number ``after`` and up to ``through``, None where only the disk has them."""
        if self.is_empty or not self._rows[self._begin].first <= after + 1 <= self._rows[-1].last:
            return None
        page: list[Positioned] = []
        size, reached = 0, after
        for row in islice(self._rows, self._index_of(after + 1), None):
            try:
                found = row.positioned()
            except MalformedBody:
                return None
            if not found:
                reached = row.last
            else:
                start = reached + 1 - row.first
                end = min(len(found), through + 1 - row.first, start + PAGE_ENTRIES - len(page))
                page += found[start:end]
                reached = row.first + end - 1
                size += row.size
            if reached < row.last or reached >= through or size >= PAGE_BYTES or len(page) >= PAGE_ENTRIES:
                break
        return page, reached

    def _index_of(self, number: int) -> int:
        """Return the index of the row that holds ``number``."""
        low, high = self._begin, len(self._rows) - 1
        while low < high:
            middle = (low + high) // 2
            if self._rows[middle].last < number:
                low = middle + 1
            else:
                high = middle
        return low

    def _drop_first(self) -> None:
        self._bytes -= self._rows[self._begin].size
        self._begin += 1
        if self._begin * 2 > len(self._rows):
            del self._rows[: self._begin]
            self._begin = 0
