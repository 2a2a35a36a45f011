"""Log groups' subscription filters: what is put into a group is matched with them, and messages are stored to be sent.

A batch is stored in its group first, then its messages; the call that put it is answered, or the reader that delivers
it moves on, after both. A crash between them makes either repeat the batch, so that messages are sent at least once.
Sending is the invocations' delivery, every destination in its own time.
"""

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import TypeVar

import orjson
import structlog

from opentrail.arn import Arn
from opentrail.clock import Clock
from opentrail.deliver.subscription_data import DESTINATIONS, LOG_DATA, data_messages
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import FilterPattern, parse_filter_pattern
from opentrail.pipeline.rules import MAX_WAITING_PER_DESTINATION
from opentrail.pipeline.sealed_messages import SealedMessages, sealed
from opentrail.ports.invocations import Invocation, Invocations
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import LogEvent, LogKey, LogRange, LogStore, StoredEvent, StreamFigures
from opentrail.resource.log_group import SUBSCRIPTION_FILTER, LogFilter, LogGroup

MAX_KNOWN = 1_000
"""Groups, and streams, whose names are held."""

MAX_AGE = timedelta(hours=24)
"""How long a message is tried: CloudWatch Logs' own patience."""

_Value = TypeVar("_Value")

_log = structlog.get_logger(__name__)


class SubscribedLogStore:
    """Implements LogStore: another one, whose new events are matched with their groups' subscription filters. Messages
    of a group with a KMS key wait sealed under it.

    ``waiting`` counts stored messages by destination; ``on_stored`` hears of new ones, once they are durable.
    """

    def __init__(
        self,
        store: LogStore,
        groups: LogGroups,
        invocations: Invocations,
        clock: Clock,
        waiting: Counter[str],
        on_stored: Callable[[Sequence[str]], None],
        sealing: SealedMessages,
    ) -> None:
        self._store = store
        self._sealing = sealing
        self._groups = groups
        self._invocations = invocations
        self._clock = clock
        self._waiting = waiting
        self._on_stored = on_stored
        self._known_groups: OrderedDict[str, LogGroup] = OrderedDict()
        self._known_streams: OrderedDict[str, str] = OrderedDict()
        self.lost = 0

    async def append(
        self, group_id: str, events: Sequence[LogEvent], *, reader: str = "", key: LogKey | None = None
    ) -> None:
        await self._store.append(group_id, events, reader=reader, key=key)
        if not events:
            return
        filters = await self._groups.filters(group_id, SUBSCRIPTION_FILTER)
        group = await self._group(group_id) if filters else None
        if group is None:
            return
        made = [one for each in filters for one in await self._messages(group, each, events)]
        if made:
            if key is not None:
                data_key = await self._sealing.data_key(key)
                made = [sealed(one, data_key, key.group_arn) for one in made]
            new = await self._invocations.add(made)
            self._waiting.update(invocation.destination for invocation in new)
            self._on_stored([invocation.destination for invocation in new])

    def watch(self, on_stored: Callable[[str, Collection[date]], None]) -> None:
        self._store.watch(on_stored)

    async def arrived(self, group_id: str, day: date, after: int, since: int, limit: int) -> Sequence[StoredEvent]:
        return await self._store.arrived(group_id, day, after, since, limit)

    async def days(self, group_id: str) -> Sequence[date]:
        return await self._store.days(group_id)

    async def read(self, log_range: LogRange, limit: int, *, is_newest_first: bool = False) -> Sequence[StoredEvent]:
        return await self._store.read(log_range, limit, is_newest_first=is_newest_first)

    async def figures(self, group_id: str) -> Mapping[str, StreamFigures]:
        return await self._store.figures(group_id)

    async def remove_stream(self, group_id: str, stream_id: str) -> None:
        await self._store.remove_stream(group_id, stream_id)

    async def remove(self, group_id: str) -> None:
        await self._store.remove(group_id)

    async def expire(self, group_id: str, before: date) -> int:
        return await self._store.expire(group_id, before)

    async def group_ids(self) -> Sequence[str]:
        return await self._store.group_ids()

    async def _messages(self, group: LogGroup, log_filter: LogFilter, events: Sequence[LogEvent]) -> list[Invocation]:
        pattern = _pattern(log_filter.settings["filterPattern"])
        if pattern is None or Arn.parse(log_filter.settings["destinationArn"]).service not in DESTINATIONS:
            return []
        picked = await asyncio.to_thread(
            lambda: [event for event in events if pattern.match(event.message) is not None]
        )
        by_stream: dict[str, list[LogEvent]] = {}
        for event in picked:
            by_stream.setdefault(event.stream_id, []).append(event)
        made: list[Invocation] = []
        for stream_id, mine in by_stream.items():
            made += await self._of_stream(group, log_filter, stream_id, mine)
        return made

    async def _of_stream(
        self, group: LogGroup, log_filter: LogFilter, stream_id: str, events: Sequence[LogEvent]
    ) -> list[Invocation]:
        destination = log_filter.settings["destinationArn"]
        stream = await self._stream(group.group_id, stream_id)
        messages = await asyncio.to_thread(lambda: list(data_messages(group, stream, log_filter.name, events)))
        room = max(0, MAX_WAITING_PER_DESTINATION - self._waiting[destination])
        if len(messages) > room:
            _log.error("messages of a subscription filter are lost: too many wait", target=destination)
            self.lost += len(messages) - room
        source = f"{group.arn}:subscription-filter:{log_filter.name}"
        policy = {"MaximumEventAgeInSeconds": int(MAX_AGE.total_seconds())}
        key = stream if log_filter.settings.get("distribution") == "ByLogStream" else ""
        target = orjson.dumps({"Id": log_filter.name, "Arn": destination, "RetryPolicy": policy, LOG_DATA: key})
        now = self._clock.now()
        return [
            Invocation(_id_of(source, one.key), destination, source, log_filter.name, target, one.text, now)
            for one in messages[:room]
        ]

    async def _group(self, group_id: str) -> LogGroup | None:
        """Return a group as it was made: what is read of it never changes."""
        if group_id not in self._known_groups:
            found = next((one for one in await self._groups.all_groups() if one.group_id == group_id), None)
            if found is None:
                return None
            _keep(self._known_groups, group_id, found)
        return self._known_groups[group_id]

    async def _stream(self, group_id: str, stream_id: str) -> str:
        if stream_id not in self._known_streams:
            streams = await self._groups.streams(group_id)
            name = next((stream.name for stream in streams if stream.stream_id == stream_id), "")
            _keep(self._known_streams, stream_id, name)
        return self._known_streams[stream_id]


def _keep(known: OrderedDict[str, _Value], name: str, value: _Value) -> None:
    known[name] = value
    if len(known) > MAX_KNOWN:
        known.popitem(last=False)


@lru_cache(maxsize=256)
def _pattern(text: str) -> FilterPattern | None:
    try:
        return parse_filter_pattern(text)
    except InvalidPattern:
        _log.exception("a stored filter pattern cannot be read; its subscription filter sends nothing")
        return None


def _id_of(source: str, key: str) -> str:
    digits = hashlib.sha256(f"{source}\n{key}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"
