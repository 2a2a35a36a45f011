"""The metadata stores over every technology, for the port suites."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.trail_store import InMemoryTrailStore

from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.trail_store import TrailStore

TECHNOLOGIES = ("memory",)


class TurnedClock:
    """A clock that stands still until it is turned by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass(frozen=True)
class MetadataStores:
    """The three stores over one database, and the clock they read."""

    identities: IdentityStore
    trails: TrailStore
    delivery_log: DeliveryLog
    clock: TurnedClock


@asynccontextmanager
async def metadata_stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    """Open empty stores of the technology that ``request.param`` names."""
    clock = TurnedClock()
    delivery_log = InMemoryDeliveryLog()
    yield MetadataStores(InMemoryIdentityStore(clock), InMemoryTrailStore(delivery_log), delivery_log, clock)
