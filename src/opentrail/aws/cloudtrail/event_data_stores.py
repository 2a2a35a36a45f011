"""Event data stores: create to restore, start and stop (reference: lake-and-insights section 1, api section 5)."""

from dataclasses import replace
from datetime import timedelta

from opentrail.aws.cloudtrail.errors import (
    InvalidEventSelectorsException,
    InvalidParameterException,
    NotOrganizationMasterAccountException,
    OperationNotPermittedException,
)
from opentrail.aws.cloudtrail.event_data_store_views import (
    find_active_store,
    find_home_store,
    store_description,
    store_settings,
    visible_stores,
)
from opentrail.aws.cloudtrail.import_errors import EventDataStoreHasOngoingImportException
from opentrail.aws.cloudtrail.lake_errors import (
    ChannelExistsForEDSException,
    EventDataStoreAlreadyExistsException,
    EventDataStoreMaxLimitExceededException,
    EventDataStoreTerminationProtectedException,
    InvalidEventDataStoreCategoryException,
    InvalidEventDataStoreStatusException,
)
from opentrail.aws.cloudtrail.names import check_kms_key
from opentrail.aws.cloudtrail.organization_trails import administered_organization
from opentrail.aws.cloudtrail.page_tokens import page_of
from opentrail.aws.cloudtrail.query_access import shared_store
from opentrail.aws.cloudtrail.store_insights import check_insights_of_store
from opentrail.aws.cloudtrail.store_keys import store_with_key
from opentrail.aws.cloudtrail.tag_rules import tags_of_new_store, wire_tags
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.selectors import InvalidSelector, check_event_data_store_selectors
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_data_store import (
    DEFAULT_SELECTORS,
    PENDING_DELETION_DAYS,
    BillingMode,
    EventDataStore,
    EventDataStoreKind,
    Status,
    event_data_store_arn,
    kind_of_selectors,
    with_organization_of,
)

STORES_PER_REGION = 10
"""CloudTrail's quota, whatever their status; a multi-Region store counts in every Region."""

_STOPPABLE = frozenset({EventDataStoreKind.CLOUDTRAIL, EventDataStoreKind.CONFIGURATION_ITEM})
"""Kinds whose ingestion can be stopped and started."""

_UPDATABLE = (
    "Name",
    "AdvancedEventSelectors",
    "MultiRegionEnabled",
    "OrganizationEnabled",
    "RetentionPeriod",
    "TerminationProtectionEnabled",
    "KmsKeyId",
    "BillingMode",
)


async def create_event_data_store(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new event data store, which collects from now on unless it is told not to."""
    parameters = call.parameters
    tags = tags_of_new_store(parameters.get("TagsList", ()))
    owner = _owner_of_new_store(ports, call)
    blank = EventDataStore(
        arn=event_data_store_arn(call.region, owner, ports.identifiers.uuid()),
        name=parameters["Name"],
        account_id=owner,
        home_region=call.region,
        created_at=call.received_at,
        updated_at=call.received_at,
        retention_days=BillingMode(parameters.get("BillingMode", BillingMode.EXTENDABLE)).default_retention_days,
    )
    store = _store_with_parameters(ports, call, blank)
    if not parameters.get("StartIngestion", True):
        if store.kind not in _STOPPABLE:
            raise InvalidParameterException.ingestion_not_stoppable(store.kind)
        store = replace(store, status=Status.STOPPED_INGESTION)
    await _check_store_name(ports, store)
    full_region = await _region_full_of_stores(ports, store)
    if full_region:
        raise EventDataStoreMaxLimitExceededException(owner, STORES_PER_REGION, full_region)
    store = await store_with_key(ports, call, store)

    async def set_tags() -> None:
        await ports.trails.set_tags(store.arn, tags)

    output = store_settings(replace(store, status=Status.CREATED)) | {"TagsList": wire_tags(tags)}
    return Outcome(output, settings=(_store_entry(store),), before=set_tags)


async def get_event_data_store(ports: ApiPorts, call: Call) -> Outcome:
    """Show one event data store, whatever its status: the account's own, or one whose policy lets the caller see it."""
    return Outcome(store_description(await shared_store(ports, call, call.parameters["EventDataStore"])))


async def list_event_data_stores(ports: ApiPorts, call: Call) -> Outcome:
    """List the event data stores of the called Region: ARN and name, as CloudTrail answers today."""
    page, token = page_of(call, await visible_stores(ports, call), lambda store: store.arn)
    listed = [{"EventDataStoreArn": store.arn, "Name": store.name} for store in page]
    return Outcome({"EventDataStores": listed, **token})


async def update_event_data_store(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the change of the given members; the others stay. On record before it takes effect."""
    current = await find_active_store(ports, call, call.parameters["EventDataStore"])
    if not any(member in call.parameters for member in _UPDATABLE):
        raise InvalidParameterException.nothing_to_update()
    if ports.imports.is_running_into(current.arn):
        raise EventDataStoreHasOngoingImportException(current.arn)
    store = replace(_store_with_parameters(ports, call, current), updated_at=call.received_at)
    check_insights_of_store(store, store.insight_selectors)
    if store.name != current.name:
        await _check_store_name(ports, store)
    if store.is_multi_region and not current.is_multi_region:
        full_region = await _region_full_of_stores(ports, store)
        if full_region:
            raise OperationNotPermittedException.too_many_stores(store.account_id, STORES_PER_REGION, full_region)
    store = await store_with_key(ports, call, store)
    output = store_settings(store) | {"FederationStatus": "DISABLED"}
    return Outcome(output, settings=(_store_entry(store),), weakens_record=True)


async def delete_event_data_store(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of an event data store in seven days, until when it can be restored; it collects no more."""
    store = await find_active_store(ports, call, call.parameters["EventDataStore"])
    if store.is_termination_protected:
        raise EventDataStoreTerminationProtectedException(store.arn)
    if store.is_held:
        raise OperationNotPermittedException.under_legal_hold(store.arn)
    if ports.imports.is_running_into(store.arn):
        raise EventDataStoreHasOngoingImportException(store.arn)
    for channel in await ports.event_data_stores.channels(store.account_id):
        if store.arn in channel.event_data_stores:
            raise ChannelExistsForEDSException(store.arn, channel.arn)
    ending = replace(
        store,
        status=Status.PENDING_DELETION,
        status_before_deletion=store.status,
        deletion_at=call.received_at + timedelta(days=PENDING_DELETION_DAYS),
        updated_at=call.received_at,
    )
    return Outcome(settings=(_store_entry(ending),), weakens_record=True)


async def restore_event_data_store(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the return of an event data store that is pending deletion to the status that it had."""
    store = await find_home_store(ports, call, call.parameters["EventDataStore"])
    if not store.is_pending_deletion:
        raise InvalidEventDataStoreStatusException(store.arn, store.status, Status.PENDING_DELETION)
    restored = replace(store, status=store.status_before_deletion, deletion_at=None, updated_at=call.received_at)
    return Outcome(store_settings(restored), settings=(_store_entry(restored),))


async def start_event_data_store_ingestion(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a stopped event data store collects again."""
    return await _store_with_status(ports, call, Status.STOPPED_INGESTION, Status.ENABLED)


async def stop_event_data_store_ingestion(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that an event data store collects no more. On record before it takes effect."""
    outcome = await _store_with_status(ports, call, Status.ENABLED, Status.STOPPED_INGESTION)
    return replace(outcome, weakens_record=True)


async def _store_with_status(ports: ApiPorts, call: Call, before: Status, after: Status) -> Outcome:
    store = await find_home_store(ports, call, call.parameters["EventDataStore"])
    if store.kind not in _STOPPABLE:
        raise InvalidEventDataStoreCategoryException(store.arn, store.kind)
    if store.status is not before:
        raise InvalidEventDataStoreStatusException(store.arn, store.status, before)
    return Outcome(settings=(_store_entry(replace(store, status=after, updated_at=call.received_at)),))


def _store_entry(store: EventDataStore) -> SettingsEntry:
    return SettingsEntry(store.arn, store.to_json())


def _owner_of_new_store(ports: ApiPorts, call: Call) -> str:
    if not call.parameters.get("OrganizationEnabled", False):
        return call.account_id
    return administered_organization(ports, call).management_account_id


def _store_with_parameters(ports: ApiPorts, call: Call, store: EventDataStore) -> EventDataStore:
    """Return ``store`` with the members that Create- or UpdateEventDataStore was given, all of them judged."""
    parameters = call.parameters
    if "KmsKeyId" in parameters:
        check_kms_key(parameters["KmsKeyId"])
    changed = replace(
        store,
        name=parameters.get("Name", store.name),
        advanced_event_selectors=_store_selectors(call, store),
        is_multi_region=parameters.get("MultiRegionEnabled", store.is_multi_region),
        is_termination_protected=parameters.get("TerminationProtectionEnabled", store.is_termination_protected),
        billing_mode=_billing_mode(call, store),
        retention_days=parameters.get("RetentionPeriod", store.retention_days),
    )
    longest = changed.billing_mode.max_retention_days
    if changed.retention_days > longest:
        raise InvalidParameterException.retention_too_long(longest, changed.billing_mode)
    return _organized_store(ports, call, changed)


def _store_selectors(call: Call, store: EventDataStore) -> tuple[dict[str, object], ...]:
    given = call.parameters.get("AdvancedEventSelectors", ())
    if not given:
        return store.advanced_event_selectors or DEFAULT_SELECTORS
    try:
        check_event_data_store_selectors(given)
    except InvalidSelector as error:
        raise InvalidEventSelectorsException(str(error)) from error
    is_update = call.operation.name == "UpdateEventDataStore"
    if is_update and kind_of_selectors(given) is not store.kind:
        raise InvalidEventSelectorsException.other_category(store.kind)
    return tuple(dict(selector) for selector in given)


def _billing_mode(call: Call, store: EventDataStore) -> BillingMode:
    given = BillingMode(call.parameters.get("BillingMode", store.billing_mode))
    is_update = call.operation.name == "UpdateEventDataStore"
    if is_update and given is BillingMode.FIXED and store.billing_mode is BillingMode.EXTENDABLE:
        raise InvalidParameterException.billing_mode_change(store.billing_mode, given)
    return given


def _organized_store(ports: ApiPorts, call: Call, store: EventDataStore) -> EventDataStore:
    asked: bool = call.parameters.get("OrganizationEnabled", store.is_organization)
    if not asked and not store.is_organization:
        return store
    organization = administered_organization(ports, call)
    if asked and store.kind is EventDataStoreKind.ACTIVITY_AUDIT_LOG:
        raise InvalidParameterException.no_organization_category(store.kind)
    is_conversion = call.operation.name == "UpdateEventDataStore" and asked != store.is_organization
    if is_conversion and call.account_id != organization.management_account_id:
        raise NotOrganizationMasterAccountException
    return with_organization_of(store, organization if asked else None)


async def _check_store_name(ports: ApiPorts, store: EventDataStore) -> None:
    for other in await ports.event_data_stores.event_data_stores(store.account_id):
        if other.name == store.name and other.home_region == store.home_region and other.arn != store.arn:
            raise EventDataStoreAlreadyExistsException(store.name)


async def _region_full_of_stores(ports: ApiPorts, store: EventDataStore) -> str:
    """Return a Region in which ``store`` would be one too many, or ""; its home Region comes first."""
    listed = await ports.event_data_stores.event_data_stores(store.account_id)
    others = [other for other in listed if other.arn != store.arn]
    homes = sorted({other.home_region for other in others}) if store.is_multi_region else []
    for region in [store.home_region, *homes]:
        if sum(other.covers_region(region) for other in others) >= STORES_PER_REGION:
            return region
    return ""
