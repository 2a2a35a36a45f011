"""One trail's reader for its log group: follows the journal under the settings in force and stores what they pick."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from opentrail.clock import Identifiers, format_time
from opentrail.deliver.log_groups import MAX_MESSAGE_BYTES, log_event, stream_name
from opentrail.deliver.selection import Choice, TrailSelection
from opentrail.event.encoding import encode_event
from opentrail.pipeline.delivery_context import CUT_LOOSE, GapReport
from opentrail.pipeline.log_destination import RoleVerdict, group_of_trail, judge_role
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.journal import EventEntry, EventsEntry, Journal, Position, PositionLost, SettingsEntry
from opentrail.ports.log_groups import LogGroupNotFound, LogGroups, LogNameTaken, LogReaders, LogReaderState
from opentrail.ports.log_store import LogKeyUnusable, LogStore, key_of
from opentrail.ports.trail_store import TrailStore
from opentrail.resource.log_group import LogGroup, LogStream
from opentrail.resource.trail import Trail

MAX_BATCH_EVENTS = 1_000
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""What one commit to a group has at most."""

SETTLE = timedelta(seconds=1)
"""How often a reader's cursor and its trail's status are stored; a restart reads no more than that again."""

ROLE_CHECK = timedelta(seconds=10)
"""How long a role's verdict holds."""

_ENTRIES_PER_STEP = 200

NO_GROUP = "The specified log group does not exist."
NO_ACCESS = "Access denied."

_log = structlog.get_logger(__name__)


class LogDeliveryFailed(Exception):
    """The log group did not take the events; the text is what GetTrailStatus tells."""


@dataclass(frozen=True)
class LogDeliveryContext:
    """The ports of the delivery to log groups."""

    journal: Journal
    readers: LogReaders
    groups: LogGroups
    store: LogStore
    trails: TrailStore
    identities: IdentityStore
    delivery_log: DeliveryLog
    identifiers: Identifiers
    report_gap: GapReport


class LogReader:
    """Reads and stores for one trail, in ticks that do not overlap.

    ``state`` is what the metadata store holds; the log store itself knows how far the trail's events in it are, so that
    each is there once wherever a process ended. After an exception a new reader must take over.
    """

    def __init__(self, context: LogDeliveryContext, state: LogReaderState, now: datetime) -> None:
        self._context = context
        self.state = state
        self._position = state.cursor
        self._batch: list[tuple[Position, Choice]] = []
        self._batch_bytes = 0
        self._delivered: dict[str, datetime] = {}
        self._settled_at = now
        self._judged: dict[tuple[str, str], datetime] = {}
        self._set_trail(Trail.from_json(state.trail))

    def _set_trail(self, trail: Trail | None) -> None:
        self._trail = trail
        is_delivering = trail is not None and trail.is_logging and bool(trail.cloud_watch_logs_log_group_arn)
        self._selection = TrailSelection(trail) if trail is not None and is_delivering else None

    async def tick(self, now: datetime) -> bool:
        """Store everything up to the journal's head; return True once the trail has no log group any more.

        Raises LogDeliveryFailed, and what the ports raise.
        """
        await self._follow(now)
        await self._deliver(now)
        if self._trail is None or not self._trail.cloud_watch_logs_log_group_arn:
            await self._settle(now)
            await self._context.readers.finish(self.state.trail_arn)
            return True
        if now - self._settled_at >= SETTLE or now < self._settled_at:
            await self._settle(now)
        return False

    async def settle(self, now: datetime) -> None:
        """Store how far the reader is."""
        await self._settle(now)

    async def _follow(self, now: datetime) -> None:
        head = self._context.journal.head()
        if head <= self._position:
            return
        try:
            async for page in self._context.journal.read(self._position, until=head):
                for number, (position, entry) in enumerate(page, 1):
                    if isinstance(entry, SettingsEntry):
                        if entry.scope == self.state.trail_arn:
                            await self._apply(position, entry, now)
                    else:
                        await self._take(position, entry, now)
                    self._position = position
                    if number % _ENTRIES_PER_STEP == 0:
                        await asyncio.sleep(0)
        except PositionLost as lost:
            await self._skip_lost(lost.resume_after, now)

    async def _apply(self, position: Position, entry: SettingsEntry, now: datetime) -> None:
        """Put new settings in force, once what was picked under the old ones is stored."""
        await self._deliver(now)
        self._position = position
        self._set_trail(Trail.from_json(entry.settings) if entry.settings is not None else None)
        if self._trail is not None:
            await self._settle(now)

    async def _take(self, position: Position, entry: EventEntry | EventsEntry, now: datetime) -> None:
        choice = self._selection.choose(entry) if self._selection is not None else None
        if choice is None or len(choice.data) > MAX_MESSAGE_BYTES:
            return
        if len(self._batch) >= MAX_BATCH_EVENTS or self._batch_bytes + len(choice.data) > MAX_BATCH_BYTES:
            await self._deliver(now)
        self._batch.append((position, choice))
        self._batch_bytes += len(choice.data)

    async def _deliver(self, now: datetime) -> None:
        """Store the batch in the group of the settings it was picked under, or in that of the newest settings when that
        group takes nothing any more: the way out of a group that is gone is to name another."""
        if not self._batch:
            return
        assert self._trail is not None
        try:
            await self._store(self._trail, now)
        except LogDeliveryFailed:
            newest = await self._context.trails.trail(self.state.trail_arn)
            if newest is not None and newest.cloud_watch_logs_log_group_arn:
                await self._store(newest, now)
        self._delivered |= {choice.place.region: now for _, choice in self._batch}
        self._batch, self._batch_bytes = [], 0

    async def _store(self, trail: Trail, now: datetime) -> None:
        group = await group_of_trail(self._context.groups, trail)
        if group is None:
            raise LogDeliveryFailed(NO_GROUP)
        streams = await self._streams(trail, group, now)
        since = group.keeps_since(now)
        events = [
            log_event(choice, position, streams[stream_name(trail, choice.place)], now)
            for position, choice in self._batch
        ]
        kept = [event for event in events if event.timestamp >= since]
        try:
            await self._context.store.append(group.group_id, kept, reader=trail.arn, key=key_of(group))
        except LogKeyUnusable as error:
            raise LogDeliveryFailed(str(error)) from error

    async def _streams(self, trail: Trail, group: LogGroup, now: datetime) -> Mapping[str, str]:
        """Return the ids of the streams that the batch goes to, by name, made where they are missing."""
        names = {stream_name(trail, choice.place) for _, choice in self._batch}
        for name in names:
            await self._check_role(trail, group, name, now)
        return {name: await self._stream(group, name, now) for name in names}

    async def _stream(self, group: LogGroup, name: str, now: datetime) -> str:
        found = await self._context.groups.stream(group.group_id, name)
        if found is not None:
            return found.stream_id
        stream = LogStream(self._context.identifiers.uuid(), name, now)
        try:
            await self._context.groups.create_stream(group.group_id, stream)
        except LogGroupNotFound:
            raise LogDeliveryFailed(NO_GROUP) from None
        except LogNameTaken:
            return await self._stream(group, name, now)
        return stream.stream_id

    async def _check_role(self, trail: Trail, group: LogGroup, stream: str, now: datetime) -> None:
        key = (trail.cloud_watch_logs_role_arn, f"{group.group_id}/{stream}")
        judged_at = self._judged.get(key)
        if judged_at is not None and abs(now - judged_at) < ROLE_CHECK:
            return
        verdict = await judge_role(self._context.identities, trail.cloud_watch_logs_role_arn, group, stream)
        if verdict is not RoleVerdict.ALLOWED:
            self._judged.pop(key, None)
            raise LogDeliveryFailed(NO_ACCESS)
        self._judged = {known: at for known, at in self._judged.items() if abs(now - at) < ROLE_CHECK} | {key: now}

    async def _settle(self, now: datetime) -> None:
        for region, delivered_at in self._delivered.items():
            members = {
                "LatestCloudWatchLogsDeliveryTime": format_time(delivered_at),
                "LatestCloudWatchLogsDeliveryError": "",
            }
            await self._context.delivery_log.set_status(self.state.trail_arn, region, members)
        self._delivered = {}
        self._settled_at = now
        if self._batch or self._position == self.state.cursor:
            return
        trail = self._trail.to_json() if self._trail is not None else self.state.trail
        state = LogReaderState(self.state.trail_arn, self._position, trail)
        await self._context.readers.move(state)
        self.state = state

    async def note_failure(self, error: str) -> None:
        """Have the trail's status tell in its home Region why nothing is delivered. Raises Unavailable."""
        trail = self._trail or Trail.from_json(self.state.trail)
        members = {"LatestCloudWatchLogsDeliveryError": error}
        await self._context.delivery_log.set_status(trail.arn, trail.home_region, members)

    async def _skip_lost(self, resume_after: Position, now: datetime) -> None:
        """Go on past entries that were cut from the journal, under the newest settings; the gap goes on record."""
        _log.error("log group delivery cut loose from the journal", trail=self.state.trail_arn)
        await self._deliver(now)
        trail = self._trail or Trail.from_json(self.state.trail)
        event = self._context.report_gap(trail.account_id, trail.home_region, self._settled_at, now, None, CUT_LOOSE)
        await self._context.journal.append([EventEntry(encode_event(event))])
        self._set_trail(await self._context.trails.trail(self.state.trail_arn))
        self._position = resume_after
        await self._settle(now)
