"""Imports over an installation: in the server, or in a command's own process when no server holds the home."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from opentrail.adapters.import_log.local import LocalImportLog
from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.adapters.log_source.folder import FolderSource
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.admin.imports import ImportAdministration
from opentrail.home import Home
from opentrail.imports.bucket_source import BucketSource
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
async def importing(home: Home, settings: Settings) -> AsyncIterator[ImportAdministration]:
    """Hold a home that no server holds, for imports in this process. Raises OperatorError, HomeInUse."""
    configure_logging(_QUIET)
    home.prepare()
    with home.lock():
        async with open_installation(home, settings) as installation, AsyncExitStack() as stack:
            tables = LocalLakeTables(home.lake)
            stack.push_async_callback(tables.close)
            lake = LakeDelivery(installation.journal, installation.event_data_stores, tables, installation.clock)
            owner = installation.owner
            key = {"access_key_id": owner.access_key_id, "secret_access_key": owner.secret_access_key}
            url = settings.upstream__url.removeprefix("moto")
            imports = open_imports(installation, lake, open_buckets(installation.archives, settings, url, key))
            await imports.open()
            stack.push_async_callback(imports.close)
            yield import_administration(installation, imports)
            await installation.feeder.catch_up()
