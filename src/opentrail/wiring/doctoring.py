"""The doctor over an installation's stores, and the commands that tell what it finds."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from opentrail.adapters.host.local import LocalHost
from opentrail.admin.administration import Answer
from opentrail.admin.doctor.destinations import Destinations
from opentrail.admin.doctor.doctor import Doctor
from opentrail.admin.doctor.event_data_stores import StoreChecks
from opentrail.admin.doctor.progress import Progress
from opentrail.admin.doctor.targets import TargetChecks
from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.ports.notices import Topics
from opentrail.settings import Settings
from opentrail.wiring.buckets import open_buckets
from opentrail.wiring.installation import Installation

Command = Callable[..., Awaitable[Answer]]

EXAMINING = frozenset({"diagnose", "status"})
"""The commands that the doctor answers, or has a part in."""


def open_doctor(
    installation: Installation,
    upstream_url: str,
    topics: Topics | None = None,
    delivery: InvocationDelivery | None = None,
) -> Doctor:
    """Return the doctor. ``upstream_url`` and ``delivery`` are those of a running server; "" for none, then the
    settings' is asked."""
    settings, owner = installation.settings, installation.owner
    url = upstream_url or settings.upstream__url.removeprefix("moto")
    owner_key = {"access_key_id": owner.access_key_id, "secret_access_key": owner.secret_access_key}
    destinations = Destinations(
        stores=open_buckets(installation.archives, settings, url, owner_key),
        archives=installation.archives,
        key_ring=installation.key_ring,
        identities=installation.identities,
        topics=topics,
        has_upstream=bool(url or settings.service_urls(url).get("s3")) or settings.upstream__url == "",
        has_own_roles="logs" not in settings.upstream_services,
    )
    progress = Progress(
        journal=installation.journal,
        delivery_log=installation.delivery_log,
        attestations=installation.attestations,
        log_file_interval=settings.log_file_interval,
        digest_interval=settings.digest_interval,
        journal_max_bytes=settings.journal_max_bytes,
        witnesses={name: witness.late_after for name, witness in sorted(settings.witnesses.items())},
        lag_seconds=lambda position: installation.figures.marks.lag(position).seconds,
    )
    return Doctor(
        account_id=settings.account_id,
        region=settings.region,
        trails=installation.trails,
        destinations=destinations,
        progress=progress,
        stores=StoreChecks(settings.account_id, installation.event_data_stores, installation.store_keys),
        host=LocalHost(installation.home.path),
        clock=installation.clock,
        endpoints=_endpoints(settings, url),
        targets=TargetChecks(
            {name: each.command[0] for name, each in settings.targets.items() if each.command},
            lambda program: os.access(program, os.X_OK),
            lambda: delivery.health if delivery is not None else {},
        ),
    )


def examining_commands(
    installation: Installation,
    upstream_url: str,
    commands: Mapping[str, Command],
    topics: Topics | None = None,
    delivery: InvocationDelivery | None = None,
) -> dict[str, Command]:
    """Return ``diagnose``, and ``status`` with the findings beside what it tells."""
    doctor = open_doctor(installation, upstream_url, topics, delivery)

    async def status(**arguments: Any) -> Answer:
        return {**await commands["status"](**arguments), **await doctor.diagnose()}

    return {"diagnose": doctor.diagnose, "status": status}


def _endpoints(settings: Settings, upstream_url: str) -> dict[str, str]:
    endpoints = {"upstream.url": upstream_url} if upstream_url else {}
    services = sorted(settings.service_urls(upstream_url).items())
    endpoints |= {f"upstream.{name}": url for name, url in services if url != upstream_url}
    if settings.signer__kind == "kms" and settings.signer__url:
        endpoints["signer.url"] = settings.signer__url
    if settings.lake__url:
        endpoints["lake.url"] = settings.lake__url
    return endpoints
