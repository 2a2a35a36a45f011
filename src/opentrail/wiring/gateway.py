"""The gateway joined with its recorder: the same in the server's own process and in a gateway process."""

import os
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opentrail.adapters.metadata_store.identity_store import SqlIdentityStore
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.capture.budget import HELD_LIMIT_BYTES
from opentrail.capture.callers import CallerResolver
from opentrail.capture.gateway import MAX_CONNECTIONS, Gateway, OwnApi
from opentrail.capture.ownership import Ownership
from opentrail.clock import RandomIdentifiers, SystemClock
from opentrail.errors import OperatorError
from opentrail.pipeline.recording import FailClosedRecorder, FailOpenRecorder
from opentrail.pipeline.regions import ClaimedRegions, RegionRegister
from opentrail.ports.journal import JournalWriter
from opentrail.record.events import EventBuilder
from opentrail.settings import RecordingMode, Settings
from opentrail.wiring.descriptors import claim_descriptors, share_of

PRELOADED_SERVICES = ("cloudtrail", "sts", "iam", "s3", "ec2")
"""Services whose models are read before the first call comes; any other's is read at its first call (23-103 ms)."""


@dataclass(frozen=True)
class GatewayPorts:
    """What a gateway stands on."""

    journal: JournalWriter
    builder: EventBuilder
    identities: SqlIdentityStore
    archives: LocalArchives
    regions: RegionRegister
    clock: SystemClock


@dataclass
class RunningGateway:
    """A gateway that listens. ``has_lost_calls`` is decided once it has stopped."""

    host: str
    port: int
    callers: CallerResolver
    has_lost_calls: bool = False


def event_builder(
    settings: Settings, identifiers: RandomIdentifiers, enabled: Callable[[], Collection[str]]
) -> EventBuilder:
    """Return the builder of events for these settings; ``enabled`` gives the Regions that are enabled now."""
    configured: Collection[str] = {settings.region, *settings.regions}
    return EventBuilder(
        default_account_id=settings.account_id,
        default_region=settings.region,
        regions=lambda: configured,
        identifiers=identifiers,
        admits=ClaimedRegions(enabled, configured, settings.claimed_regions).admits,
    )


@asynccontextmanager
async def open_gateway(
    settings: Settings,
    upstream_url: str,
    ports: GatewayPorts,
    own_api: OwnApi,
    address: tuple[str, int],
    *,
    processes: int = 1,
) -> AsyncIterator[RunningGateway]:
    """Listen at ``address``; on leaving, let calls under way end and settle the record of each.

    ``processes`` share the address, and the bounds on connections and memory. Raises OperatorError when the address is
    taken.
    """
    callers = CallerResolver(ports.identities, ports.clock, learns=settings.upstream__trusted)
    recorder = _recorder(settings, ports, callers)
    max_connections = share_of(claim_descriptors(), MAX_CONNECTIONS)
    gateway = Gateway(
        upstream_url,
        recorder,
        own_api,
        Ownership(ports.archives, ports.identities, settings.upstream_services, has_upstream=bool(upstream_url)),
        service_upstreams=settings.service_urls(upstream_url),
        ca_bundle=settings.upstream__ca_bundle,
        trusted_proxies=settings.trusted_proxies,
        max_connections=max_connections,
        max_connections_per_peer=settings.gateway_connections_per_peer or max_connections // 2,
        held_limit_bytes=HELD_LIMIT_BYTES // processes,
    )
    try:
        host, port = await gateway.start(*address, reuse_port=processes > 1)
    except OSError as error:
        raise address_taken("gateway", address, error) from error
    running = RunningGateway(host, port, callers)
    try:
        yield running
    finally:
        await gateway.stop()
        running.has_lost_calls = not await recorder.stop()


def _recorder(
    settings: Settings, ports: GatewayPorts, callers: CallerResolver
) -> FailClosedRecorder | FailOpenRecorder:
    if settings.recording is RecordingMode.FAIL_CLOSED:
        return FailClosedRecorder(ports.journal, ports.builder, callers, ports.regions, ports.clock)
    return FailOpenRecorder(
        ports.journal,
        ports.builder,
        callers,
        ports.regions,
        ports.clock,
        default_account_id=settings.account_id,
        default_region=settings.region,
        commit_interval_s=settings.commit_interval.total_seconds(),
    )


def address_taken(name: str, address: tuple[str, int], error: OSError) -> OperatorError:
    """Return what to tell the operator when a listener cannot have its address."""
    where, reason = f"{address[0]}:{address[1]}", os.strerror(error.errno or 0)
    choose = f"choose another with --{name} or OPENTRAIL_{name.upper()}"
    return OperatorError(f"the {name} cannot listen on {where}: {reason}; {choose}")
