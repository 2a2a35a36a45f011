"""Where notices of delivered files go: topics of the upstream."""

from collections.abc import Mapping

from opentrail.adapters.notices.sns import SnsEndpoint, SnsTopics
from opentrail.settings import Settings


def open_topics(settings: Settings, upstream_url: str, owner_key: Mapping[str, str]) -> SnsTopics:
    """Return the upstream's topics, reached with the configured key, else with the owner's; none without upstream."""
    url = settings.upstream_services.get("sns", upstream_url)
    if not url:
        return SnsTopics(None)
    return SnsTopics(
        SnsEndpoint(
            url=url,
            access_key_id=settings.upstream__access_key_id or owner_key["access_key_id"],
            secret_access_key=settings.upstream__secret_access_key or owner_key["secret_access_key"],
        )
    )
