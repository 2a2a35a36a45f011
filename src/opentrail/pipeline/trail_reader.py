"""One trail's reader: follows the journal under the settings in force at each entry and closes log files into plans."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson
import structlog

from opentrail.deliver.selection import TrailSelection
from opentrail.pipeline.delivery_context import CUT_LOOSE, MAX_OPEN_BYTES, DeliveryContext
from opentrail.pipeline.digest_delivery import DigestDelivery
from opentrail.pipeline.file_delivery import FileDelivery
from opentrail.pipeline.open_files import OpenFiles
from opentrail.ports.delivery_log import LogFilePlan, ReaderState
from opentrail.ports.journal import REGIONS_SCOPE, EventEntry, EventsEntry, Position, PositionLost, SettingsEntry
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.trail import Trail

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_ENTRIES_PER_STEP = 200
"""Entries matched before other tasks get their turn: 2 to 3 ms."""

_MAX_CHAIN_ENDS = 32
"""Stops and starts that one tick works through; the rest wait for the next."""

_log = structlog.get_logger(__name__)


class TrailReader:
    """Reads, closes, delivers and digests for one trail, in ticks that do not overlap.

    ``state`` is what the delivery log holds; the reader itself may be further (``_position``), with the events between
    in open files that a crash forgets and the next process reads again. ``last_mark`` is the last interval mark that
    was seen. After an exception a new reader must take over, as after a crash: what the log then holds is the truth.
    """

    def __init__(self, context: DeliveryContext, state: ReaderState) -> None:
        self._context = context
        self.state = state
        self.files = FileDelivery(context, state.trail_arn)
        self._digests = DigestDelivery(context, state.trail_arn, self.files)
        self._position = state.cursor
        self._regions = frozenset(state.regions)
        self._open = OpenFiles()
        self.last_mark: datetime | None = None
        self._is_chain_ending = False
        self._latest_settings: Trail | None = None
        self._trail: Trail | None = None
        self._selection: TrailSelection | None = None
        self._set_trail(Trail.from_json(state.trail) if state.trail is not None else None)

    def _set_trail(self, trail: Trail | None) -> None:
        self._trail = trail
        self._latest_settings = trail or self._latest_settings
        self._selection = TrailSelection(trail) if trail is not None and trail.is_logging else None

    async def load(self) -> None:
        """Take up what an earlier process left open; to be awaited before anything else."""
        await self.files.load()
        await self._digests.load()

    def hold(self) -> Position:
        """Return the position up to and including which this trail needs no entry again."""
        return min([self.state.cursor, *(plan.first_position for plan in self.files.plans)])

    async def tick(self, now: datetime) -> bool:
        """Do everything that is due at ``now``; return True once a deleted trail has nothing left to do.

        Raises what journal and delivery log raise.
        """
        is_mark = self._passes_mark(now)
        for _ in range(_MAX_CHAIN_ENDS):
            await self._follow(now)
            if is_mark and not self._is_chain_ending:
                await self._close_files(self.last_mark or now, now)
            await self._deliver(now)
            if not self._is_chain_ending:
                break
            if self._digests.has_open_chain and not self.is_failing:
                break
        return await self._is_finished()

    def undigested_since(self) -> datetime | None:
        """Return the moment up to which delivered digests cover every open chain, None when there is none."""
        return self._digests.undigested_since()

    @property
    def is_failing(self) -> bool:
        """Whether a destination or the signer did not do its part when it was last asked."""
        bucket = self._latest_settings.s3_bucket_name if self._latest_settings else ""
        return self.files.is_failing or self.files.backoff(bucket).is_failing or self._digests.is_failing

    def _passes_mark(self, now: datetime) -> bool:
        interval = self._context.log_file_interval
        mark = _EPOCH + (now - _EPOCH) // interval * interval
        is_new = self.last_mark is not None and mark > self.last_mark
        self.last_mark = mark
        return is_new

    async def _follow(self, now: datetime) -> None:
        """Read to the journal's head, or to settings that end a digest chain which still lacks its final digest."""
        head = self._context.journal.head()
        if head <= self._position:
            return
        try:
            async for page in self._context.journal.read(self._position, until=head):
                for number, (position, entry) in enumerate(page, 1):
                    if isinstance(entry, SettingsEntry):
                        if not await self._apply(position, entry, now):
                            return
                    elif self._selection is not None:
                        await self._take(position, entry, now)
                    self._position = position
                    if number % _ENTRIES_PER_STEP == 0:
                        await asyncio.sleep(0)
                await asyncio.sleep(0)
        except PositionLost as lost:
            await self._skip_lost(lost.resume_after, now)

    async def _take(self, position: Position, entry: EventEntry | EventsEntry, now: datetime) -> None:
        assert self._selection is not None
        choice = self._selection.choose(entry)
        if choice is None:
            return
        if self._open.size_bytes + len(choice.data) > MAX_OPEN_BYTES:
            await self._close_files(self._next_mark(now), now)
            await self._deliver_files(now)
        self._open.add(position, choice)

    def _next_mark(self, now: datetime) -> datetime:
        return (self.last_mark or now) + self._context.log_file_interval

    async def _apply(self, position: Position, entry: SettingsEntry, now: datetime) -> bool:
        """Put new settings in force; return False while the old ones still owe a final digest.

        A bucket that fails is not waited for: the way out may be the settings that follow. Its chain then goes on
        where the trail does, and ends with the files when the trail does not.
        """
        if entry.scope == REGIONS_SCOPE:
            self._regions |= frozenset(orjson.loads(entry.settings or b"[]"))
            return True
        if entry.scope != self.state.trail_arn:
            return True
        new = Trail.from_json(entry.settings) if entry.settings is not None else None
        await self._close_files(self._next_mark(now), now)
        if _ends_chains(self._trail, new) and self._digests.has_open_chain:
            self._is_chain_ending = True
            if not self.is_failing:
                return False
        was_logging = self._trail is not None and self._trail.is_logging
        self._is_chain_ending = False
        self._set_trail(new)
        if new is not None and _is_digesting(new):
            # Ahead of the new state, so that after a crash no file of it is delivered without a chain.
            started = new.logging_started_at
            await self._start_chains(self._regions, started if started and not was_logging else now)
        self._position = position
        await self._store_state(())
        return True

    async def _start_chains(self, regions: Iterable[str], since: datetime) -> None:
        if self._trail is not None and _is_digesting(self._trail):
            await self._digests.start(self._trail.places(regions), since)

    async def _close_files(self, stamp: datetime, now: datetime) -> None:
        """Plan the open files and move the durable cursor to where the reader is."""
        if not self._open:
            if self._position != self.state.cursor:
                await self._store_state(())
            return
        assert self._trail is not None
        after = self.state.cursor
        plans, files = await self._open.close(self._trail, after, stamp, self._context.installation_id)
        self._regions |= {plan.region for plan in plans}
        await self._start_chains(self._regions, now)  # ahead of the plans, for the same reason as in _apply
        await self._store_state(plans)
        self.files.add(plans, files)
        self._open = OpenFiles()

    async def _store_state(self, plans: Sequence[LogFilePlan]) -> None:
        snapshot = self._trail.to_json() if self._trail is not None else None
        state = ReaderState(self.state.trail_arn, self._position, snapshot, tuple(sorted(self._regions)))
        await self._context.delivery_log.plan(state, plans)
        self.state = state

    async def _deliver(self, now: datetime) -> None:
        await self._deliver_files(now)
        keep: Sequence[AccountRegion] = ()
        if self._trail is not None and _is_digesting(self._trail) and not self._is_chain_ending:
            keep = self._trail.places(self._regions)
            await self._digests.plan_due(keep, self._trail, now)
        await self._digests.close_chains(self._latest_settings, now, keep=frozenset(keep))
        await self._digests.deliver(self._latest_settings, now)

    async def _deliver_files(self, now: datetime) -> None:
        if not self._is_chain_ending:
            await self._start_chains(self._regions, now)  # before the files, so that the first digest has them
        await self.files.deliver(now, self._digests.not_before())

    async def _is_finished(self) -> bool:
        if self._trail is not None or self.files.plans or self._digests.has_open or self._digests.has_open_chain:
            return False
        if self._context.journal.head() > self._position:
            return False
        await self._context.delivery_log.finish(self.state.trail_arn)
        return True

    async def _skip_lost(self, resume_after: Position, now: datetime) -> None:
        """Go on past entries that were cut from the journal before this trail had them, and put the gap on record.

        The settings among them are lost to the reader too, so it takes up the API's view, which later entries change.
        """
        _log.error("trail cut loose from the journal", trail=self.state.trail_arn, resume_after=resume_after)
        await self._close_files(self._next_mark(now), now)
        if self._context.trails is not None:
            self._set_trail(await self._context.trails.trail(self.state.trail_arn))
        self._position = resume_after
        trail, report = self._latest_settings, self._context.report_gap
        if trail is not None and report is not None:
            since = self.last_mark or now
            event = report(trail.account_id, trail.home_region, min(since, now), now, None, CUT_LOOSE)
            await self._context.journal.append([EventEntry(orjson.dumps(event))])
        await self._store_state(())


def _ends_chains(old: Trail | None, new: Trail | None) -> bool:
    """Say whether settings end every chain of those before: digests stop, or lie under another organization."""
    if old is None or not _is_digesting(old):
        return False
    return new is None or not _is_digesting(new) or new.organization_id != old.organization_id


def _is_digesting(trail: Trail | None) -> bool:
    return trail is not None and trail.is_logging and trail.is_log_file_validation_enabled
