"""Event history in a list: what the port promises, said in the plainest way."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import orjson

from opentrail.event.encoding import encode_event
from opentrail.ports.event_history import HistoryEvent, InvalidPageToken, LookupKey, LookupPage, LookupQuery
from opentrail.ports.journal import START, Position


class InMemoryEventHistory:
    """Keeps every event in memory; ``failure``, when set, is raised by the next call of store or lookup."""

    def __init__(self) -> None:
        self.events: list[HistoryEvent] = []
        self.failure: Exception | None = None
        self.is_closed = False
        self._cursor = START

    async def cursor(self) -> Position:
        return self._cursor

    async def store(self, events: Iterable[HistoryEvent], through: Position) -> None:
        self._fail_if_told()
        known = {_identity(event) for event in self.events}
        for event in events:
            if _identity(event) not in known:
                known.add(_identity(event))
                self.events.append(event)
        self._cursor = through

    async def lookup(self, query: LookupQuery) -> LookupPage:
        self._fail_if_told()
        after = _read_token(query)
        found = sorted((event for event in self.events if _answers(event, query)), key=_order)
        rest = [event for event in found if after is None or _order(event) > after]
        page = rest[: query.max_results]
        next_token = _token(query, page[-1]) if len(rest) > len(page) and page else ""
        return LookupPage(tuple(encode_event(event.event) for event in page), next_token)

    async def expire(self, before: datetime) -> None:
        self.events = [event for event in self.events if _day_end(event) > before]

    async def close(self) -> None:
        self.is_closed = True

    def _fail_if_told(self) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure


def _identity(event: HistoryEvent) -> tuple[str, str, str, str]:
    return (event.account_id, event.region, event.event_time.astimezone(UTC).date().isoformat(), event.event_id)


def _order(event: HistoryEvent) -> tuple[int, str]:
    return (-int(event.event_time.timestamp()), event.event_id)


def _day_end(event: HistoryEvent) -> datetime:
    moment = event.event_time.astimezone(UTC)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _answers(event: HistoryEvent, query: LookupQuery) -> bool:
    moment = event.event_time.replace(microsecond=0)
    held = {*event.attributes, (LookupKey.EVENT_ID, event.event_id)}
    return (
        (event.account_id, event.region) == (query.account_id, query.region)
        and (query.start_time is None or moment >= query.start_time)
        and (query.end_time is None or moment <= query.end_time)
        and all(attribute in held for attribute in query.attributes)
    )


def _binding(query: LookupQuery) -> str:
    bound = [query.account_id, query.region, sorted(query.attributes), query.start_time, query.end_time]
    return hashlib.sha256(orjson.dumps(bound)).hexdigest()


def _token(query: LookupQuery, last: HistoryEvent) -> str:
    return orjson.dumps([_binding(query), *_order(last)]).hex()


def _read_token(query: LookupQuery) -> tuple[int, str] | None:
    if not query.page_token:
        return None
    try:
        binding, time, event_id = orjson.loads(bytes.fromhex(query.page_token))
    except ValueError as error:
        raise InvalidPageToken("the page token is garbage") from error
    if binding != _binding(query):
        raise InvalidPageToken("the page token belongs to another query")
    return time, event_id
