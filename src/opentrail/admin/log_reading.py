"""What ``opentrail logs`` asks: the events of log groups."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from opentrail.admin.administration import check_account
from opentrail.clock import Clock
from opentrail.errors import OperatorError
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import FilterPattern, parse_filter_pattern
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import AFTER_ALL, LogKeyUnusable, LogRange, LogStore, Place
from opentrail.query.log_events import FoundEvents, find_events
from opentrail.resource.log_group import LogGroup

Answer = dict[str, Any]

PAGE_EVENTS = 1_000
MAX_ANSWER_BYTES = 512 * 1024
"""Messages of one answer as JSON: half of what a line of the control socket may have."""

MAX_MESSAGE_CHARACTERS = 64 * 1024
"""What is shown of a message that is more than an answer may have."""

MAX_NAMED_GROUPS = 20
"""Groups that are named to who asks for one that is not there."""


class LogReading:
    """The operator's questions about log groups; nothing here changes anything."""

    def __init__(self, account_id: str, region: str, groups: LogGroups, store: LogStore, clock: Clock) -> None:
        self._account_id = account_id
        self._region = region
        self._groups = groups
        self._store = store
        self._clock = clock

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {"filter_log_events": self.filter_log_events}

    async def filter_log_events(
        self,
        group: str,
        pattern: str = "",
        start: int = 0,
        end: int = 0,
        stream_prefix: str = "",
        region: str = "",
        account: str = "",
        after: tuple[int, int] | None = None,
        limit: int = PAGE_EVENTS,
        is_newest_first: bool = False,
    ) -> Answer:
        """Return one page of a group's events by time: those from ``start`` up to ``end`` (ms, 0 for no bound) that a
        filter pattern picks, behind the place ``after`` that the page before named as ``next``.

        Without Region and account they are the installation's own. Raises OperatorError.
        """
        if account:
            check_account(account)
        read = _read_pattern(pattern)
        found = await self._group(account or self._account_id, region or self._region, group)
        streams = {
            stream.stream_id: stream.name
            for stream in await self._groups.streams(found.group_id)
            if stream.name.startswith(stream_prefix)
        }
        chosen = LogRange(
            found.group_id,
            start=max(start, found.keeps_since(self._clock.now())),
            end=end or AFTER_ALL.timestamp,
            streams=streams.keys(),
            **({"before" if is_newest_first else "after": Place(*after)} if after is not None else {}),
        )
        most = min(limit, PAGE_EVENTS)
        try:
            page = await find_events(self._store, chosen, read, most, is_newest_first=is_newest_first)
        except LogKeyUnusable as error:
            raise OperatorError(f"events are kept under a KMS key that cannot be used now: {error}") from error
        return _answer(page, streams)

    async def _group(self, account_id: str, region: str, name: str) -> LogGroup:
        group = await self._groups.group(account_id, region, name)
        if group is not None:
            return group
        others = await self._groups.groups(account_id, region, limit=MAX_NAMED_GROUPS)
        named = ", ".join(other.name for other in others) or "none"
        raise OperatorError(f"there is no log group {name} of {account_id} in {region}; log groups there: {named}")


def _read_pattern(text: str) -> FilterPattern:
    try:
        return parse_filter_pattern(text)
    except InvalidPattern as error:
        raise OperatorError(f"the filter pattern cannot be read: {error}") from error


def _answer(page: FoundEvents, streams: Mapping[str, str]) -> Answer:
    """Return a page of events, fewer when all of them are more than an answer may have."""
    events: list[dict[str, Any]] = []
    size_bytes, goes_on_at = 0, page.goes_on_at
    for event in page.events:
        message = event.message
        if len(orjson.dumps(message)) > MAX_ANSWER_BYTES:
            message = f"{message[:MAX_MESSAGE_CHARACTERS]} ... (cut: the API gives it whole)"
        size_bytes += len(orjson.dumps(message))
        if events and size_bytes > MAX_ANSWER_BYTES:
            goes_on_at = Place(*events[-1]["id"])
            break
        place = [event.place.timestamp, event.place.sequence]
        events.append({"id": place, "timestamp": place[0], "stream": streams[event.stream_id], "message": message})
    return {"events": events, "next": [goes_on_at.timestamp, goes_on_at.sequence] if goes_on_at else None}
