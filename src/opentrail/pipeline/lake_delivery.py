"""Lake delivery: one reader for every event data store, each on its own so that none holds up another."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from opentrail.clock import Clock
from opentrail.pipeline.delivery_context import Backoff
from opentrail.pipeline.lake_figures import LakeCounts, LakeStoreState
from opentrail.pipeline.lake_reader import LakeReader, OnCommit, OnOpen
from opentrail.pipeline.reader_tasks import run_readers
from opentrail.ports import Unavailable
from opentrail.ports.event_data_stores import EventDataStores, LakeReaderState
from opentrail.ports.journal import START, Journal, Position
from opentrail.ports.lake_keys import StoreKeyRefused
from opentrail.ports.lake_table import (
    Appended,
    Batch,
    Commit,
    LakeSnapshot,
    LakeTable,
    LakeTables,
    TableDamaged,
    TableNotFound,
)
from opentrail.resource.organization import Organization
from opentrail.waiting import is_set_within

TICK_SECONDS = 1.0
"""Readers look for work this often."""

BUSY_TICK_SECONDS = 0.1
"""Readers that just found much look again after so long."""

UPKEEP_SECONDS = 60.0
"""Small files to join are looked for this often."""

_log = structlog.get_logger(__name__)


class LakeDelivery:
    """Feeds every event data store's table from the journal, and implements Lake and LakeAppender.

    Either ``run`` or ``tick``, not both; all else beside either.
    """

    def __init__(
        self,
        journal: Journal,
        stores: EventDataStores,
        tables: LakeTables,
        clock: Clock,
        on_commit: OnCommit | None = None,
        organization: Organization | None = None,
        on_open: OnOpen | None = None,
    ) -> None:
        self._journal = journal
        self._stores = stores
        self._tables = tables
        self._clock = clock
        self._on_commit = on_commit
        self._on_open = on_open
        self._organization = organization.ids_by_account() if organization is not None else {}
        self._counts: defaultdict[str, LakeCounts] = defaultdict(LakeCounts)
        self._states: dict[str, LakeReaderState] | None = None
        self._readers: dict[str, LakeReader] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._refused: set[str] = set()
        self._seen_head = START
        self._settled_head = START

    def holds(self) -> Position:
        """Return the position up to and including which the journal may be trimmed.

        As of the stores that were listed last: one that was made since is safe, because only what was there one
        listing earlier counts as passed.
        """
        if self._states is None:
            return START
        cursors = {arn: state.cursor for arn, state in self._states.items()}
        cursors |= {arn: reader.hold() for arn, reader in self._readers.items() if arn in cursors}
        return min([self._settled_head, *cursors.values()])

    def states(self) -> list[LakeStoreState]:
        """Return how every store's reader is, in the order of their ARNs, as of the stores that were listed last."""
        return [self._state(state) for _, state in sorted((self._states or {}).items())]

    def _state(self, state: LakeReaderState) -> LakeStoreState:
        arn, reader = state.arn, self._readers.get(state.arn)
        is_failing = arn in self._backoffs and self._backoffs[arn].is_failing
        if reader is None:
            return LakeStoreState(arn, state.cursor, 0, None, is_failing, self._counts[arn], arn in self._refused)
        fresh, since = reader.fresh_events, reader.fresh_since
        counts, is_refused = self._counts[arn], arn in self._refused
        return LakeStoreState(arn, reader.position, fresh, since, is_failing, counts, is_refused)

    def _committed(self, arn: str, commit: Commit) -> None:
        self._counts[arn].committed(commit)
        if self._on_commit is not None:
            self._on_commit(arn, commit)

    async def snapshot(self, arn: str) -> LakeSnapshot:
        reader = await self._reader(arn)
        if reader is None:
            raise TableNotFound(arn)
        try:
            return await reader.snapshot(self._clock.now())
        except TableNotFound:
            raise
        except Exception:
            self._forget(arn, reader)
            raise

    def table(self, arn: str) -> LakeTable | None:
        """Return a store's table to ask it where it stands, None where its reader has not opened it."""
        reader = self._readers.get(arn)
        return reader.table if reader is not None else None

    async def append(self, arn: str, batch: Batch) -> Appended:
        async with self._opened(arn) as reader:
            appended = await reader.append(batch, self._clock.now())
        self._counts[arn].appended(appended)
        return appended

    async def has_batch(self, arn: str, batch_id: str) -> bool:
        async with self._opened(arn) as reader:
            return await (await reader.open()).has_batch(batch_id)

    @asynccontextmanager
    async def _opened(self, arn: str) -> AsyncIterator[LakeReader]:
        """Give a store's reader; after an exception of its ports it is made anew. Raises TableNotFound."""
        reader = await self._reader(arn)
        if reader is None:
            raise TableNotFound(arn)
        try:
            yield reader
        except (Unavailable, TableDamaged):
            self._forget(arn, reader)
            raise

    @asynccontextmanager
    async def writing(self, arn: str) -> AsyncIterator[LakeTable | None]:
        """Give a store's table, None where its reader has not opened it; after an exception it is opened anew."""
        reader = self._readers.get(arn)
        try:
            yield reader.table if reader is not None else None
        except BaseException:
            self._forget(arn, reader)
            raise

    async def tick(self, now: datetime) -> None:
        """Do everything that is due for every store at ``now``, one after the other.

        A store whose ports fail is taken up again after its back-off. Raises Unavailable when the readers cannot be
        listed.
        """
        for arn in await self._list_readers():
            await self._tick_one(arn, now)

    async def flush(self) -> None:
        """Commit everything that the journal has for every store. Raises what the ports raise."""
        for arn in await self._list_readers():
            reader = await self._reader(arn)
            if reader is not None:
                await reader.flush(self._clock.now())

    async def run(self, stop: asyncio.Event) -> None:
        """Feed the tables until ``stop`` is set, each in a task of its own.

        What is not committed by then is read again by the next process.
        """
        await run_readers(
            stop, self._list_readers, lambda arn: self._serve(arn, stop), lambda: is_set_within(stop, TICK_SECONDS)
        )

    async def _serve(self, arn: str, stop: asyncio.Event) -> None:
        next_upkeep = self._clock.now()
        while not stop.is_set() and self._states is not None and arn in self._states:
            now = self._clock.now()
            await self._tick_one(arn, now)
            if abs((now - next_upkeep).total_seconds()) >= UPKEEP_SECONDS:
                next_upkeep = now
                await self._keep_up(arn)
            reader = self._readers.get(arn)
            await is_set_within(stop, BUSY_TICK_SECONDS if reader is not None and reader.is_busy else TICK_SECONDS)

    async def _keep_up(self, arn: str) -> None:
        try:
            async with self.writing(arn) as table:
                if table is not None:
                    await table.compact()
        except Exception as error:  # the edge of a worker: the table is opened again
            _log.warning("lake_compaction_failed", store=arn, error=str(error))

    async def _list_readers(self) -> list[str]:
        head = self._journal.head()
        states = {state.arn: state for state in await self._stores.lake_readers()}
        for gone in self._readers.keys() - states.keys():
            del self._readers[gone]
            self._counts.pop(gone, None)
        self._states = states
        self._settled_head, self._seen_head = self._seen_head, head
        return list(states)

    async def _tick_one(self, arn: str, now: datetime) -> None:
        backoff = self._backoffs.setdefault(arn, Backoff())
        if backoff.must_wait(now):
            return
        reader = None
        try:
            reader = await self._reader(arn)
            is_finished = reader is None or await reader.tick(now)
        except Exception as error:  # the edge of a worker: whatever it was, the store starts again from its table
            backoff.fail(now)
            self._forget(arn, reader)
            (self._refused.add if isinstance(error, StoreKeyRefused) else self._refused.discard)(arn)
            if isinstance(error, Unavailable):
                _log.warning("lake_delivery_interrupted", store=arn, error=str(error))
            else:
                _log.exception("lake_delivery_failed", store=arn)
            return
        backoff.succeed()
        self._refused.discard(arn)
        if is_finished:
            self._forget(arn, reader)
            self._backoffs.pop(arn, None)
            self._states = {other: state for other, state in (self._states or {}).items() if other != arn}

    async def _reader(self, arn: str) -> LakeReader | None:
        """Return the store's reader, a new one from the metadata store's state where none runs; None for no store."""
        if arn not in self._readers:
            state = next((state for state in await self._stores.lake_readers() if state.arn == arn), None)
            if state is None:
                return None
            reader = LakeReader(
                self._journal, self._stores, self._tables, state, self._committed, self._organization, self._on_open
            )
            self._readers.setdefault(arn, reader)
        return self._readers[arn]

    def _forget(self, arn: str, reader: LakeReader | None) -> None:
        if self._readers.get(arn) is reader:
            del self._readers[arn]
