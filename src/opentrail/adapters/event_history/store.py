"""The files and the contents of one history, changed together: storing, sealing, joining, expiring, recovery.

Every change reaches the disk first and is shown to lookups after. The order on disk makes a crash harmless anywhere: a
segment is written whole under its name, then one transaction puts it in force and takes its events out of the tail (or
its parts out of force), then parts are unlinked. Opening removes every segment file that is not in force.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event as Signal
from threading import Lock

from opentrail.adapters.event_history.contents import Contents
from opentrail.adapters.event_history.layout import (
    DAY_SECONDS,
    PARTIAL_SUFFIX,
    Layout,
    segment_name,
    segment_number,
)
from opentrail.adapters.event_history.merge_policy import YOUNG_DAYS, SegmentSize, next_merge
from opentrail.adapters.event_history.rows import Row, make_row
from opentrail.adapters.event_history.segment import OpenSegment, Segment
from opentrail.adapters.event_history.segment_format import MAX_SEGMENT_ROWS, HistoryDamaged, SegmentDamaged
from opentrail.adapters.event_history.segment_making import SegmentMaker
from opentrail.adapters.event_history.segment_writer import publish, sync_folder
from opentrail.adapters.event_history.storing_pace import Item, StoringPace
from opentrail.adapters.event_history.tail import Tail
from opentrail.adapters.event_history.tail_log import TailLog
from opentrail.ports.event_history import HistoryEvent, LookupPage, LookupQuery
from opentrail.ports.journal import Position

SEAL_EVENTS = 8_192
"""Events in the tail from which they are sealed into segments."""

SEAL_BYTES = 16 * 1024 * 1024
"""Bytes of records in the tail from which they are sealed, however few."""

TAIL_LIMIT = 4
"""The tail takes no more events when it is this many times over the size at which it is sealed."""

BEHIND_ROWS = 800
"""Rows stored at once from which on storing is behind what is recorded, and waits less for lookups."""


class _Stopped(Exception):
    """The history is being closed."""


class HistoryStore:
    """One history folder, opened; opening raises HistoryDamaged and Unavailable.

    ``store`` may run beside ``lookup`` and beside one of ``maintain`` and ``expire``.
    """

    def __init__(self, folder: Path, seal_events: int = SEAL_EVENTS, segment_rows: int = MAX_SEGMENT_ROWS) -> None:
        assert segment_rows <= MAX_SEGMENT_ROWS
        self._layout = Layout(folder)
        self._seal_events = seal_events
        self._segment_rows = segment_rows
        self._stopping = Signal()
        self._writing = Lock()
        self._pace = StoringPace()
        self._is_behind = False
        self._maker = SegmentMaker()
        self._layout.segments.mkdir(parents=True, exist_ok=True)
        self._log = TailLog(self._layout.tail)
        names = self._log.segment_names()
        self._clear_litter(names)
        self._contents = Contents(Tail(self._log.rows()), self._open_segments(names))
        self._last_number = max(map(segment_number, names), default=0)
        self._merge: Sequence[SegmentSize] = self._next_merge()
        self.cursor = self._log.cursor()

    @property
    def columns_folder(self) -> Path:
        """Where columns of segments are kept."""
        return self._layout.columns

    @property
    def tail_events(self) -> int:
        return self._contents.tail_rows

    def lookup(self, query: LookupQuery) -> LookupPage:
        """Return one page. Raises InvalidPageToken, SegmentDamaged."""
        with self._pace.lookup():
            return self._contents.lookup(query)

    def open_snapshot(self, days: range) -> tuple[list[OpenSegment], list[bytes]]:
        """Return the segments of ``days``, and the tail's records, of one moment.

        Whoever asked closes the descriptors; the files can be read although they are joined or expired meanwhile.
        Raises OSError.
        """
        opened, _, tail = self._open(lambda segment: segment.day in days)
        return [OpenSegment(descriptor, segment.row_count, segment.name) for segment, descriptor in opened], tail

    def open_segments(self, since: int, until: int) -> tuple[list[tuple[str, int]], set[str], list[bytes]]:
        """Return name and descriptor of each segment with events from second ``since`` to ``until``, the names of all
        segments in force, and the tail's records, of one moment; else as ``open_snapshot``."""
        opened, names, tail = self._open(
            lambda segment: segment.header.newest >= since and segment.header.oldest <= until
        )
        return [(segment.name, descriptor) for segment, descriptor in opened], names, tail

    def _open(self, is_wanted: Callable[[Segment], bool]) -> tuple[list[tuple[Segment, int]], set[str], list[bytes]]:
        while True:
            segments, rows = self._contents.snapshot()
            opened: list[tuple[Segment, int]] = []
            try:
                for segment in filter(is_wanted, segments):
                    opened.append((segment, os.open(self._layout.segment(segment.name), os.O_RDONLY)))
            except OSError as error:
                for _, descriptor in opened:
                    os.close(descriptor)
                if isinstance(error, FileNotFoundError) and segment not in self._contents.segments():
                    continue
                raise
            return opened, {segment.name for segment in segments}, [row.record for row in rows]

    def open_without_columns(self, most: int) -> list[OpenSegment]:
        """Return up to ``most`` segments that are joined no more and have no columns; drop columns of none in force.

        Whoever asked closes the descriptors. Raises OSError.
        """
        segments = self._contents.segments()
        kept = {path.name for path in self._layout.columns.glob("*")}
        for name in kept - {segment.name for segment in segments}:
            self._layout.columns_of(name).unlink(missing_ok=True)
        newest_day = max((segment.day for segment in segments), default=0)
        found: list[OpenSegment] = []
        for segment in sorted(segments, key=lambda one: one.name, reverse=True):
            is_settled = segment.row_count >= self._segment_rows // 2 or segment.day <= newest_day - YOUNG_DAYS
            if is_settled and segment.name not in kept and len(found) < most:
                with suppress(FileNotFoundError):  # joined or expired meanwhile
                    descriptor = os.open(self._layout.segment(segment.name), os.O_RDONLY)
                    found.append(OpenSegment(descriptor, segment.row_count, segment.name))
        return found

    def store(self, events: Iterable[HistoryEvent], through: Position) -> None:
        """Add the events not held yet to the tail, durably, and move the cursor. Raises Unavailable."""
        rows = [make_row(event) for event in self._turns(events)]
        self._is_behind = len(rows) >= BEHIND_ROWS
        with self._writing:
            new = self._numbered(self._turns(rows))
            self._log.store(new, through)
            self._contents.add(self._turns(new))
            self.cursor = through

    def has_room(self) -> bool:
        """Tell whether the tail may take more."""
        contents = self._contents
        return contents.tail_rows < self._seal_events * TAIL_LIMIT and contents.tail_bytes < SEAL_BYTES * TAIL_LIMIT

    def is_maintenance_due(self) -> bool:
        """Tell whether ``maintain`` would do anything."""
        return self._is_sealing_due() or bool(self._merge)

    def maintain(self) -> None:
        """Seal and join until nothing is due. Raises OSError, SegmentDamaged and Unavailable; then nothing is lost."""
        while not self._stopping.is_set():
            try:
                if self._is_sealing_due():
                    self._seal()
                elif self._merge:
                    self._join(self._merge)
                else:
                    return
            except _Stopped:
                return

    def expire(self, before: datetime) -> None:
        """Drop every day that ends at or before ``before``. Raises Unavailable."""
        first_kept = int(before.astimezone(UTC).timestamp()) // DAY_SECONDS
        dropped = [segment.name for segment in self._contents.segments() if segment.day < first_kept]
        sequences = [number for number, row in self._contents.tail_items() if row.place.day < first_kept]
        if dropped or sequences:
            self._publish((), dropped, sequences)
            self._unlink(dropped)

    def stop(self) -> None:
        """Let ``maintain`` end soon; a segment half written is dropped."""
        self._stopping.set()
        self._maker.stop()

    def close(self) -> None:
        self.stop()
        self._log.close()

    def _turns(self, items: Iterable[Item]) -> Iterator[Item]:
        return self._pace.turns(items, is_behind=self._is_behind)

    def _numbered(self, rows: Iterable[Row]) -> list[tuple[int, Row]]:
        new: dict[tuple[str, str, int, str], tuple[int, Row]] = {}
        sequence = self._contents.last_sequence
        for row in rows:
            if row.identity not in new and not self._contents.holds(row):
                sequence += 1
                new[row.identity] = (sequence, row)
        return list(new.values())

    def _is_sealing_due(self) -> bool:
        return self._contents.tail_rows >= self._seal_events or self._contents.tail_bytes >= SEAL_BYTES

    def _next_merge(self) -> list[SegmentSize]:
        segments = self._contents.segments()
        sizes = (SegmentSize(segment.row_count, segment.day, segment.name) for segment in segments)
        return next_merge(sizes, self._segment_rows)

    def _seal(self) -> None:
        items = self._contents.freeze_tail()
        records_of: dict[int, list[bytes]] = {}
        for _, row in items:
            records_of.setdefault(row.place.day, []).append(row.record)
        written = []
        for day, records in records_of.items():
            written += self._made(day, len(records), partial(self._maker.seal, records=records))
        self._publish(written, (), [sequence for sequence, _ in items])

    def _join(self, sizes: Sequence[SegmentSize]) -> None:
        names = {size.name for size in sizes}
        parts = sorted((part for part in self._contents.segments() if part.name in names), key=_size, reverse=True)
        paths = [self._layout.segment(part.name) for part in parts]
        rows = sum(part.row_count for part in parts)
        written = self._made(parts[0].day, rows, partial(self._maker.join, parts=paths))
        self._publish(written, names, ())
        self._unlink(names)

    def _made(self, day: int, rows: int, make: Callable[[int, int, Sequence[Path]], None]) -> list[Segment]:
        """Have ``rows`` rows of a day written to as many segments as they need; return these, opened."""
        paths = []
        for _ in range(-(-rows // self._segment_rows)):
            self._last_number += 1
            paths.append(self._layout.segment(segment_name(day, self._last_number)))
        # Named after this process, so that what an earlier one's child still writes is another file.
        partials = [path.with_suffix(f".{os.getpid()}{PARTIAL_SUFFIX}") for path in paths]
        try:
            make(day, self._segment_rows, partials)
        except OSError:
            self._unlink(path.name for path in partials)
            if self._stopping.is_set():
                raise _Stopped from None
            raise
        for partial_path, path in zip(partials, paths, strict=True):
            publish(partial_path, path)
        return [Segment(path) for path in paths]

    def _publish(self, added: Sequence[Segment], removed: Iterable[str], sequences: Sequence[int]) -> None:
        with self._writing:
            self._log.replace((segment.name for segment in added), removed, sequences)
            sealed = self._contents.replace(added, removed, sequences)
        for _ in self._pace.turns(sealed.dismantle()):
            pass
        self._merge = self._next_merge()

    def _unlink(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(OSError):
                self._layout.columns_of(name).unlink()
            with suppress(OSError):
                self._layout.segment(name).unlink()

    def _clear_litter(self, names: Iterable[str]) -> None:
        litter = self._layout.segment_names() - set(names)
        if litter:
            self._unlink(litter)
            sync_folder(self._layout.segments)

    def _open_segments(self, names: Iterable[str]) -> Iterator[Segment]:
        for name in names:
            try:
                yield Segment(self._layout.segment(name))
            except (OSError, SegmentDamaged) as error:
                raise HistoryDamaged(
                    f"Event history cannot read its segment {name} ({error}); restore {self._layout.folder} from a"
                    " backup, or move it away to begin a new history from what the journal still holds"
                ) from error


def _size(segment: Segment) -> int:
    return segment.row_count
