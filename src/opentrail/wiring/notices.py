"""Where notices of delivered files go: topics of the upstream, and the settings' webhook."""

from collections.abc import Mapping

from opentrail.adapters.notices.own_topics import OwnOrUpstreamTopics
from opentrail.adapters.notices.receivers import Receivers
from opentrail.adapters.notices.sns import SnsEndpoint, SnsTopics
from opentrail.adapters.notices.webhook import Webhook
from opentrail.clock import Clock
from opentrail.errors import SettingsError
from opentrail.outgoing.webhook import WebhookEndpoint, read_secret
from opentrail.ports.notices import WEBHOOK
from opentrail.settings import Settings
from opentrail.wiring.certificates import check_ca_bundle
from opentrail.wiring.installation import Installation

TrailTopics = SnsTopics | OwnOrUpstreamTopics
"""What trails are told of files through."""


def open_topics(installation: Installation, upstream_url: str, owner_key: Mapping[str, str]) -> TrailTopics:
    """Return the topics that trails name: the upstream's with ``upstream.sns``, else ours before the upstream's."""
    upstream = _upstream_topics(installation.settings, upstream_url, owner_key)
    if "sns" in installation.settings.upstream_services:
        return upstream
    return OwnOrUpstreamTopics(installation.topic_store, installation.journal, upstream, installation.clock)


def _upstream_topics(settings: Settings, upstream_url: str, owner_key: Mapping[str, str]) -> SnsTopics:
    """Return the upstream's topics, reached with the configured key, else with the owner's; none without upstream."""
    url = settings.service_urls(upstream_url).get("sns", upstream_url)
    if not url:
        return SnsTopics(None)
    return SnsTopics(
        SnsEndpoint(
            url=url,
            access_key_id=settings.upstream__access_key_id or owner_key["access_key_id"],
            secret_access_key=settings.upstream__secret_access_key or owner_key["secret_access_key"],
            ca_bundle=settings.upstream__ca_bundle,
        )
    )


def receivers_of(settings: Settings) -> tuple[str, ...]:
    """Return who is told of every file, beside the topic that its trail names."""
    return (WEBHOOK,) if settings.delivery_webhook__url else ()


def open_receivers(settings: Settings, topics: TrailTopics, clock: Clock) -> Receivers:
    """Return all receivers behind one sender. Raises SettingsError for a secret or CAs that cannot be read."""
    if not settings.delivery_webhook__url:
        return Receivers(topics)
    check_ca_bundle("delivery_webhook.ca_bundle", settings.delivery_webhook__ca_bundle)
    try:
        read_secret(settings.delivery_webhook__secret)
    except ValueError as error:
        raise SettingsError(f"delivery_webhook.secret: {error}") from error
    endpoint = WebhookEndpoint(
        settings.delivery_webhook__url, settings.delivery_webhook__secret, settings.delivery_webhook__ca_bundle
    )
    return Receivers(topics, Webhook(endpoint, clock))
