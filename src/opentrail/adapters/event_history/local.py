"""Event history on local disk, as ``pipeline`` and the API use it: asynchronous, over threads of its own.

One thread stores, one has segments sealed and joined (by a process beside this one, ``segment_making``), LOOKUP_THREADS
look up. Storing is one SQLite transaction, at a pace of its own (``storing_pace``); sealing never holds it up
longer than the transaction that takes sealed events out of the tail.
"""

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import structlog

from opentrail.adapters.event_history.counting import count_history, make_columns
from opentrail.adapters.event_history.layout import DAY_SECONDS
from opentrail.adapters.event_history.segment_format import MAX_SEGMENT_ROWS, SegmentDamaged
from opentrail.adapters.event_history.store import SEAL_EVENTS, HistoryStore
from opentrail.ports import Unavailable
from opentrail.ports.event_history import HistoryEvent, LookupPage, LookupQuery
from opentrail.ports.journal import Position
from opentrail.ports.replay import Counted, CountingJob, Progress

LOOKUP_THREADS = 2
PREPARED_AT_ONCE = 8
"""Segments whose columns one process makes, of up to 131,072 events each."""

_SEALING_PATIENCE_SECONDS = 5.0
"""How long a batch waits for sealing to make room before it is refused."""

_RETRY_SEALING_SECONDS = 5.0

log = structlog.get_logger(__name__)


class LocalEventHistory:
    """The EventHistory port over one folder, which one process owns.

    Memory: the tail, at most four times ``seal_events`` events or SEAL_BYTES of records (about 2 kB an event beside its
    record); about 100 kB for each segment; while there are segments to make, a process
    of 40 MB, and of 80 MB while it joins.
    """

    def __init__(self, store: HistoryStore) -> None:
        self._store = store
        self._storing = ThreadPoolExecutor(1, "history-store")
        self._maintaining = ThreadPoolExecutor(1, "history-seal")
        self._looking_up = ThreadPoolExecutor(LOOKUP_THREADS, "history-lookup")
        self._maintenance: Future[None] | None = None
        self._next_attempt = 0.0

    @classmethod
    async def open(
        cls, folder: Path, *, seal_events: int = SEAL_EVENTS, segment_rows: int = MAX_SEGMENT_ROWS
    ) -> "LocalEventHistory":
        """Open the history in ``folder``, made if absent; a crash's litter is cleared.

        Raises Unavailable, and HistoryDamaged for what trying again does not mend.
        """
        return cls(await asyncio.to_thread(HistoryStore, folder, seal_events, segment_rows))

    async def cursor(self) -> Position:
        """Return the journal position up to which events are stored durably."""
        return self._store.cursor

    async def store(self, events: Iterable[HistoryEvent], through: Position) -> None:
        """Store events and move the cursor in one transaction; on disk and visible on return. Raises Unavailable.

        ``events`` are taken in the thread that stores.
        """
        await self._make_room()
        await asyncio.get_running_loop().run_in_executor(self._storing, self._store.store, events, through)
        self._maintain_if_due()

    async def lookup(self, query: LookupQuery) -> LookupPage:
        """Return one page, newest first. Raises InvalidPageToken, Unavailable."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._looking_up, self._store.lookup, query)
        except SegmentDamaged as error:
            log.exception("history_segment_damaged")
            raise Unavailable(f"Event history: {error}") from error

    async def count(self, job: CountingJob, on_progress: Progress) -> Counted:
        """Count what rules pick; the work is done by processes beside this one. Raises CountingFailed, Unavailable."""
        days = range(job.start // DAY_SECONDS, -(-job.end // DAY_SECONDS))
        looking_up = asyncio.get_running_loop().run_in_executor(self._looking_up, self._store.open_snapshot, days)
        try:
            segments, tail = await looking_up
        except OSError as error:
            raise Unavailable(f"Event history cannot be read: {error}") from error
        return await count_history(segments, tail, job, on_progress, self._store.columns_folder)

    async def prepare_counting(self) -> int:
        """Make columns of some segments that have none, so that counting need not; return how many it looked at.

        Raises CountingFailed, Unavailable.
        """
        opening = asyncio.get_running_loop().run_in_executor(
            self._looking_up, self._store.open_without_columns, PREPARED_AT_ONCE
        )
        try:
            segments = await opening
        except OSError as error:
            raise Unavailable(f"Event history cannot be read: {error}") from error
        if segments:
            await make_columns(segments, self._store.columns_folder)
        return len(segments)

    async def open_segments(self, since: int, until: int) -> tuple[list[tuple[str, int]], set[str], list[bytes]]:
        """Return segments with events of these seconds as open descriptors by name, the names of all segments, and the
        tail's records. Raises Unavailable."""
        work = asyncio.get_running_loop().run_in_executor(self._looking_up, self._store.open_segments, since, until)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The descriptors come nonetheless.
            for _, descriptor in (await work)[0]:
                os.close(descriptor)
            raise
        except OSError as error:
            raise Unavailable(f"Event history cannot be read: {error}") from error

    async def expire(self, before: datetime) -> None:
        """Drop the days that end at or before ``before``: out of the list in one transaction, then unlinked."""
        await asyncio.get_running_loop().run_in_executor(self._maintaining, self._store.expire, before)

    async def settle(self) -> None:
        """Wait until no sealing or joining is under way or due."""
        self._maintain_if_due()
        while self._maintenance is not None and not self._maintenance.done():
            await asyncio.wrap_future(self._maintenance)
            self._maintain_if_due()

    async def close(self) -> None:
        """Let the step under way finish, then release threads and files."""
        self._store.stop()
        for pool in (self._storing, self._maintaining, self._looking_up):
            await asyncio.to_thread(pool.shutdown)
        self._store.close()

    def _maintain_if_due(self) -> None:
        is_running = self._maintenance is not None and not self._maintenance.done()
        now = asyncio.get_running_loop().time()
        if not is_running and now >= self._next_attempt and self._store.is_maintenance_due():
            self._next_attempt = now + _RETRY_SEALING_SECONDS
            self._maintenance = self._maintaining.submit(self._maintain)

    def _maintain(self) -> None:
        try:
            self._store.maintain()
        except (OSError, SegmentDamaged, Unavailable):
            log.exception("history_sealing_failed", tail_events=self._store.tail_events)
        else:
            self._next_attempt = 0.0

    async def _make_room(self) -> None:
        if self._store.has_room():
            return
        self._maintain_if_due()
        if self._maintenance is not None:
            await asyncio.wait([asyncio.wrap_future(self._maintenance)], timeout=_SEALING_PATIENCE_SECONDS)
        if not self._store.has_room():
            is_sealing = self._maintenance is not None and not self._maintenance.done()
            what = "has not sealed its tail yet" if is_sealing else "cannot seal its tail; is the disk full?"
            raise Unavailable(f"Event history {what}")
