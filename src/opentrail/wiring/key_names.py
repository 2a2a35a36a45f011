"""Which KMS the keys of buckets elsewhere belong to: the upstream's where one is set, else the own key ring."""

from collections.abc import Mapping

from opentrail.adapters.key_names.own import OwnKeyNames
from opentrail.adapters.key_names.upstream import KmsEndpoint, UpstreamKeyNames
from opentrail.ports.key_names import KeyNames
from opentrail.ports.key_ring import KeyRing
from opentrail.settings import Settings


def open_key_names(settings: Settings, upstream_url: str, ring: KeyRing, owner_key: Mapping[str, str]) -> KeyNames:
    """Return the names of keys; an upstream's are asked for with the configured key, else with the owner's."""
    url = settings.service_urls(upstream_url).get("kms", "")
    if not url:
        return OwnKeyNames(ring)
    return UpstreamKeyNames(
        KmsEndpoint(
            url=url,
            access_key_id=settings.upstream__access_key_id or owner_key["access_key_id"],
            secret_access_key=settings.upstream__secret_access_key or owner_key["secret_access_key"],
            ca_bundle=settings.upstream__ca_bundle,
        )
    )
