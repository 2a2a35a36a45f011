"""Where the tables of event data stores lie: in the home, or in the bucket that the settings name."""

from opentrail.adapters.lake_table.bucket import S3Objects, TableBucket
from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.adapters.lake_table.mirror import Mirror
from opentrail.clock import Identifiers
from opentrail.home import Home
from opentrail.ports.lake_keys import StoreKeys
from opentrail.settings import Settings


def table_bucket(settings: Settings) -> TableBucket | None:
    """Return the bucket of the tables, None where they lie in the home."""
    if not settings.lake__location:
        return None
    bucket, _, prefix = settings.lake__location.removeprefix("s3://").partition("/")
    return TableBucket(
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
        url=settings.lake__url,
        region=settings.lake__region,
        access_key_id=settings.lake__access_key_id,
        secret_access_key=settings.lake__secret_access_key,
        ca_bundle=settings.lake__ca_bundle,
    )


def open_lake_tables(home: Home, settings: Settings, identifiers: Identifiers, keys: StoreKeys) -> LocalLakeTables:
    """Return an installation's tables. Nothing is reached before the first one is opened."""
    place = table_bucket(settings)
    if place is None:
        return LocalLakeTables(home.lake, keys=keys)
    owner = home.installation_id(identifiers)
    mirror = Mirror(S3Objects(place), place.location, home.lake, owner, settings.lake__cache)
    return LocalLakeTables(home.lake, mirror, keys)
