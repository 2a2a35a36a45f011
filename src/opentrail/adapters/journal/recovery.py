"""Finding out where a journal stands: from its folder to the state that its writer goes on from.

Only the newest segment is read whole (and with it every checksum in it verified); what older ones left open is listed
in its beginning.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from opentrail.adapters.journal import segments
from opentrail.adapters.journal.codec import format_number
from opentrail.adapters.journal.segments import OPENED, SETTLED, Beginning, SegmentFile
from opentrail.adapters.journal.writer import State
from opentrail.errors import JournalCorrupt
from opentrail.ports.journal import CallId, PendingCall

CLOSED_MARK = "closed"
"""File that a drained journal leaves, holding its last number; removed when the journal is opened."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A journal as an earlier process left it, ``abandoned`` oldest first."""

    state: State
    abandoned: Sequence[PendingCall]
    was_clean: bool


def recover(folder: Path, now: int) -> Recovered:
    """Read the journal in ``folder``, or begin one there. Raises JournalCorrupt, sqlite3.Error, OSError."""
    found = list(segments.list_segments(folder))
    if found and _beginning_of(found[-1][1]) is None:
        segments.delete_segment(found.pop()[1])
    if not found:
        return Recovered(_begin(folder, now), (), was_clean=True)
    files, beginning = _chain(found)
    state = _scan_newest(files, beginning)
    abandoned = [_pending_call(files, call) for call in sorted(state.pending)]
    return Recovered(state, abandoned, _take_mark(folder) == state.last)


def leave_mark(folder: Path, last: int) -> None:
    """Record that everything up to ``last`` was drained and nothing else was waiting."""
    mark = folder / CLOSED_MARK
    mark.touch(mode=0o600)
    mark.write_text(str(last))
    segments.sync_folder(folder)


def _begin(folder: Path, now: int) -> State:
    path = segments.segment_path(folder, 1)
    beginning = Beginning(first=1, head=0, created_at=now, committed_at=0, pending=())
    segments.create_segment(path, beginning).close()
    return State((SegmentFile(1, path, 1),), beginning, last=0, head=0, committed_at=0, pending=frozenset())


def _take_mark(folder: Path) -> int | None:
    mark = folder / CLOSED_MARK
    if not mark.exists():
        return None
    text = mark.read_text()
    mark.unlink()
    segments.sync_folder(folder)
    return int(text) if text.isdecimal() else None


def _beginning_of(path: Path) -> Beginning | None:
    try:
        with closing(segments.open_for_reading(path)) as connection:
            return segments.read_beginning(connection, path)
    except sqlite3.DatabaseError as error:
        if not segments.is_corruption(error):
            raise
        raise JournalCorrupt(f"{path} is not a journal segment: {error}; restore it or move it away") from error


def _chain(found: Sequence[tuple[int, Path]]) -> tuple[tuple[SegmentFile, ...], Beginning]:
    """Return the segments and the newest one's beginning; each must end where the next begins, unless between them
    some were deleted."""
    files: list[SegmentFile] = []
    beginning: Beginning | None = None
    for ordinal, path in found:
        beginning = _beginning_of(path)
        if beginning is None:
            raise JournalCorrupt(f"{path} holds no journal but later segments exist; restore it or move it away")
        if files and files[-1].ordinal == ordinal - 1:
            _check_complete(files[-1], beginning.first)
        files.append(SegmentFile(ordinal, path, beginning.first))
    assert beginning is not None
    return tuple(files), beginning


def _check_complete(segment: SegmentFile, following: int) -> None:
    with closing(segments.open_for_reading(segment.path)) as connection:
        last = segments.last_number(connection)
    if last != following - 1:
        raise JournalCorrupt(f"{segment.path} ends with row {last}, not {following - 1}; restore it or move it away")


def _scan_newest(files: tuple[SegmentFile, ...], beginning: Beginning) -> State:
    newest = files[-1]
    head, committed_at, pending = beginning.head, beginning.committed_at, set(beginning.pending)
    with closing(segments.open_for_reading(newest.path)) as connection:
        last = segments.last_number(connection) or newest.first - 1
        for row in segments.read_rows(connection, newest, newest.first - 1, last, with_calls=True):
            committed_at = row.at
            if row.entries:
                head = row.last
            if row.kind == OPENED:
                pending.add(row.last)
            elif row.kind == SETTLED:
                pending.discard(row.call)
    return State(files, beginning, last, head, committed_at, frozenset(pending))


def _pending_call(files: Sequence[SegmentFile], call: int) -> PendingCall:
    segment = next((segment for segment in reversed(files) if segment.first <= call), None)
    if segment is None:
        raise JournalCorrupt(f"the journal segment of the pending call {call} is gone; restore it")
    with closing(segments.open_for_reading(segment.path)) as connection:
        row = segments.read_call(connection, segment, call)
    return PendingCall(CallId(format_number(call)), row.body)
