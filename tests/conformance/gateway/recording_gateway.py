"""A gateway with its recorder and a local journal in a folder, as the product joins them, without the rest of it."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from opentrail.adapters.journal.local import LocalJournal
from opentrail.capture.callers import CallerResolver
from opentrail.capture.gateway import Gateway
from opentrail.capture.ownership import Ownership
from opentrail.clock import RandomIdentifiers, SystemClock
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.recording import (
    FailClosedRecorder,
    FailOpenRecorder,
    record_unclean_stop,
    recover_abandoned_calls,
)
from opentrail.pipeline.regions import EnabledRegions
from opentrail.ports.journal import START, EventEntry, Journal
from opentrail.record.events import EventBuilder
from tests.memory.archives import InMemoryArchives
from tests.memory.identity_store import InMemoryIdentityStore

ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass
class RecordingGateway:
    """A running gateway; ``events`` after it stopped are all that its journal holds."""

    url: str
    kept: list[dict[str, Any]] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        return self.kept


async def all_events(journal: Journal) -> list[dict[str, Any]]:
    events = []
    async for page in journal.read(START, until=journal.head()):
        events += [orjson.loads(entry.event) for _, entry in page if isinstance(entry, EventEntry)]
    return events


async def no_own_api(request: HttpRequest) -> HttpResponse:
    return HttpResponse(501, (), b"")


@asynccontextmanager
async def recording_gateway(
    upstream_url: str, mode: str, *, learns: bool = False, folder: Path | None = None
) -> AsyncIterator[RecordingGateway]:
    """Open the journal, make good what an earlier process left, and serve; stop in the order that loses nothing."""
    with tempfile.TemporaryDirectory() as fallback:
        clock, identities = SystemClock(), InMemoryIdentityStore()
        journal = await LocalJournal.open(folder or Path(fallback), clock)
        regions = EnabledRegions(journal)
        builder = EventBuilder(
            default_account_id=ACCOUNT,
            default_region=REGION,
            regions=regions.names,
            identifiers=RandomIdentifiers(),
        )
        callers = CallerResolver(identities, clock, learns=learns)
        recorder: FailClosedRecorder | FailOpenRecorder
        if mode == "fail-closed":
            recorder = FailClosedRecorder(journal, builder, callers, regions, clock)
        else:
            recorder = FailOpenRecorder(
                journal, builder, callers, regions, clock, default_account_id=ACCOUNT, default_region=REGION
            )
            await record_unclean_stop(journal, builder, regions, clock, account_id=ACCOUNT, region=REGION)
        await recover_abandoned_calls(journal, builder, regions)
        gateway = Gateway(upstream_url, recorder, no_own_api, Ownership(InMemoryArchives(), identities))
        host, port = await gateway.start("127.0.0.1", 0)
        running = RecordingGateway(f"http://{host}:{port}")
        try:
            yield running
        finally:
            await gateway.stop()
            await recorder.stop()
            running.kept = await all_events(journal)
            await journal.close()
