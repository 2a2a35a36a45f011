"""Keeps organization event data stores in step with the organization that the settings tell, as trails are kept."""

from collections.abc import Sequence

from opentrail.clock import Clock, Identifiers
from opentrail.event.encoding import encode_event
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.journal import EventEntry, Journal, SettingsEntry
from opentrail.record.service_events import OWN_SOURCE, service_event
from opentrail.resource.event_data_store import EventDataStore, with_organization_of
from opentrail.resource.organization import Organization

EVENT_NAME = "OrganizationEventDataStoreAccountsChanged"


async def settle_organization_stores(
    journal: Journal,
    stores: EventDataStores,
    organization: Organization | None,
    clock: Clock,
    identifiers: Identifiers,
) -> Sequence[str]:
    """Bring every organization store up to ``organization``; return the ARNs of those that changed.

    To be awaited while nobody else changes stores. Each change is on record ahead of its effect, in one transaction:
    events before it are kept for the accounts of before, events after it for those of now. Raises Unavailable.
    """
    changed = []
    for store in await stores.event_data_stores():
        if not store.is_organization:
            continue
        new = with_organization_of(store, organization)
        if new != store:
            event = _event(store, new, clock, identifiers.uuid())
            await journal.append([EventEntry(encode_event(event)), SettingsEntry(new.arn, new.to_json())])
            changed.append(new.arn)
    return changed


def _event(before: EventDataStore, after: EventDataStore, clock: Clock, event_id: str) -> dict[str, object]:
    old, new = set(before.account_ids), set(after.account_ids)
    details = {
        "eventDataStoreArn": after.arn,
        "organizationEnabled": after.is_organization,
        "addedAccounts": sorted(new - old),
        "removedAccounts": sorted(old - new),
    }
    return service_event(
        OWN_SOURCE,
        EVENT_NAME,
        details,
        after.account_id,
        after.home_region,
        clock.now(),
        event_id=event_id,
        resources=[("AWS::CloudTrail::EventDataStore", after.arn)],
    )
