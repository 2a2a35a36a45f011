"""``opentrail serve``: listeners and workers joined, started in order, drained in the reverse order."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import structlog
import uvloop

from opentrail import __version__
from opentrail.adapters.delegation.local import LocalDelegation
from opentrail.adapters.stand_in.moto import MotoStandIn
from opentrail.admin.administration import Answer
from opentrail.admin.control import Commands, ControlServer
from opentrail.admin.replaying import ReplayCommands
from opentrail.aws.server import ApiServer, asgi_app
from opentrail.aws.service import ApiPorts
from opentrail.aws.sns.pages import TopicPages
from opentrail.clock import format_time
from opentrail.home import Home, write_private
from opentrail.pipeline.archive_upkeep import ArchiveUpkeep
from opentrail.pipeline.attestation import Attestation
from opentrail.pipeline.channel_statuses import ChannelStatuses
from opentrail.pipeline.imports import Imports
from opentrail.pipeline.key_upkeep import KeyUpkeep
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_upkeep import LakeUpkeep
from opentrail.pipeline.log_delivery import LogDelivery
from opentrail.pipeline.log_reader import LogDeliveryContext
from opentrail.pipeline.log_upkeep import LogUpkeep
from opentrail.pipeline.notice_delivery import NoticeDelivery
from opentrail.pipeline.organization_stores import settle_organization_stores
from opentrail.pipeline.organization_trails import settle_organization
from opentrail.pipeline.recording import recover_abandoned_calls
from opentrail.pipeline.trail_delivery import TrailDelivery
from opentrail.pipeline.trimming import JournalTrimmer
from opentrail.ports.key_names import KeyNames
from opentrail.ports.log_store import LogStore
from opentrail.ports.notices import Topics
from opentrail.ports.object_store import ObjectStores
from opentrail.protocol.models import preload
from opentrail.query.lake_queries import LakeQueries
from opentrail.query.log_queries import LogQueries
from opentrail.query.replay.preparing import keep_prepared
from opentrail.query.replay.replays import Replays
from opentrail.settings import RecordingMode, Settings, SettingsReport
from opentrail.wiring import api_listener
from opentrail.wiring.api_listener import ApiListener
from opentrail.wiring.buckets import open_buckets
from opentrail.wiring.descriptors import claim_descriptors, share_of
from opentrail.wiring.doctoring import examining_commands
from opentrail.wiring.figures import watch
from opentrail.wiring.gateway import PRELOADED_SERVICES, GatewayPorts, address_taken, open_gateway
from opentrail.wiring.gateway_processes import GatewayProcesses
from opentrail.wiring.imports import follow_administration, import_administration, open_imports
from opentrail.wiring.installation import Installation, open_installation
from opentrail.wiring.interpreter import leave_out_unused, share_one_arena, tune_interpreter
from opentrail.wiring.key_names import open_key_names
from opentrail.wiring.lake_holds import lake_holds
from opentrail.wiring.log_querying import log_queries, log_query_commands
from opentrail.wiring.logs import configure_logging
from opentrail.wiring.named_targets import names_of, target_commands
from opentrail.wiring.notices import open_receivers, open_topics, receivers_of
from opentrail.wiring.probes import Probes
from opentrail.wiring.querying import lake_queries, query_commands
from opentrail.wiring.remediation import TrailRemediation
from opentrail.wiring.replaying import open_replays
from opentrail.wiring.rules import Rules
from opentrail.wiring.witnesses import open_witnesses

DRAIN_SECONDS = 25

Command = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True)
class Serving:
    """What a ready server says about itself: the ready file, and what clients need."""

    gateway_url: str
    api_url: str
    region: str
    account_id: str
    owner_access_key_id: str
    upstream_url: str
    pid: int
    started_at: str
    version: str = __version__

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)


def serve(home: Home, report: SettingsReport, ready_file: Path | None, on_ready: Callable[[Serving], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises OperatorError when it cannot start."""
    leave_out_unused()
    share_one_arena()
    configure_logging(report.settings.log_level)
    claim_descriptors()
    home.prepare()
    with home.lock():
        try:
            uvloop.run(_serve(home, report, ready_file, on_ready))
        finally:
            home.serving_file.unlink(missing_ok=True)


async def _serve(
    home: Home, report: SettingsReport, ready_file: Path | None, on_ready: Callable[[Serving], None]
) -> None:
    settings = report.settings
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with (
        open_installation(home, settings) as installation,
        _upstream(settings) as upstream_url,
        _running(installation, upstream_url, report) as serving,
    ):
        write_private(home.serving_file, serving.to_json())
        if ready_file is not None:
            write_private(ready_file, serving.to_json())
        tune_interpreter()
        on_ready(serving)
        await stopped.wait()
        structlog.get_logger().info("draining")
    structlog.get_logger().info("stopped")


@asynccontextmanager
async def _upstream(settings: Settings) -> AsyncIterator[str]:
    if settings.upstream__url != "moto":
        yield settings.upstream__url
        return
    stand_in = MotoStandIn()
    try:
        yield await asyncio.to_thread(stand_in.start)
    finally:
        await asyncio.to_thread(stand_in.stop)


@asynccontextmanager
async def _running(installation: Installation, upstream_url: str, report: SettingsReport) -> AsyncIterator[Serving]:
    """Start everything that runs; on leaving, stop taking calls first, then let the readers finish."""
    settings = installation.settings
    await asyncio.to_thread(preload, PRELOADED_SERVICES)
    await _make_good(installation)
    owner = installation.owner
    owner_key = {"access_key_id": owner.access_key_id, "secret_access_key": owner.secret_access_key}
    stores = open_buckets(installation.archives, settings, upstream_url, owner_key)
    topics = open_topics(installation, upstream_url, owner_key)
    tables = installation.lake_tables
    lake = installation.open_lake()
    queries = lake_queries(installation, lake, stores)
    await queries.open()
    insights = log_queries(installation)
    await insights.open()
    imports = open_imports(installation, lake, stores)
    await imports.open()
    replays = open_replays(installation, lake)
    key_names = open_key_names(settings, upstream_url, installation.key_ring, owner_key)
    rules = Rules(installation, upstream_url, owner_key)
    await rules.delivery.open()
    await rules.alarms.open()
    api = _own_api(installation, lake, queries, insights, imports, replays, stores, topics, key_names, rules)
    remediation = TrailRemediation(installation, api)
    delivery = _trail_delivery(installation, stores)
    notices = NoticeDelivery(
        installation.notices,
        installation.delivery_log,
        open_receivers(settings, topics, installation.clock),
        installation.clock,
        delivery.counts,
    )
    attestation = Attestation(
        installation.attestations, open_witnesses(settings, installation.clock), stores, installation.clock
    )
    logs = _log_delivery(installation, rules.log_store)
    watch(installation, delivery, attestation, lake, logs, rules)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(tables.close)
        stack.push_async_callback(queries.close)
        stack.push_async_callback(insights.close)
        stack.push_async_callback(replays.close)
        stack.callback(rules.close)
        readers = _readers(installation, delivery, attestation, notices, lake, queries, insights, imports, logs, rules)
        await stack.enter_async_context(readers)
        stack.push_async_callback(imports.close)
        remedying = asyncio.create_task(remediation.worker.run(), name="remediation")
        remedying.add_done_callback(_end_process_on_failure)
        stack.callback(remedying.cancel)
        processes = GatewayProcesses(installation, api.handle, upstream_url)
        changes = installation.commands() | lake_holds(installation, api.changing).commands()
        changes = {name: _then(processes.forget, command) for name, command in changes.items()}
        importing = import_administration(installation, imports)
        following = follow_administration(installation, lake, stores, importing)
        stack.push_async_callback(following.close)
        commands: Commands = {
            **changes,
            **examining_commands(installation, upstream_url, changes, topics, rules.delivery),
            **query_commands(installation, queries).commands(),
            **log_query_commands(installation, insights).commands(),
            **target_commands(installation, rules.targets, rules.delivery).commands(),
            **importing.commands(),
            **following.commands(),
            **remediation.guarding.commands(),
            **ReplayCommands(replays, settings.account_id, installation.clock).commands(),
            "settings_rows": partial(_settings_rows, report),
        }
        control = ControlServer(installation.home.control_socket, commands)
        await control.start()
        stack.push_async_callback(control.stop)
        api_url = await stack.enter_async_context(_api(api, installation, lake, rules))
        rules.api_url = api_url
        gateway_url = await stack.enter_async_context(_gateway(installation, api, upstream_url, processes))
        yield _serving(installation, gateway_url, api_url, upstream_url)


def _serving(installation: Installation, gateway_url: str, api_url: str, upstream_url: str) -> Serving:
    return Serving(
        gateway_url=gateway_url,
        api_url=api_url,
        region=installation.settings.region,
        account_id=installation.settings.account_id,
        owner_access_key_id=installation.owner.access_key_id,
        upstream_url=upstream_url,
        pid=os.getpid(),
        started_at=format_time(installation.clock.now()),
    )


def _own_api(
    installation: Installation,
    lake: LakeDelivery,
    queries: LakeQueries,
    insights: LogQueries,
    imports: Imports,
    replays: Replays,
    stores: ObjectStores,
    topics: Topics,
    key_names: KeyNames,
    rules: Rules,
) -> ApiServer:
    return ApiServer(
        ApiPorts(
            trails=installation.trails,
            event_data_stores=installation.event_data_stores,
            event_rules=installation.event_rules,
            topic_store=installation.topic_store,
            named_targets=names_of(installation.settings),
            connections=installation.connections,
            api_destinations=installation.api_destinations,
            event_archives=installation.event_archives,
            event_replays=installation.event_replays,
            sends_mail=bool(installation.settings.mail__server),
            lake=lake,
            queries=queries,
            log_queries=insights,
            query_definitions=installation.query_definitions,
            log_policies=installation.log_policies,
            imports=imports,
            channel_statuses=ChannelStatuses(),
            identities=installation.identities,
            delivery_log=installation.delivery_log,
            object_stores=stores,
            archives=installation.archives,
            signer=installation.signer,
            keys=installation.keys,
            key_ring=installation.key_ring,
            key_names=key_names,
            log_groups=installation.log_groups,
            log_store=rules.log_store,
            metrics=installation.metrics,
            alarms=rules.alarms,
            history=installation.history,
            topics=topics,
            clock=installation.clock,
            identifiers=installation.identifiers,
            delegation=LocalDelegation(
                installation.home.delegated_administrators, installation.settings.organization()
            ),
            replays=replays,
            owns_log_groups="logs" not in installation.settings.upstream_services,
        ),
        installation.journal,
        installation.builder,
        regions=installation.regions,
        settings_view=installation.settings_view,
    )


def _topic_pages(api: ApiServer, installation: Installation, rules: Rules) -> TopicPages:
    signer = rules.message_signer
    follow = installation.settings_view.catch_up
    return TopicPages(
        api.ports, installation.journal, api.changing, follow, signer.certificate, signer.certificate_name
    )


def _trail_delivery(installation: Installation, stores: ObjectStores) -> TrailDelivery:
    settings = installation.settings
    return TrailDelivery(
        journal=installation.journal,
        delivery_log=installation.delivery_log,
        object_stores=stores,
        signer=installation.signer,
        clock=installation.clock,
        installation_id=installation.installation_id,
        log_file_interval=settings.log_file_interval,
        digest_interval=settings.digest_interval,
        report_gap=installation.report_gap,
        trails=installation.trails,
        receivers=receivers_of(settings),
    )


def _then(follow: Callable[[], Awaitable[None]], command: Command) -> Command:
    """Return ``command`` followed by ``follow``, before its answer is given."""

    async def both(**arguments: Any) -> Answer:
        answer = await command(**arguments)
        await follow()
        return answer

    return both


async def _settings_rows(report: SettingsReport) -> dict[str, Any]:
    return {"rows": report.rows()}


async def _make_good(installation: Installation) -> None:
    """Put on record what an earlier process left open, and enable the configured Regions."""
    settings, regions = installation.settings, installation.regions
    await asyncio.to_thread(installation.archives.clean)
    await regions.enable(settings.region, *settings.regions)
    recovered = await recover_abandoned_calls(installation.journal, installation.builder, regions)
    if recovered:
        structlog.get_logger().warning("calls that a crash interrupted are on record as unknown", calls=recovered)
    await _settle_organization(installation)


async def _settle_organization(installation: Installation) -> None:
    changed = await settle_organization(
        installation.journal,
        installation.trails,
        installation.delivery_log,
        installation.settings.organization(),
        installation.report_accounts,
    )
    stores = await settle_organization_stores(
        installation.journal,
        installation.event_data_stores,
        installation.settings.organization(),
        installation.clock,
        installation.identifiers,
    )
    if changed or stores:
        await installation.settings_view.catch_up()
        said = "organization trails and event data stores follow the accounts that the settings name"
        structlog.get_logger().warning(said, changed=[*changed, *stores])


@asynccontextmanager
async def _readers(
    installation: Installation,
    delivery: TrailDelivery,
    attestation: Attestation,
    notices: NoticeDelivery,
    lake: LakeDelivery,
    queries: LakeQueries,
    insights: LogQueries,
    imports: Imports,
    logs: LogDelivery,
    rules: Rules,
) -> AsyncIterator[None]:
    """Run what reads the journal; one that fails for good ends the process, since the record would fall behind."""
    trimmer = JournalTrimmer(
        installation.journal,
        lambda: [
            installation.feeder.position,
            installation.settings_view.position,
            delivery.holds(),
            lake.holds(),
            logs.holds(),
            rules.reader.position,
        ],
        max_bytes=installation.settings.journal_max_bytes,
    )
    upkeep = ArchiveUpkeep(installation.archives, installation.clock, installation.record_change)
    stop = asyncio.Event()
    delivering = asyncio.create_task(delivery.run(stop), name="delivery")
    attesting = asyncio.create_task(attestation.run(stop), name="attestation")
    collecting = asyncio.create_task(lake.run(stop), name="lake")
    logging = asyncio.create_task(logs.run(stop), name="log groups")
    sealing = asyncio.create_task(installation.lake_sealing.run(lake.table, stop), name="lake seals")
    others = [
        asyncio.create_task(installation.feeder.run(), name="history"),
        asyncio.create_task(installation.settings_view.run(), name="settings"),
        asyncio.create_task(trimmer.run(), name="trimming"),
        asyncio.create_task(upkeep.run(), name="archives"),
        asyncio.create_task(_key_upkeep(installation).run(), name="keys"),
        asyncio.create_task(notices.run(stop), name="notices"),
        asyncio.create_task(_lake_upkeep(installation, lake).run(), name="lake upkeep"),
        asyncio.create_task(_log_upkeep(installation).run(), name="log upkeep"),
        asyncio.create_task(queries.run(), name="queries"),
        asyncio.create_task(insights.run(), name="log queries"),
        asyncio.create_task(imports.run(), name="imports"),
        asyncio.create_task(keep_prepared(installation.history), name="replay preparation"),
        asyncio.create_task(rules.reader.run(), name="rules"),
        asyncio.create_task(rules.delivery.run(), name="invocations"),
        asyncio.create_task(rules.alarms.run(), name="alarms"),
        asyncio.create_task(rules.authorization.run(), name="connections"),
        asyncio.create_task(rules.replays.run(), name="event replays"),
        asyncio.create_task(rules.archive_upkeep.run(), name="event archives"),
        asyncio.create_task(rules.metric_filters.run(), name="metric filters"),
    ]
    stopping = (delivering, attesting, collecting, sealing, logging)
    for task in (*stopping, *others):
        task.add_done_callback(_end_process_on_failure)
    try:
        yield
    finally:
        stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*stopping)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await installation.feeder.catch_up()
        await installation.lake_sealing.seal_all(lake.table)


def _log_delivery(installation: Installation, log_store: LogStore) -> LogDelivery:
    context = LogDeliveryContext(
        journal=installation.journal,
        readers=installation.log_readers,
        groups=installation.log_groups,
        store=log_store,
        trails=installation.trails,
        identities=installation.identities,
        delivery_log=installation.delivery_log,
        identifiers=installation.identifiers,
        report_gap=installation.report_gap,
    )
    return LogDelivery(context, installation.clock)


def _log_upkeep(installation: Installation) -> LogUpkeep:
    return LogUpkeep(installation.log_groups, installation.log_store, installation.clock)


def _key_upkeep(installation: Installation) -> KeyUpkeep:
    return KeyUpkeep(
        installation.keys, installation.journal, installation.regions, installation.clock, installation.identifiers
    )


def _lake_upkeep(installation: Installation, lake: LakeDelivery) -> LakeUpkeep:
    return LakeUpkeep(
        lake,
        installation.event_data_stores,
        installation.journal,
        installation.signer,
        installation.clock,
        installation.identifiers,
        installation.settings_view.catch_up,
    )


def _end_process_on_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        structlog.get_logger().critical("a worker failed; stopping", worker=task.get_name(), exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


@asynccontextmanager
async def _gateway(
    installation: Installation, api: ApiServer, upstream_url: str, processes: GatewayProcesses
) -> AsyncIterator[str]:
    """Relay and record calls, here or in ``processes``; say afterwards what could not be recorded."""
    is_open = installation.settings.recording is RecordingMode.FAIL_OPEN
    if is_open:
        write_private(installation.home.fail_open_file, b"")
    if installation.settings.gateway_processes > 1:
        async with processes.running(installation.settings.gateway) as (host, port):
            yield f"http://{_literal(host)}:{port}"
        has_lost_calls = processes.has_lost_calls
    else:
        ports = GatewayPorts(
            journal=installation.journal,
            builder=installation.builder,
            identities=installation.identities,
            archives=installation.archives,
            regions=installation.regions,
            clock=installation.clock,
        )
        settings = installation.settings
        async with open_gateway(settings, upstream_url, ports, api.handle, settings.gateway) as gateway:
            yield f"http://{_literal(gateway.host)}:{gateway.port}"
        has_lost_calls = gateway.has_lost_calls
    if has_lost_calls:
        installation.home.note_lost_calls()
    elif is_open:
        installation.home.fail_open_file.unlink(missing_ok=True)


@asynccontextmanager
async def _api(api: ApiServer, installation: Installation, lake: LakeDelivery, rules: Rules) -> AsyncIterator[str]:
    address = installation.settings.api
    try:
        listener = socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    except OSError as error:
        raise address_taken("api", address, error) from error
    host, port = listener.getsockname()[:2]
    application = asgi_app(
        api.handle,
        [*Probes(installation, lake.states).routes(), *_topic_pages(api, installation, rules).routes()],
        trusted_proxies=installation.settings.trusted_proxies,
    )
    server = ApiListener(
        application,
        drain_seconds=DRAIN_SECONDS,
        max_connections=share_of(claim_descriptors(), api_listener.MAX_CONNECTIONS),
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    folding = asyncio.create_task(api.run(), name="refusals")
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        yield f"http://{_literal(host)}:{port}"
    finally:
        server.should_exit = True
        await task
        folding.cancel()
        await asyncio.gather(folding, return_exceptions=True)
        await api.close()


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host
