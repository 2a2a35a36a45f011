"""The buckets that trails deliver to and validations read: local archives, else the upstream's."""

from collections.abc import Mapping

from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.adapters.object_store.buckets import Buckets
from opentrail.adapters.object_store.s3 import ObjectLock, S3Buckets, S3Endpoint
from opentrail.home import Home
from opentrail.settings import Settings
from opentrail.wiring.certificates import check_ca_bundle
from opentrail.wiring.reading_keys import ReadingKeys


def open_buckets(
    archives: LocalArchives, settings: Settings, upstream_url: str, owner_key: Mapping[str, str]
) -> Buckets:
    """Return the buckets; those of the upstream are reached with the configured key, else with the owner's.

    Raises SettingsError for CAs that cannot be read.
    """
    url = settings.service_urls(upstream_url).get("s3", upstream_url)
    if not url:
        return Buckets(archives)
    check_ca_bundle("upstream.ca_bundle", settings.upstream__ca_bundle)
    endpoint = S3Endpoint(
        url=url,
        region=settings.region,
        access_key_id=settings.upstream__access_key_id or owner_key["access_key_id"],
        secret_access_key=settings.upstream__secret_access_key or owner_key["secret_access_key"],
        addressing=settings.upstream__addressing,
        ca_bundle=settings.upstream__ca_bundle,
    )
    lock = ObjectLock(settings.delivery_lock__mode, settings.delivery_lock__days)
    return Buckets(archives, S3Buckets(endpoint, lock=lock if lock.mode else None).bucket)


def read_buckets(home: Home, settings: Settings, upstream_url: str, owner_key: Mapping[str, str]) -> Buckets:
    """Return a home's buckets for reading as its owner, also beside the server that holds the home."""
    archives = LocalArchives(home.archives, keys=ReadingKeys(home, settings))
    return open_buckets(archives, settings, upstream_url, owner_key)
