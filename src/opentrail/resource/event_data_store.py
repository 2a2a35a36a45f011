"""The event data store: a lake collection of events (reference: lake-and-insights, section 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of
from opentrail.resource.organization import Organization

PENDING_DELETION_DAYS = 7
"""How long a deleted event data store can be restored."""

DEFAULT_SELECTORS: tuple[dict[str, Any], ...] = (
    {
        "Name": "Default management events",
        "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}],
    },
)
"""What an event data store collects that was created without selectors."""


class EventDataStoreKind(StrEnum):
    """What an event data store holds; its columns follow from it (``resource.lake_columns``)."""

    CLOUDTRAIL = "CloudTrail"
    INSIGHT = "Insight"
    CONFIGURATION_ITEM = "ConfigurationItem"
    EVIDENCE = "Evidence"
    ACTIVITY_AUDIT_LOG = "ActivityAuditLog"


_KIND_OF_CATEGORY = {str(kind): kind for kind in EventDataStoreKind}


class Status(StrEnum):
    """Where an event data store is in its life. The two settling states of the service are never seen here."""

    CREATED = "CREATED"
    ENABLED = "ENABLED"
    STOPPED_INGESTION = "STOPPED_INGESTION"
    PENDING_DELETION = "PENDING_DELETION"


class BillingMode(StrEnum):
    """A stored attribute that bounds the retention; nothing is billed."""

    EXTENDABLE = "EXTENDABLE_RETENTION_PRICING"
    FIXED = "FIXED_RETENTION_PRICING"

    @property
    def default_retention_days(self) -> int:
        return 366 if self is BillingMode.EXTENDABLE else 2557

    @property
    def max_retention_days(self) -> int:
        return 3653 if self is BillingMode.EXTENDABLE else 2557


@dataclass(frozen=True, slots=True)
class EventDataStore:
    """One event data store as its operations left it.

    Selectors keep their wire form. Times are aware UTC. ``deletion_at`` is set in PENDING_DELETION only, with
    ``status_before_deletion``, to which a restore returns. An organization's store carries its accounts, as a trail
    does; ``account_id`` owns it. While ``legal_hold_since`` is set nothing of the store ends: no day, whatever the
    retention, and not the store itself. ``kms_key_id`` is a key's ARN, and comes with ``sealed_data_key``
    (base64), which that key opens: what the store's files are encrypted with.
    """

    arn: str
    name: str
    account_id: str
    home_region: str
    created_at: datetime
    updated_at: datetime
    status: Status = Status.ENABLED
    advanced_event_selectors: tuple[dict[str, Any], ...] = DEFAULT_SELECTORS
    is_multi_region: bool = True
    is_organization: bool = False
    member_account_ids: tuple[str, ...] = ()
    retention_days: int = BillingMode.EXTENDABLE.default_retention_days
    is_termination_protected: bool = True
    kms_key_id: str = ""
    sealed_data_key: str = ""
    billing_mode: BillingMode = BillingMode.EXTENDABLE
    deletion_at: datetime | None = None
    status_before_deletion: Status = Status.ENABLED
    is_large_event: bool = False
    context_key_selectors: tuple[dict[str, Any], ...] = ()
    insight_selectors: tuple[dict[str, Any], ...] = ()
    insights_destination: str = ""
    legal_hold_since: datetime | None = None
    legal_hold_reason: str = ""

    @property
    def id(self) -> str:
        """The UUID at the end of the ARN: the table's name in SQL."""
        return self.arn.rpartition("/")[2]

    @property
    def kind(self) -> EventDataStoreKind:
        return kind_of_selectors(self.advanced_event_selectors)

    @property
    def account_ids(self) -> tuple[str, ...]:
        """The accounts whose events are this store's to keep."""
        return self.member_account_ids if self.is_organization else (self.account_id,)

    @property
    def is_ingesting(self) -> bool:
        return self.status in (Status.CREATED, Status.ENABLED)

    @property
    def is_pending_deletion(self) -> bool:
        return self.status is Status.PENDING_DELETION

    def is_gone(self, now: datetime) -> bool:
        """Say whether the days are over in which a deleted store can be restored: nobody sees it any more."""
        return self.deletion_at is not None and self.deletion_at <= now and not self.is_held

    @property
    def is_held(self) -> bool:
        """Whether a legal hold is on the store."""
        return self.legal_hold_since is not None

    def held(self, since: datetime, reason: str) -> "EventDataStore":
        """Return the store under a legal hold, from an earlier one's beginning on if there was one."""
        began = self.legal_hold_since or since
        return replace(self, legal_hold_since=began, legal_hold_reason=reason, updated_at=since)

    def released(self, at: datetime) -> "EventDataStore":
        """Return the store without a legal hold; one that was to end meanwhile can be restored for as long again."""
        deletion_at = self.deletion_at
        if deletion_at is not None:
            deletion_at = max(deletion_at, at + timedelta(days=PENDING_DELETION_DAYS))
        return replace(self, legal_hold_since=None, legal_hold_reason="", deletion_at=deletion_at, updated_at=at)

    @property
    def request_context_keys(self) -> tuple[str, ...]:
        """The condition keys whose values the store's events are enriched with."""
        asked = (one["Equals"] for one in self.context_key_selectors if one["Type"] == "RequestContext")
        return tuple(key for keys in asked for key in keys)

    def covers_region(self, region: str) -> bool:
        """Say whether live events of ``region`` are this store's to keep."""
        return self.is_multi_region or region == self.home_region

    def keeps_since(self, now: datetime) -> datetime:
        """Return the oldest event time that is kept at ``now``."""
        return now - timedelta(days=self.retention_days)

    def to_json(self) -> bytes:
        """Return the snapshot that a settings entry of the journal carries."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "EventDataStore":
        """Read a snapshot back; members that a newer release added take their defaults."""
        values = orjson.loads(data)
        known = {field.name for field in fields(cls)}
        store = cls(**{name: value for name, value in values.items() if name in known})
        deletion_at, held_since = values.get("deletion_at"), values.get("legal_hold_since")
        return replace(
            store,
            created_at=datetime.fromisoformat(values["created_at"]),
            updated_at=datetime.fromisoformat(values["updated_at"]),
            status=Status(store.status),
            status_before_deletion=Status(store.status_before_deletion),
            billing_mode=BillingMode(store.billing_mode),
            deletion_at=datetime.fromisoformat(deletion_at) if deletion_at else None,
            legal_hold_since=datetime.fromisoformat(held_since) if held_since else None,
            advanced_event_selectors=tuple(store.advanced_event_selectors),
            member_account_ids=tuple(store.member_account_ids),
            context_key_selectors=tuple(store.context_key_selectors),
            insight_selectors=tuple(store.insight_selectors),
        )


def event_data_store_arn(region: str, account_id: str, store_id: str) -> str:
    """Return the ARN of the event data store ``store_id`` whose home is ``region``."""
    return str(Arn(partition_of(region), "cloudtrail", region, account_id, f"eventdatastore/{store_id}"))


def is_event_data_store_arn(arn: str) -> bool:
    """Say whether an ARN is that of an event data store rather than of another resource."""
    return arn.rpartition(":")[2].startswith("eventdatastore/")


def kind_of_selectors(selectors: Sequence[Mapping[str, Any]]) -> EventDataStoreKind:
    """Return what a store with these checked selectors holds: they are all of one kind."""
    for field in selectors[0]["FieldSelectors"] if selectors else ():
        if field["Field"] == "eventCategory":
            return _KIND_OF_CATEGORY.get(field["Equals"][0], EventDataStoreKind.CLOUDTRAIL)
    return EventDataStoreKind.CLOUDTRAIL


def with_organization_of(store: EventDataStore, organization: Organization | None) -> EventDataStore:
    """Return an organization's store with its accounts as they are now; one whose account manages no organization (any
    more) becomes an ordinary store of that account."""
    if organization is None or organization.management_account_id != store.account_id:
        return replace(store, is_organization=False, member_account_ids=())
    accounts = tuple(account.account_id for account in organization.accounts)
    return replace(store, is_organization=True, member_account_ids=accounts)
