"""One event data store's reader: follows the journal under the settings in force and commits what they pick."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog

from opentrail.deliver.lake import LakeSelection
from opentrail.ports.event_data_stores import EventDataStores, LakeReaderState
from opentrail.ports.journal import EventEntry, EventsEntry, Journal, Position, PositionLost, SettingsEntry
from opentrail.ports.lake_keys import StoreKeyRefused
from opentrail.ports.lake_table import Appended, Batch, Commit, LakeSnapshot, LakeTable, LakeTables, TableNotFound
from opentrail.resource.event_data_store import EventDataStore

COMMIT_SECONDS = 10.0
"""The first event of a commit waits this long at most; queries see it at once all the same."""

MAX_FRESH_EVENTS = 10_000
MAX_FRESH_BYTES = 16 * 1024 * 1024
"""What a commit has at most: a query turns the events that no commit has yet into rows."""

MAX_LAG_ENTRIES = 50_000
"""After so many entries without an event for the store, the reader's place is stored: a restart reads no more again."""

MAX_FUTURE = timedelta(days=1)
"""An event time further ahead is set aside."""

BUSY_ENTRIES = 1_000
"""A reader that finds so many entries at once looks again soon: the journal still has the next ones in memory then."""

_ENTRIES_PER_STEP = 200

OnCommit = Callable[[str, Commit], None]
OnOpen = Callable[[EventDataStore, LakeTable], Awaitable[None]]

_log = structlog.get_logger(__name__)


class LakeReader:
    """Reads, commits and answers snapshots for one event data store, one at a time (``lock``).

    ``state`` is what the metadata store holds. The table itself knows how far it is, so that an event is in it once,
    wherever a process ended. After an exception a new reader must take over: what the stores then hold is the truth.
    """

    def __init__(
        self,
        journal: Journal,
        stores: EventDataStores,
        tables: LakeTables,
        state: LakeReaderState,
        on_commit: OnCommit | None = None,
        organization: Mapping[str, str] | None = None,
        on_open: OnOpen | None = None,
    ) -> None:
        self.lock = asyncio.Lock()
        self.state = state
        self._journal = journal
        self._stores = stores
        self._tables = tables
        self._on_commit = on_commit
        self._on_open = on_open
        self._organization = organization or {}
        self._position = state.cursor
        self._table: LakeTable | None = None
        self._fresh: list[bytes] = []
        self._fresh_bytes = 0
        self._fresh_since: datetime | None = None
        self._unstored = 0
        self._read = 0
        self._set_store(EventDataStore.from_json(state.settings) if state.settings is not None else None)

    def _set_store(self, store: EventDataStore | None) -> None:
        self.store = store
        self._selection = LakeSelection(store, self._organization) if store is not None else None

    @property
    def table(self) -> LakeTable | None:
        """The store's table, None before the first tick and once the store is gone."""
        return self._table

    @property
    def position(self) -> Position:
        """The position up to which the journal was read."""
        return self._position

    @property
    def is_busy(self) -> bool:
        """Whether the last look at the journal found BUSY_ENTRIES or more."""
        return self._read >= BUSY_ENTRIES

    @property
    def fresh_events(self) -> int:
        """How many events were picked that no commit has yet."""
        return len(self._fresh)

    @property
    def fresh_since(self) -> datetime | None:
        """When the first of them was picked, None without any."""
        return self._fresh_since

    def hold(self) -> Position:
        """Return the position up to and including which this store needs no entry again."""
        return self.state.cursor

    async def tick(self, now: datetime) -> bool:
        """Read to the journal's head and commit what is due; return True once the store and its table are gone.

        Raises what the ports raise. A store that is gone by now ends also where its KMS key cannot be used: nothing of
        it is to be kept any more.
        """
        async with self.lock:
            try:
                return await self._tick(now)
            except StoreKeyRefused:
                if await self._stores.event_data_store(self.state.arn) is not None:
                    raise
                return await self._end()

    async def _tick(self, now: datetime) -> bool:
        if self.store is None:
            return await self._end()
        await self._open()
        await self._follow(now)
        if self.store is None:
            return await self._end()
        if self._is_due(now):
            await self._commit(now)
        elif self._unstored >= MAX_LAG_ENTRIES and not self._fresh:
            await self._store_state()
        return False

    async def flush(self, now: datetime) -> None:
        """Commit everything that the journal has for the store. Raises what the ports raise."""
        async with self.lock:
            if self.store is None:
                return
            await self._open()
            await self._follow(now)
            await self._commit(now)

    async def snapshot(self, now: datetime) -> LakeSnapshot:
        """Return everything that the journal has for the store, committed or not. Raises what the ports raise."""
        async with self.lock:
            if self.store is not None:
                await self._open()
                await self._follow(now)
            if self.store is None or self._table is None:
                raise TableNotFound(self.state.arn)
            version = await self._table.version()
            rows, count = None, 0
            if self._fresh:
                rows, count = await self._table.rows(list(self._fresh), *self._times(now))
            return LakeSnapshot(
                self.store.arn,
                self.store.kind,
                version.version,
                self._position,
                version.files,
                rows if count else None,
                count,
                is_encrypted=bool(self.store.kms_key_id),
            )

    async def append(self, batch: Batch, now: datetime) -> Appended:
        """Append a batch to the store's table, beside the reader. Raises TableNotFound and what the ports raise."""
        table = await self.open()
        return await table.append(batch, *self._times(now))

    async def open(self) -> LakeTable:
        """Return the store's table. Raises TableNotFound, and what the ports raise."""
        if self._table is None:
            async with self.lock:
                if self.store is None:
                    raise TableNotFound(self.state.arn)
                await self._open()
        if self.store is None or self._table is None:
            raise TableNotFound(self.state.arn)
        return self._table

    async def _open(self) -> None:
        if self._table is None:
            assert self.store is not None
            table = await self._tables.open(self.store)
            if self._on_open is not None:
                await self._on_open(self.store, table)
            self._table = table

    async def _follow(self, now: datetime) -> None:
        head = self._journal.head()
        self._read = 0
        if head <= self._position:
            return
        try:
            async for page in self._journal.read(self._position, until=head):
                for number, (position, entry) in enumerate(page, 1):
                    weight = entry.weight if isinstance(entry, EventsEntry) else 1
                    self._unstored += weight
                    self._read += weight
                    if isinstance(entry, SettingsEntry):
                        if entry.scope == self.state.arn:
                            await self._apply(position, entry, now)
                            if self.store is None:
                                return
                    else:
                        await self._take(position, entry, now)
                    self._position = position
                    if number % _ENTRIES_PER_STEP == 0:
                        await asyncio.sleep(0)
                await asyncio.sleep(0)
        except PositionLost as lost:
            _log.exception("lake_reader_cut_loose", store=self.state.arn, resume_after=lost.resume_after)
            await self._commit(now)
            self._set_store(await self._stores.event_data_store(self.state.arn))
            self._position = lost.resume_after
            await self._store_state()

    async def _apply(self, position: Position, entry: SettingsEntry, now: datetime) -> None:
        """Put new settings in force, once everything that was picked under the old ones is committed."""
        await self._commit(now)
        key_before = self.store.kms_key_id if self.store is not None else ""
        self._set_store(EventDataStore.from_json(entry.settings) if entry.settings is not None else None)
        self._position = position
        await self._store_state()
        if self.store is not None and self.store.kms_key_id != key_before:
            self._table = None
            await self._open()

    async def _take(self, position: Position, entry: EventEntry | EventsEntry, now: datetime) -> None:
        assert self._table is not None
        if self._selection is None or position <= self._table.committed or not self._selection.takes(entry):
            return
        records = self._selection.records(entry)
        size = sum(map(len, records))
        if len(self._fresh) + len(records) > MAX_FRESH_EVENTS or self._fresh_bytes + size > MAX_FRESH_BYTES:
            await self._commit(now)
        self._fresh += records
        self._fresh_bytes += size
        self._fresh_since = self._fresh_since or now

    def _is_due(self, now: datetime) -> bool:
        if self._fresh_since is None:
            return False
        return abs(now - self._fresh_since) >= timedelta(seconds=COMMIT_SECONDS)

    async def _commit(self, now: datetime) -> None:
        """Commit the fresh events; the table is then where the reader is."""
        if not self._fresh:
            return
        assert self._table is not None
        commit = await self._table.commit(self._fresh, self._position, *self._times(now))
        self._fresh, self._fresh_bytes, self._fresh_since = [], 0, None
        await self._store_state()
        if commit is not None and commit.set_aside:
            _log.warning("events_set_aside", store=self.state.arn, events=commit.set_aside, commit=commit.number)
        if commit is not None and self._on_commit is not None:
            self._on_commit(self.state.arn, commit)

    def _times(self, now: datetime) -> tuple[datetime, datetime]:
        assert self.store is not None
        return self.store.keeps_since(now), now + MAX_FUTURE

    async def _store_state(self) -> None:
        snapshot = self.store.to_json() if self.store is not None else None
        state = LakeReaderState(self.state.arn, self._position, snapshot)
        await self._stores.move_reader(state)
        self.state = state
        self._unstored = 0

    async def _end(self) -> bool:
        await self._tables.remove(self.state.arn)
        await self._stores.finish_reader(self.state.arn)
        return True
