"""What the recorders' tests share: a hand-turned clock, a journal that can be slow, calls and answers."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from opentrail.capture.callers import CallerResolver
from opentrail.clock import RandomIdentifiers
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.regions import EnabledRegions
from opentrail.ports.journal import CallId, EventEntry, Journal, JournalEntry, Position, SettingsEntry
from opentrail.protocol import CredentialScope, Operation
from opentrail.record.events import EventBuilder
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.journal import InMemoryJournal

ACCOUNT = "123456789012"
REGION = "us-east-1"
GET_OBJECT = Operation("s3", "GetObject")
DELETE_BUCKET = Operation("s3", "DeleteBucket")
OK = HttpResponse(200, (), b"")


class HandClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class SlowJournal(InMemoryJournal):
    """A journal whose writes wait for ``is_open``; what waits is stored once it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        await self.is_open.wait()
        return await super().append(entries)

    async def open_call(self, event: bytes) -> CallId:
        await self.is_open.wait()
        return await super().open_call(event)

    async def close_call(self, call: CallId, entries: Sequence[JournalEntry]) -> Position:
        await self.is_open.wait()
        return await super().close_call(call, entries)


def a_scope(region: str = REGION) -> CredentialScope:
    return CredentialScope("AKIAUPSTREAM00000001", region, "s3", "AWS4-HMAC-SHA256", None, False)


def a_request(name: str = "bucket") -> HttpRequest:
    return HttpRequest("DELETE", f"/{name}", (("Host", "gateway.test"),), b"", "192.0.2.1")


def a_builder() -> EventBuilder:
    return EventBuilder(
        default_account_id=ACCOUNT, default_region=REGION, regions=lambda: (), identifiers=RandomIdentifiers()
    )


def a_resolver(clock: HandClock, *, learns: bool = False) -> CallerResolver:
    return CallerResolver(InMemoryIdentityStore(clock), clock, learns=learns)


def some_regions(journal: Journal) -> EnabledRegions:
    return EnabledRegions(journal, [REGION])


def events_of(journal: InMemoryJournal) -> list[dict[str, Any]]:
    return [orjson.loads(entry.event) for entry in journal.entries() if isinstance(entry, EventEntry)]


def settings_of(journal: InMemoryJournal) -> list[list[str]]:
    return [
        orjson.loads(entry.settings)
        for entry in journal.entries()
        if isinstance(entry, SettingsEntry) and entry.settings
    ]


def own_members(event: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = (event.get("additionalEventData") or {}).get("opentrail", {})
    return members
