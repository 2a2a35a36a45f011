"""Insight selectors of event data stores, and where their Insights go (reference: api section 2).

They are settings of the source store: kept, answered, and in force while it collects. What finds Insights follows them,
and its findings go to the destination, a store of Insights events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentrail.aws.cloudtrail.errors import (
    InsightNotEnabledException,
    InvalidInsightSelectorsException,
    InvalidParameterException,
    NotOrganizationMasterAccountException,
    OperationNotPermittedException,
)
from opentrail.aws.cloudtrail.event_data_store_views import store_named
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.logged_kinds import logged_kinds
from opentrail.ports.journal import SettingsEntry
from opentrail.protocol import Parameters
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind

Selectors = Sequence[Mapping[str, Any]]


async def put_store_insights(ports: ApiPorts, call: Call, selectors: Selectors) -> Outcome:
    """Plan new insight selectors of a store in place of the old ones; none end its Insights. On record before that."""
    source = await _home_store(ports, call)
    destination = ""
    if selectors:
        check_insights_of_store(source, selectors)
        destination = await _destination(ports, call, source)
    changed = replace(
        source,
        insight_selectors=tuple(dict(selector) for selector in selectors),
        insights_destination=destination,
        updated_at=call.received_at,
    )
    settings = (SettingsEntry(changed.arn, changed.to_json()),)
    return Outcome(_store_insights(changed), settings=settings, weakens_record=True)


async def get_store_insights(ports: ApiPorts, call: Call) -> Outcome:
    """Show a store's insight selectors; a store without any is refused with InsightNotEnabled."""
    store = await _visible_store(ports, call, call.parameters["EventDataStore"])
    if not store.insight_selectors:
        raise InsightNotEnabledException(store.arn)
    return Outcome(_store_insights(store))


def check_insights_of_store(store: EventDataStore, selectors: Selectors) -> None:
    """Raise InvalidInsightSelectors unless the store collects what its Insights are found in: management events, for
    call rates those of writes."""
    kinds = logged_kinds((), store.advanced_event_selectors)
    for selector in selectors:
        insight_type, categories = selector["InsightType"], selector["EventCategories"]
        if categories != ["Management"]:
            raise InvalidInsightSelectorsException.not_of_event_data_stores(", ".join(categories))
        is_logged = kinds.management_writes if insight_type == "ApiCallRateInsight" else kinds.management
        if not is_logged:
            raise InvalidInsightSelectorsException.not_collected(insight_type)


async def _home_store(ports: ApiPorts, call: Call) -> EventDataStore:
    store = await _visible_store(ports, call, call.parameters["EventDataStore"])
    if store.home_region != call.region:
        raise OperationNotPermittedException.not_in_home_region(store.arn, store.home_region)
    if store.is_pending_deletion:
        raise InvalidParameterException.inactive_event_data_store(store.arn)
    if store.kind is not EventDataStoreKind.CLOUDTRAIL:
        raise InvalidParameterException.no_insights_source(store.arn, store.kind)
    if store.account_id != call.account_id:
        raise NotOrganizationMasterAccountException
    return store


async def _destination(ports: ApiPorts, call: Call, source: EventDataStore) -> str:
    given = call.parameters.get("InsightsDestination", "")
    if not given:
        raise InvalidParameterException.no_insights_destination()
    destination = await _visible_store(ports, call, given)
    if destination.kind is not EventDataStoreKind.INSIGHT or destination.account_id != source.account_id:
        raise InvalidParameterException.bad_insights_destination(destination.arn, destination.kind)
    if not destination.is_ingesting:
        raise InvalidParameterException.inactive_event_data_store(destination.arn)
    return destination.arn


async def _visible_store(ports: ApiPorts, call: Call, given: str) -> EventDataStore:
    """Return a store; these operations have no error of their own for one that is not there."""
    store = await store_named(ports, call, given)
    if store is None:
        raise InvalidParameterException.no_event_data_store(given)
    return store


def _store_insights(store: EventDataStore) -> Parameters:
    members: Parameters = {
        "EventDataStoreArn": store.arn,
        "InsightSelectors": [dict(selector) for selector in store.insight_selectors],
    }
    return members | ({"InsightsDestination": store.insights_destination} if store.insights_destination else {})
