"""Event configuration: which aggregations of data events a trail wants, and how large events a data store takes
(reference: api section 2).

Settings of the trail and of the store: kept and answered. What aggregates follows a trail's. Events are recorded within
256 KB, which a store of either size takes whole. What a store keeps from a change on has the context keys that it asks
for (``deliver.lake``); those that nobody here can tell are refused by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentrail.aws.cloudtrail.errors import (
    InvalidParameterCombinationException,
    InvalidParameterException,
    OperationNotPermittedException,
)
from opentrail.aws.cloudtrail.event_data_store_views import find_active_store, find_store
from opentrail.aws.cloudtrail.lake_errors import (
    InvalidEventDataStoreCategoryException,
    InvalidEventDataStoreStatusException,
)
from opentrail.aws.cloudtrail.targets import named_trail
from opentrail.aws.cloudtrail.trail_views import find_home_trail, find_trail
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.event.context_keys import REQUEST_CONTEXT_KEYS, UNKNOWN_CONTEXT_KEYS
from opentrail.pattern.logged_kinds import logged_kinds
from opentrail.ports.journal import SettingsEntry
from opentrail.protocol import Parameters
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind, Status
from opentrail.resource.trail import Trail

_OF_EVENT_DATA_STORES = ("MaxEventSize", "ContextKeySelectors")
_PRINCIPAL_TAG = "aws:PrincipalTag/"


async def put_event_configuration(ports: ApiPorts, call: Call) -> Outcome:
    """Plan new aggregations in place of the old ones; an empty list ends them. On record before it does."""
    given = named_trail(call.parameters)
    if not given:
        return await _put_store_configuration(ports, call)
    for member in _OF_EVENT_DATA_STORES:
        if member in call.parameters:
            raise InvalidParameterCombinationException.not_for_trails(member)
    if "AggregationConfigurations" not in call.parameters:
        raise InvalidParameterException.no_event_configuration()
    wanted = tuple(_configuration(item) for item in call.parameters["AggregationConfigurations"])
    trail = await find_home_trail(ports, call, given)
    if wanted and not logged_kinds(trail.event_selectors, trail.advanced_event_selectors).data:
        raise InvalidParameterCombinationException.aggregation_without_data_events()
    changed = replace(trail, aggregation_configurations=wanted)
    return Outcome(
        _configuration_of(changed), settings=(SettingsEntry(trail.arn, changed.to_json()),), weakens_record=True
    )


async def get_event_configuration(ports: ApiPorts, call: Call) -> Outcome:
    """Show a trail's aggregations, an empty list when there are none, or a store's event size and context keys."""
    given = named_trail(call.parameters)
    if given:
        return Outcome(_configuration_of(await find_trail(ports, call, given)))
    store = await find_store(ports, call, call.parameters["EventDataStore"])
    _check_is_configurable(store)
    return Outcome(_store_configuration(store))


async def _put_store_configuration(ports: ApiPorts, call: Call) -> Outcome:
    given = call.parameters
    store = await find_active_store(ports, call, given["EventDataStore"])
    _check_is_configurable(store)
    if "AggregationConfigurations" in given:
        raise InvalidParameterCombinationException.not_for_event_data_stores("AggregationConfigurations")
    if not any(member in given for member in _OF_EVENT_DATA_STORES):
        raise InvalidParameterException.no_store_configuration()
    is_large = given["MaxEventSize"] == "Large" if "MaxEventSize" in given else store.is_large_event
    selectors = _context_keys(given["ContextKeySelectors"]) if "ContextKeySelectors" in given else None
    if selectors is None:
        selectors = store.context_key_selectors
    if selectors and not is_large:
        raise InvalidParameterCombinationException.context_keys_of_standard_events()
    changed = replace(store, is_large_event=is_large, context_key_selectors=selectors, updated_at=call.received_at)
    settings = (SettingsEntry(changed.arn, changed.to_json()),)
    return Outcome(_store_configuration(changed), settings=settings, weakens_record=True)


def _context_keys(given: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    types = [selector["Type"] for selector in given]
    if len(set(types)) < len(types):
        raise InvalidParameterException.repeated_context_type()
    for selector in given:
        keys = selector["Equals"]
        if selector["Type"] == "TagContext":
            raise OperationNotPermittedException.no_tag_context()
        for key in keys:
            if key in UNKNOWN_CONTEXT_KEYS or key.startswith(_PRINCIPAL_TAG):
                raise OperationNotPermittedException.unknown_context_key(key)
            if key not in REQUEST_CONTEXT_KEYS:
                raise InvalidParameterException.not_a_context_key(key)
        if len(set(keys)) < len(keys):
            raise InvalidParameterException.repeated_context_key()
    return tuple({"Type": selector["Type"], "Equals": list(selector["Equals"])} for selector in given)


def _check_is_configurable(store: EventDataStore) -> None:
    if store.is_pending_deletion:
        raise InvalidEventDataStoreStatusException(store.arn, store.status, Status.ENABLED)
    if store.kind is not EventDataStoreKind.CLOUDTRAIL:
        raise InvalidEventDataStoreCategoryException(store.arn, store.kind)


def _store_configuration(store: EventDataStore) -> Parameters:
    return {
        "EventDataStoreArn": store.arn,
        "MaxEventSize": "Large" if store.is_large_event else "Standard",
        "ContextKeySelectors": [dict(selector) for selector in store.context_key_selectors],
    }


def _configuration(given: Mapping[str, Any]) -> dict[str, Any]:
    if len(set(given["Templates"])) < len(given["Templates"]):
        raise InvalidParameterException.repeated_template()
    return {"EventCategory": given["EventCategory"], "Templates": list(given["Templates"])}


def _configuration_of(trail: Trail) -> Parameters:
    return {
        "TrailARN": trail.arn,
        "AggregationConfigurations": [dict(item) for item in trail.aggregation_configurations],
    }
