"""An installation's stores, opened: what a command and the server both stand on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson
from prometheus_client import CollectorRegistry

from opentrail.adapters.event_archive.local import LocalEventArchives
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.adapters.log_store.local import LocalLogStore
from opentrail.adapters.metadata_store.alarms import SqlAlarms
from opentrail.adapters.metadata_store.api_destinations import SqlApiDestinations, SqlConnections
from opentrail.adapters.metadata_store.attestation_log import SqlAttestationLog
from opentrail.adapters.metadata_store.database import open_database
from opentrail.adapters.metadata_store.delivery_log import SqlDeliveryLog
from opentrail.adapters.metadata_store.event_data_stores import SqlEventDataStores
from opentrail.adapters.metadata_store.event_replays import SqlEventReplays
from opentrail.adapters.metadata_store.event_rules import SqlEventRules
from opentrail.adapters.metadata_store.identity_store import SqlIdentityStore
from opentrail.adapters.metadata_store.invocations import SqlInvocations
from opentrail.adapters.metadata_store.key_store import SqlKeyStore
from opentrail.adapters.metadata_store.lake_seals import SqlLakeSeals
from opentrail.adapters.metadata_store.log_groups import SqlLogGroups, SqlLogReaders
from opentrail.adapters.metadata_store.log_policies import SqlLogPolicies
from opentrail.adapters.metadata_store.notice_log import SqlNoticeLog
from opentrail.adapters.metadata_store.query_definitions import SqlQueryDefinitions
from opentrail.adapters.metadata_store.topics import SqlTopicStore
from opentrail.adapters.metadata_store.trail_guards import SqlTrailGuards
from opentrail.adapters.metadata_store.trail_store import SqlTrailStore
from opentrail.adapters.metric_store.local import LocalMetricStore
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.admin.administration import Administration, Answer, new_root_credential
from opentrail.admin.inquiries import Inquiries
from opentrail.admin.log_reading import LogReading
from opentrail.admin.saved_log_queries import SavedLogQueries
from opentrail.arn import Arn
from opentrail.clock import RandomIdentifiers, SystemClock
from opentrail.errors import OperatorError
from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.home import Home, write_private
from opentrail.identity import Credential
from opentrail.pipeline.history import HistoryFeeder
from opentrail.pipeline.journal_figures import JournalFigures
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_sealing import LakeSealing
from opentrail.pipeline.recording import record_unclean_stop
from opentrail.pipeline.regions import EnabledRegions
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry
from opentrail.ports.lake_keys import KeyRingStoreKeys
from opentrail.ports.signer import Signer
from opentrail.record.events import EventBuilder
from opentrail.record.names import global_region
from opentrail.record.service_events import organization_event, service_event
from opentrail.resource.trail import Trail
from opentrail.settings import Settings
from opentrail.wiring.gateway import event_builder
from opentrail.wiring.lake import open_lake_tables
from opentrail.wiring.signers import open_signer


@dataclass(frozen=True)
class Installation:
    """Everything that one home's settings open. All of it belongs to this process while it holds the home."""

    home: Home
    settings: Settings
    clock: SystemClock
    identifiers: RandomIdentifiers
    registry: CollectorRegistry
    installation_id: str
    figures: JournalFigures
    journal: LocalJournal
    history: LocalEventHistory
    identities: SqlIdentityStore
    trails: SqlTrailStore
    trail_guards: SqlTrailGuards
    event_data_stores: SqlEventDataStores
    event_rules: SqlEventRules
    topic_store: SqlTopicStore
    connections: SqlConnections
    api_destinations: SqlApiDestinations
    event_archives: LocalEventArchives
    event_replays: SqlEventReplays
    invocations: SqlInvocations
    lake_seals: SqlLakeSeals
    lake_sealing: LakeSealing
    lake_tables: LocalLakeTables
    delivery_log: SqlDeliveryLog
    attestations: SqlAttestationLog
    notices: SqlNoticeLog
    log_groups: SqlLogGroups
    log_readers: SqlLogReaders
    log_store: LocalLogStore
    query_definitions: SqlQueryDefinitions
    log_policies: SqlLogPolicies
    metrics: LocalMetricStore
    alarms: SqlAlarms
    archives: LocalArchives
    signer: Signer
    keys: SqlKeyStore
    key_ring: LocalKeyRing
    store_keys: KeyRingStoreKeys
    regions: EnabledRegions
    builder: EventBuilder
    feeder: HistoryFeeder
    settings_view: SettingsView
    owner: Credential

    def open_lake(self) -> LakeDelivery:
        """Return what feeds the tables of event data stores and reads them; one at a time."""
        return LakeDelivery(
            self.journal,
            self.event_data_stores,
            self.lake_tables,
            self.clock,
            organization=self.settings.organization(),
            on_open=self.lake_sealing.seal,
        )

    def report_gap(
        self, account_id: str, region: str, started_at: datetime, ended_at: datetime, count: int | None, reason: str
    ) -> Event:
        """Return the event that says that events went undelivered."""
        return self.builder.gap(
            account_id=account_id,
            region=region,
            started_at=started_at,
            ended_at=ended_at,
            count=count,
            reason=reason,
        )

    def report_accounts(self, before: Trail, after: Trail) -> Event:
        """Return the event that says that a trail delivers other accounts than before."""
        return organization_event(before, after, self.clock.now(), event_id=self.identifiers.uuid())

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return the operator's commands by name."""
        administration = Administration(
            account_id=self.settings.account_id,
            region=self.settings.region,
            identities=self.identities,
            archives=self.archives,
            trails=self.trails,
            key_ring=self.key_ring,
            signer=self.signer,
            record=self.record_change,
            clock=self.clock,
            identifiers=self.identifiers,
        )
        inquiries = Inquiries(
            account_id=self.settings.account_id,
            region=self.settings.region,
            journal=self.journal,
            history=self.history,
            trails=self.trails,
            event_data_stores=self.event_data_stores,
            lake_seals=self.lake_seals,
            delivery_log=self.delivery_log,
            signer=self.signer,
            attestations=self.attestations,
            witnesses=sorted(self.settings.witnesses),
            clock=self.clock,
        )
        reading = LogReading(
            self.settings.account_id, self.settings.region, self.log_groups, self.log_store, self.clock
        )
        saved = SavedLogQueries(self.settings.account_id, self.settings.region, self.query_definitions)
        return {**administration.commands(), **inquiries.commands(), **reading.commands(), **saved.commands()}

    async def record_change(self, event_source: str, event_name: str, details: dict[str, Any]) -> None:
        """Put on record what no API call did: the operator, or a rule of an archive."""
        event = service_event(
            event_source,
            event_name,
            details,
            self.settings.account_id,
            global_region(event_source.removesuffix(".amazonaws.com"), self.settings.region) or self.settings.region,
            self.clock.now(),
            event_id=self.identifiers.uuid(),
            resources=_resources(details),
        )
        await self.journal.append([EventEntry(encode_event(event))])


def _resources(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (type, ARN) of what an operator's change is about."""
    if "bucketName" in details:
        return [("AWS::S3::Bucket", f"arn:aws:s3:::{details['bucketName']}")]
    if "arn" in details:
        is_role = Arn.parse(details["arn"]).resource.startswith("role/")
        return [("AWS::IAM::Role" if is_role else "AWS::IAM::User", details["arn"])]
    return []


@asynccontextmanager
async def open_installation(home: Home, settings: Settings) -> AsyncIterator[Installation]:
    """Open everything in ``home``, whose lock the caller holds; what the journal decided is in force on entry.

    What a crash under fail-open may have lost is on record before anything else is, whatever the settings are now.
    Raises OperatorError: JournalCorrupt, an unusable metadata database.
    """
    clock, identifiers, registry = SystemClock(), RandomIdentifiers(), CollectorRegistry()
    sealer = home.sealer()
    async with AsyncExitStack() as stack:
        database = await open_database(settings.metadata_url or f"sqlite:///{home.metadata_file}")
        stack.push_async_callback(database.close)
        figures = JournalFigures(registry)
        history, journal = await _open_records(home, figures, stack)
        identities = SqlIdentityStore(database, sealer)
        trails = SqlTrailStore(database)
        settings_view = SettingsView(journal, trails)
        await _made(home, settings_view.catch_up())
        regions = EnabledRegions(
            journal, await trails.enabled_regions(), on_settings=lambda position, entry: settings_view.catch_up()
        )
        builder = event_builder(settings, identifiers, regions.names)
        await _record_lost_calls(home, settings, journal, builder, regions, clock)
        keys = SqlKeyStore(database, sealer, clock)
        key_ring = LocalKeyRing(keys)
        store_keys = KeyRingStoreKeys(key_ring)
        log_store, metrics = LocalLogStore(home.log_groups, key_ring), LocalMetricStore(home.metrics_file)
        event_archives = LocalEventArchives(home.event_archives)
        for store in (log_store, metrics, event_archives):
            stack.push_async_callback(store.close)
        signer = open_signer(settings, home.signing_keys, sealer)
        event_data_stores, lake_seals = SqlEventDataStores(database), SqlLakeSeals(database)
        yield Installation(
            home=home,
            settings=settings,
            clock=clock,
            identifiers=identifiers,
            registry=registry,
            figures=figures,
            installation_id=home.installation_id(identifiers),
            journal=journal,
            history=history,
            identities=identities,
            trails=trails,
            trail_guards=SqlTrailGuards(database),
            event_data_stores=event_data_stores,
            event_rules=SqlEventRules(database),
            topic_store=SqlTopicStore(database),
            connections=SqlConnections(database, sealer),
            api_destinations=SqlApiDestinations(database),
            event_archives=event_archives,
            event_replays=SqlEventReplays(database),
            invocations=SqlInvocations(database),
            lake_seals=lake_seals,
            lake_sealing=LakeSealing(event_data_stores, lake_seals, signer, clock),
            lake_tables=open_lake_tables(home, settings, identifiers, store_keys),
            delivery_log=SqlDeliveryLog(database),
            attestations=SqlAttestationLog(database),
            notices=SqlNoticeLog(database),
            log_groups=SqlLogGroups(database),
            log_readers=SqlLogReaders(database),
            log_store=log_store,
            query_definitions=SqlQueryDefinitions(database),
            log_policies=SqlLogPolicies(database),
            metrics=metrics,
            alarms=SqlAlarms(database),
            archives=LocalArchives(home.archives, clock=clock, keys=key_ring),
            signer=signer,
            keys=keys,
            key_ring=key_ring,
            store_keys=store_keys,
            regions=regions,
            builder=builder,
            feeder=HistoryFeeder(journal, history, clock, figures.recorded.recorded),
            settings_view=settings_view,
            owner=await _made(home, _owner_key(home, settings, identities, identifiers)),
        )


async def _open_records(
    home: Home, figures: JournalFigures, stack: AsyncExitStack
) -> tuple[LocalEventHistory, LocalJournal]:
    """Open Event history and the journal, which ``stack`` closes. Raises OperatorError."""
    try:
        history = await LocalEventHistory.open(home.history)
        stack.push_async_callback(history.close)
        journal = await LocalJournal.open(home.journal, observer=figures)
        stack.push_async_callback(journal.close)
    except Unavailable as error:
        raise OperatorError(f"the home {home.path} cannot be opened: {error}") from error
    figures.follow(journal)
    return history, journal


async def _record_lost_calls(
    home: Home,
    settings: Settings,
    journal: LocalJournal,
    builder: EventBuilder,
    regions: EnabledRegions,
    clock: SystemClock,
) -> None:
    """Put on record what a stop under fail-open that was none in order may have lost, if there was one."""
    if home.fail_open_file.exists() and not journal.was_clean_shutdown():
        # Kept beyond this start, which may fail, too: the next one will find the journal closed in order.
        home.note_lost_calls()
    has_lost_calls = home.lost_calls_file.exists()
    if not has_lost_calls and not home.fail_open_file.exists():
        return
    said = record_unclean_stop(
        journal,
        builder,
        regions,
        clock,
        account_id=settings.account_id,
        region=settings.region,
        has_lost_calls=has_lost_calls,
    )
    await _made(home, said)
    home.fail_open_file.unlink(missing_ok=True)
    home.lost_calls_file.unlink(missing_ok=True)


_Made = TypeVar("_Made")


async def _made(home: Home, step: Awaitable[_Made]) -> _Made:
    """Take one step of opening ``home``; a store that takes nothing ends it in an OperatorError that says what to do.

    What was to be put on record stays due, so that the next start says it.
    """
    try:
        return await step
    except Unavailable as error:
        raise OperatorError(
            f"the home {home.path} cannot be opened: {error}; is the disk full? Make room and start again, "
            "nothing is lost by waiting"
        ) from error


async def _owner_key(
    home: Home, settings: Settings, identities: SqlIdentityStore, identifiers: RandomIdentifiers
) -> Credential:
    """Return the owner's key, made once: stored sealed, and written once to a file that only the owner can read.

    Raises OperatorError when either does not open.
    """
    if home.owner_key_file.exists():
        try:
            kept = orjson.loads(home.owner_key_file.read_bytes())
            known = await identities.credential(str(kept["access_key_id"]))
        except (ValueError, KeyError, TypeError) as error:
            raise OperatorError(f"{home.owner_key_file} is damaged: restore it, or remove it for a new key") from error
        except Unavailable as error:
            raise OperatorError(f"the home {home.path} cannot be opened: {error}") from error
        if known is not None:
            return known
    credential = new_root_credential(settings.account_id, identifiers)
    await identities.add_credential(credential)
    kept = {"access_key_id": credential.access_key_id, "secret_access_key": credential.secret_access_key}
    write_private(home.owner_key_file, orjson.dumps(kept))
    return credential
