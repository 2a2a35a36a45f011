"""Insight selectors of trails: put and get (reference: trails-and-delivery section 4, api section 2). Those of event
data stores are in ``store_insights``.

They are settings of the trail: kept, answered, and in force while the trail logs. What finds Insights follows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentrail.aws.cloudtrail.destinations import INSIGHTS, check_bucket
from opentrail.aws.cloudtrail.errors import (
    InsightNotEnabledException,
    InvalidInsightSelectorsException,
)
from opentrail.aws.cloudtrail.store_insights import get_store_insights, put_store_insights
from opentrail.aws.cloudtrail.targets import named_trail
from opentrail.aws.cloudtrail.trail_views import find_home_trail, find_trail
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.logged_kinds import LoggedKinds, logged_kinds
from opentrail.ports.journal import SettingsEntry
from opentrail.protocol import Parameters
from opentrail.resource.trail import Trail

CALL_RATE = "ApiCallRateInsight"
ERROR_RATE = "ApiErrorRateInsight"
INSIGHT_TYPES = (CALL_RATE, ERROR_RATE)

MANAGEMENT = "Management"
DATA = "Data"
EVENT_CATEGORIES = (MANAGEMENT, DATA)

Selectors = Sequence[Mapping[str, Any]]


def check_put_insight_selectors(parameters: Parameters) -> None:
    """Judge the selectors by themselves; raises InvalidInsightSelectors."""
    seen: set[str] = set()
    for selector in _selectors(parameters):
        insight_type = selector.get("InsightType", "")
        if insight_type not in INSIGHT_TYPES:
            raise InvalidInsightSelectorsException.unknown_type(insight_type, INSIGHT_TYPES)
        if insight_type in seen:
            raise InvalidInsightSelectorsException.repeated(insight_type)
        seen.add(insight_type)
        _check_categories(selector.get("EventCategories") or ())


async def prepare_put_insight_selectors(ports: ApiPorts, call: Call) -> Call:
    """Judge the whole call once, and prove that the trail's bucket takes Insights events, when there are to be any."""
    if not named_trail(call.parameters):
        return call
    trail = await _with_insights(ports, call)
    if trail.insight_selectors:
        await check_bucket(ports, trail, INSIGHTS)
    return call


async def put_insight_selectors(ports: ApiPorts, call: Call) -> Outcome:
    """Plan new insight selectors in place of the old ones; an empty list ends Insights. On record before it does."""
    if not named_trail(call.parameters):
        return await put_store_insights(ports, call, _with_categories(call.parameters))
    trail = await _with_insights(ports, call)
    return Outcome(_insights_of(trail), settings=(SettingsEntry(trail.arn, trail.to_json()),), weakens_record=True)


async def _with_insights(ports: ApiPorts, call: Call) -> Trail:
    trail = await find_home_trail(ports, call, named_trail(call.parameters))
    selectors = _with_categories(call.parameters)
    kinds = logged_kinds(trail.event_selectors, trail.advanced_event_selectors)
    for selector in selectors:
        _check_is_logged(selector, kinds)
    return replace(trail, insight_selectors=selectors)


async def get_insight_selectors(ports: ApiPorts, call: Call) -> Outcome:
    """Show a trail's insight selectors; a trail without any is refused with InsightNotEnabled."""
    given = named_trail(call.parameters)
    if not given:
        return await get_store_insights(ports, call)
    trail = await find_trail(ports, call, given)
    if not trail.insight_selectors:
        raise InsightNotEnabledException(trail.arn)
    return Outcome(_insights_of(trail))


def _selectors(parameters: Parameters) -> Selectors:
    selectors: Selectors = parameters.get("InsightSelectors", ())
    return selectors


def _check_categories(categories: Sequence[str]) -> None:
    for category in categories:
        if category not in EVENT_CATEGORIES:
            raise InvalidInsightSelectorsException.unknown_category(category, EVENT_CATEGORIES)
    if len(set(categories)) < len(categories):
        raise InvalidInsightSelectorsException.repeated(", ".join(categories))


def _with_categories(parameters: Parameters) -> tuple[dict[str, Any], ...]:
    return tuple(_with_category(selector) for selector in _selectors(parameters))


def _with_category(selector: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "InsightType": selector["InsightType"],
        "EventCategories": list(selector.get("EventCategories") or (MANAGEMENT,)),
    }


def _check_is_logged(selector: Mapping[str, Any], kinds: LoggedKinds) -> None:
    """Raise unless the trail logs what this kind of Insights is found in: call rates of management events are those
    of writes, all others count reads and writes."""
    insight_type = selector["InsightType"]
    for category in selector["EventCategories"]:
        if category == DATA:
            is_logged, wanted = kinds.data, "data"
        elif insight_type == CALL_RATE:
            is_logged, wanted = kinds.management_writes, "write management"
        else:
            is_logged, wanted = kinds.management, "management"
        if not is_logged:
            raise InvalidInsightSelectorsException.not_logged(insight_type, wanted)


def _insights_of(trail: Trail) -> Parameters:
    return {"TrailARN": trail.arn, "InsightSelectors": [dict(selector) for selector in trail.insight_selectors]}
