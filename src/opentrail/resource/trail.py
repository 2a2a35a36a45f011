"""The trail: configuration that delivers events to a bucket (reference: trails-and-delivery, section 1)."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

import orjson

from opentrail.resource.account_region import AccountRegion

DEFAULT_EVENT_SELECTORS: tuple[dict[str, Any], ...] = (
    {
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "DataResources": [],
        "ExcludeManagementEventSources": [],
    },
)
"""What GetEventSelectors answers for a trail whose selectors were never set."""


@dataclass(frozen=True, slots=True)
class Trail:
    """One trail as CreateTrail, UpdateTrail, Start/StopLogging and PutEventSelectors left it.

    Selectors keep their wire form (PascalCase members): exactly one of ``event_selectors`` and
    ``advanced_event_selectors`` is not empty. Times are aware UTC. Empty strings mean "not set". Insight selectors and
    aggregation configurations, in their wire form too, are in force while the trail logs.

    An organization trail carries its organization as it is while these settings are in force: the id, and every
    account of it, the management account (``account_id``) among them.
    """

    arn: str
    name: str
    account_id: str
    home_region: str
    s3_bucket_name: str
    s3_key_prefix: str = ""
    sns_topic_name: str = ""
    sns_topic_arn: str = ""
    includes_global_service_events: bool = True
    is_multi_region: bool = False
    is_organization: bool = False
    organization_id: str = ""
    member_account_ids: tuple[str, ...] = ()
    is_log_file_validation_enabled: bool = False
    cloud_watch_logs_log_group_arn: str = ""
    cloud_watch_logs_role_arn: str = ""
    kms_key_id: str = ""
    is_recursive_logging: bool = True
    has_custom_event_selectors: bool = False
    event_selectors: tuple[dict[str, Any], ...] = DEFAULT_EVENT_SELECTORS
    advanced_event_selectors: tuple[dict[str, Any], ...] = ()
    insight_selectors: tuple[dict[str, Any], ...] = ()
    aggregation_configurations: tuple[dict[str, Any], ...] = ()
    is_logging: bool = False
    logging_started_at: datetime | None = None
    logging_stopped_at: datetime | None = None
    created_at: datetime | None = None

    @property
    def account_ids(self) -> tuple[str, ...]:
        """The accounts whose events are this trail's to deliver."""
        return self.member_account_ids if self.is_organization else (self.account_id,)

    def places(self, regions: Iterable[str]) -> list[AccountRegion]:
        """Return, sorted, every account and Region that this trail delivers when ``regions`` are enabled."""
        covered = sorted(filter(self.covers_region, {self.home_region, *regions}))
        return [AccountRegion(account, region) for account in sorted(self.account_ids) for region in covered]

    def covers_region(self, region: str) -> bool:
        """Say whether events of ``region`` are this trail's to deliver."""
        return self.is_multi_region or region == self.home_region

    def is_shadow_in(self, region: str) -> bool:
        """Say whether the trail shows in ``region`` as a shadow of one whose home is elsewhere."""
        return self.is_multi_region and region != self.home_region

    def to_json(self) -> bytes:
        """Return the snapshot that a settings entry of the journal carries."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "Trail":
        """Read a snapshot back; members that a newer release added take their defaults."""
        values = orjson.loads(data)
        known = {field.name for field in fields(cls)}
        trail = cls(**{name: value for name, value in values.items() if name in known})
        return replace(
            trail,
            event_selectors=tuple(trail.event_selectors),
            advanced_event_selectors=tuple(trail.advanced_event_selectors),
            insight_selectors=tuple(trail.insight_selectors),
            aggregation_configurations=tuple(trail.aggregation_configurations),
            member_account_ids=tuple(trail.member_account_ids),
            logging_started_at=_moment(trail.logging_started_at),
            logging_stopped_at=_moment(trail.logging_stopped_at),
            created_at=_moment(trail.created_at),
        )


def _moment(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
