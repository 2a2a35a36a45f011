"""Event data stores as operations show them, and how a caller's ARN or id finds one."""

import re
from collections.abc import Sequence

from opentrail.aws.cloudtrail.errors import (
    EventDataStoreARNInvalidException,
    EventDataStoreNotFoundException,
    OperationNotPermittedException,
)
from opentrail.aws.cloudtrail.lake_errors import InactiveEventDataStoreException
from opentrail.aws.service import ApiPorts, Call
from opentrail.protocol import Parameters
from opentrail.resource.event_data_store import EventDataStore
from opentrail.resource.lake_columns import PARTITION_COLUMN

_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_REFERENCE = re.compile(rf"(arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:\d{{12}}:eventdatastore/)?(?P<id>{_ID})", re.ASCII)


def store_settings(store: EventDataStore) -> Parameters:
    """Return the members that all operations which describe an event data store have."""
    members: Parameters = {
        "EventDataStoreArn": store.arn,
        "Name": store.name,
        "Status": str(store.status),
        "AdvancedEventSelectors": list(store.advanced_event_selectors),
        "MultiRegionEnabled": store.is_multi_region,
        "OrganizationEnabled": store.is_organization,
        "RetentionPeriod": store.retention_days,
        "TerminationProtectionEnabled": store.is_termination_protected,
        "CreatedTimestamp": store.created_at,
        "UpdatedTimestamp": store.updated_at,
        "BillingMode": str(store.billing_mode),
    }
    return members | ({"KmsKeyId": store.kms_key_id} if store.kms_key_id else {})


def store_description(store: EventDataStore) -> Parameters:
    """Return what GetEventDataStore answers."""
    keys = [{"Name": PARTITION_COLUMN, "Type": "string"}]
    return store_settings(store) | {"FederationStatus": "DISABLED", "PartitionKeys": keys}


async def visible_stores(ports: ApiPorts, call: Call) -> Sequence[EventDataStore]:
    """Return every event data store that the caller's account sees in the called Region, by ARN: its own, and those of
    the organization that it administers. Stores of all Regions show in each."""
    organization = ports.organization
    owners = {call.account_id}
    if organization is not None and organization.is_administrator(call.account_id):
        owners.add(organization.management_account_id)
    found = [store for owner in sorted(owners) for store in await ports.event_data_stores.event_data_stores(owner)]
    return sorted(
        (
            store
            for store in found
            if not store.is_gone(call.received_at)
            and store.covers_region(call.region)
            and (store.account_id == call.account_id or store.is_organization)
        ),
        key=lambda store: store.arn,
    )


def is_store_reference(given: str) -> bool:
    """Say whether ``given`` has the form of an event data store's ARN or id."""
    return _REFERENCE.fullmatch(given) is not None


async def store_named(ports: ApiPorts, call: Call, given: str) -> EventDataStore | None:
    """Return the event data store that an ARN or an id names, None when the account sees none here."""
    visible = await visible_stores(ports, call) if is_store_reference(given) else ()
    return next((store for store in visible if given in (store.arn, store.id)), None)


async def find_store(ports: ApiPorts, call: Call, given: str) -> EventDataStore:
    """Return the event data store that an ARN or an id names; raises EventDataStoreARNInvalid,
    EventDataStoreNotFound."""
    store = await store_named(ports, call, given)
    if store is None:
        if not is_store_reference(given):
            raise EventDataStoreARNInvalidException(given)
        raise EventDataStoreNotFoundException(given)
    return store


async def find_home_store(ports: ApiPorts, call: Call, given: str) -> EventDataStore:
    """Return the event data store to change, from its home Region only; raises OperationNotPermitted too."""
    store = await find_store(ports, call, given)
    if store.home_region != call.region:
        raise OperationNotPermittedException.not_in_home_region(store.arn, store.home_region)
    return store


async def find_active_store(ports: ApiPorts, call: Call, given: str) -> EventDataStore:
    """Return the event data store to change, which must not be pending deletion; raises InactiveEventDataStore too."""
    store = await find_home_store(ports, call, given)
    if store.is_pending_deletion:
        raise InactiveEventDataStoreException(store.arn)
    return store
