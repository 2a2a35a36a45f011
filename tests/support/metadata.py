"""The metadata stores over every technology, for the port suites."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opentrail.adapters.metadata_store import (
    Database,
    SqlAlarms,
    SqlApiDestinations,
    SqlAttestationLog,
    SqlConnections,
    SqlDeliveryLog,
    SqlEventDataStores,
    SqlEventReplays,
    SqlEventRules,
    SqlIdentityStore,
    SqlInvocations,
    SqlKeyStore,
    SqlLakeSeals,
    SqlLogGroups,
    SqlLogPolicies,
    SqlLogReaders,
    SqlNoticeLog,
    SqlQueryDefinitions,
    SqlTopicStore,
    SqlTrailGuards,
    SqlTrailStore,
    open_database,
)
from opentrail.ports import Unavailable
from opentrail.ports.alarms import Alarms
from opentrail.ports.api_destinations import ApiDestinations, Connections
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.event_archives import EventReplays
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.event_rules import EventRules
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.invocations import Invocations
from opentrail.ports.key_store import KeyStore
from opentrail.ports.lake_seals import LakeSeals
from opentrail.ports.log_groups import LogGroups, LogReaders
from opentrail.ports.log_policies import LogPolicies
from opentrail.ports.notices import NoticeLog
from opentrail.ports.query_definitions import QueryDefinitions
from opentrail.ports.topic_store import TopicStore
from opentrail.ports.trail_guards import TrailGuards
from opentrail.ports.trail_store import TrailStore
from opentrail.ports.witness import AttestationLog
from opentrail.sealing import MASTER_KEY_BYTES, Sealer
from tests.memory.alarms import InMemoryAlarms
from tests.memory.api_destinations import InMemoryApiDestinations, InMemoryConnections
from tests.memory.attestation_log import InMemoryAttestationLog
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.event_archives import InMemoryEventReplays
from tests.memory.event_data_stores import InMemoryEventDataStores
from tests.memory.event_rules import InMemoryEventRules
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.invocations import InMemoryInvocations
from tests.memory.key_store import InMemoryKeyStore
from tests.memory.log_groups import InMemoryLogGroups
from tests.memory.log_policies import InMemoryLogPolicies
from tests.memory.notice_log import InMemoryNoticeLog
from tests.memory.query_definitions import InMemoryQueryDefinitions
from tests.memory.topic_store import InMemoryTopicStore
from tests.memory.trail_guards import InMemoryTrailGuards
from tests.memory.trail_store import InMemoryTrailStore

DATABASES = ("sqlite", "postgresql")
TECHNOLOGIES = ("memory", *DATABASES)

SEALER = Sealer(bytes(range(MASTER_KEY_BYTES)))


class TurnedClock:
    """A clock that stands still until it is turned by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass(frozen=True)
class MetadataStores:
    """The stores over one database, and the clock they read."""

    identities: IdentityStore
    trails: TrailStore
    event_data_stores: EventDataStores
    lake_seals: LakeSeals
    delivery_log: DeliveryLog
    attestations: AttestationLog
    keys: KeyStore
    notices: NoticeLog
    log_groups: LogGroups
    log_readers: LogReaders
    event_rules: EventRules
    invocations: Invocations
    alarms: Alarms
    topic_store: TopicStore
    trail_guards: TrailGuards
    query_definitions: QueryDefinitions
    log_policies: LogPolicies
    connections: Connections
    api_destinations: ApiDestinations
    event_replays: EventReplays
    clock: TurnedClock


@asynccontextmanager
async def metadata_stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    """Open empty stores of the technology that ``request.param`` names."""
    clock = TurnedClock()
    if request.param == "memory":
        delivery_log, event_data_stores = InMemoryDeliveryLog(), InMemoryEventDataStores()
        event_rules, topic_store = InMemoryEventRules(), InMemoryTopicStore()
        trails = InMemoryTrailStore(delivery_log, event_data_stores, event_rules, topic_store)
        invocations = InMemoryInvocations()
        yield MetadataStores(
            InMemoryIdentityStore(clock),
            trails,
            event_data_stores,
            event_data_stores.seals,
            delivery_log,
            InMemoryAttestationLog(delivery_log),
            InMemoryKeyStore(clock),
            InMemoryNoticeLog(delivery_log),
            InMemoryLogGroups(),
            trails.log_readers,
            event_rules,
            invocations,
            InMemoryAlarms(invocations),
            topic_store,
            InMemoryTrailGuards(),
            InMemoryQueryDefinitions(),
            InMemoryLogPolicies(),
            InMemoryConnections(),
            InMemoryApiDestinations(),
            InMemoryEventReplays(),
            clock,
        )
        return
    with database_url(request, request.param) as url:
        async with sql_stores(url, clock) as stores:
            yield stores


@asynccontextmanager
async def sql_stores(url: str, clock: TurnedClock) -> AsyncIterator[MetadataStores]:
    """Open the stores over the database at ``url``."""
    database = await open_database(url)
    try:
        identities = SqlIdentityStore(database, SEALER, clock=clock, monotonic=clock.monotonic)
        yield MetadataStores(
            identities,
            SqlTrailStore(database),
            SqlEventDataStores(database),
            SqlLakeSeals(database),
            SqlDeliveryLog(database),
            SqlAttestationLog(database),
            SqlKeyStore(database, SEALER, clock),
            SqlNoticeLog(database),
            SqlLogGroups(database),
            SqlLogReaders(database),
            SqlEventRules(database),
            SqlInvocations(database),
            SqlAlarms(database),
            SqlTopicStore(database),
            SqlTrailGuards(database),
            SqlQueryDefinitions(database),
            SqlLogPolicies(database),
            SqlConnections(database, SEALER),
            SqlApiDestinations(database),
            SqlEventReplays(database),
            clock,
        )
    finally:
        await database.close()


@contextmanager
def database_url(request: pytest.FixtureRequest, technology: str) -> Iterator[str]:
    """Give the URL of a database that does not exist yet (SQLite) or is empty (PostgreSQL)."""
    if technology == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        yield f"sqlite:///{folder / 'metadata.sqlite'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"test_{uuid.uuid4().hex}"
    try:
        yield server.new_database(name)
    finally:
        server.drop_database(name)


class Reads:
    """Counts the reads of a database."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.is_failing = False
        real = database.read

        async def read(work):  # type: ignore[no-untyped-def]
            self.count += 1
            if self.is_failing:
                raise Unavailable("no answer")
            return await real(work)

        monkeypatch.setattr(database, "read", read)
