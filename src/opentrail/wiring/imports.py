"""Imports over an installation: in the server, or in a command's own process when no server holds the home."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from opentrail.adapters.checkpoints.sqlite import SqliteCheckpoints
from opentrail.adapters.import_log.local import LocalImportLog
from opentrail.adapters.log_source.folder import FolderSource
from opentrail.adapters.message_queue.sqs import SqsQueue
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.admin.follows import FollowAdministration, OpenFeed
from opentrail.admin.imports import ImportAdministration
from opentrail.clock import Clock
from opentrail.home import Home
from opentrail.imports.bucket_source import BucketSource
from opentrail.imports.feeds import Feed, ListingFeed, QueueFeed
from opentrail.imports.selection import KeySelection
from opentrail.pipeline.imports import Imports
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.ports.log_source import LogSource
from opentrail.ports.object_store import AccessRefused, ObjectStores
from opentrail.resource.lake_import import ImportSource
from opentrail.settings import Settings
from opentrail.wiring.buckets import open_buckets
from opentrail.wiring.installation import Installation, open_installation
from opentrail.wiring.logs import configure_logging

_QUIET = "error"
"""What a command in its own process logs: the rest is in its answers."""

Command = Callable[..., Awaitable[dict[str, Any]]]

AWS = "aws"
"""The endpoint that stands for Amazon's own."""


def open_imports(installation: Installation, lake: LakeDelivery, stores: ObjectStores) -> Imports:
    """Return the imports of an installation into ``lake``; call its ``open``."""

    def open_source(source: ImportSource, selection: KeySelection) -> LogSource:
        if source.endpoint_url:
            raise AccessRefused("NoCredentials", "the import needs your credentials: give its command once more")
        if source.is_bucket:
            return BucketSource(stores.bucket(source.bucket), source.prefix, selection)
        return FolderSource(Path(source.uri), selection.takes)

    return Imports(
        LocalImportLog(installation.home.imports),
        installation.event_data_stores,
        open_source,
        lake,
        installation.clock,
        installation.identifiers,
    )


def open_with_key(source: ImportSource, selection: KeySelection, key: Mapping[str, str]) -> LogSource:
    """Return a bucket at another endpoint as a source, read with these credentials."""
    url = "" if source.endpoint_url == AWS else source.endpoint_url
    endpoint = S3Endpoint(
        url, key["region"], key["access_key_id"], key["secret_access_key"], key.get("session_token", "")
    )
    return BucketSource(S3Buckets(endpoint).bucket(source.bucket), source.prefix, selection)


def open_feed(home: Home, stores: ObjectStores, clock: Clock) -> OpenFeed:
    """Return how a home's follows reach what they follow; checkpoints lie in the home, by source and store."""

    def opened(
        uri: str,
        queue_url: str,
        arn: str,
        since: datetime | None,
        regions: tuple[str, ...],
        endpoint_url: str,
        key: Mapping[str, str] | None,
    ) -> Feed:
        url = "" if endpoint_url == AWS else endpoint_url
        buckets: ObjectStores = stores
        if key is not None:
            buckets = S3Buckets(
                S3Endpoint(
                    url, key["region"], key["access_key_id"], key["secret_access_key"], key.get("session_token", "")
                )
            )
        if queue_url:
            queue = SqsQueue(queue_url, endpoint_url=url, region=(key or {}).get("region", ""), key=dict(key or {}))
            return QueueFeed(queue, buckets.bucket, KeySelection(regions=regions))
        source = ImportSource(uri)
        name = hashlib.sha256("\n".join((endpoint_url, uri, arn)).encode()).hexdigest()[:32]
        checkpoints = SqliteCheckpoints(home.follows / f"{name}.sqlite")
        store = buckets.bucket(source.bucket)
        return ListingFeed(store, source.bucket, source.prefix, checkpoints, clock, since, regions)

    return opened


def follow_administration(
    installation: Installation, lake: LakeDelivery, stores: ObjectStores, importing: ImportAdministration
) -> FollowAdministration:
    """Return the operator's commands about follows; call its ``close``."""
    feeds = open_feed(installation.home, stores, installation.clock)
    return FollowAdministration(lake, importing.store_named, feeds, installation.clock, installation.identifiers)


def import_administration(installation: Installation, imports: Imports) -> ImportAdministration:
    """Return the operator's commands about imports."""
    return ImportAdministration(
        account_id=installation.settings.account_id,
        region=installation.settings.region,
        imports=imports,
        stores=installation.event_data_stores,
        journal=installation.journal,
        catch_up=installation.settings_view.catch_up,
        record=installation.record_change,
        open_with_key=open_with_key,
        clock=installation.clock,
        identifiers=installation.identifiers,
    )


@asynccontextmanager
async def _sealing(installation: Installation, lake: LakeDelivery) -> AsyncIterator[None]:
    """Seal tables every minute, as the server does: a follow may take days."""
    stop = asyncio.Event()
    task = asyncio.create_task(installation.lake_sealing.run(lake.table, stop), name="lake seals")
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def import_commands(home: Home, settings: Settings) -> AsyncIterator[dict[str, Command]]:
    """Hold a home that no server holds; give the commands about imports and follows.

    Raises OperatorError, HomeInUse.
    """
    configure_logging(_QUIET)
    home.prepare()
    with home.lock():
        async with open_installation(home, settings) as installation, AsyncExitStack() as stack:
            tables = installation.lake_tables
            stack.push_async_callback(tables.close)
            lake = installation.open_lake()
            stack.push_async_callback(installation.lake_sealing.seal_all, lake.table)
            await stack.enter_async_context(_sealing(installation, lake))
            owner = installation.owner
            key = {"access_key_id": owner.access_key_id, "secret_access_key": owner.secret_access_key}
            url = settings.upstream__url.removeprefix("moto")
            stores = open_buckets(installation.archives, settings, url, key)
            imports = open_imports(installation, lake, stores)
            await imports.open()
            stack.push_async_callback(imports.close)
            importing = import_administration(installation, imports)
            following = follow_administration(installation, lake, stores, importing)
            stack.push_async_callback(following.close)
            yield importing.commands() | following.commands()
            await installation.feeder.catch_up()
