"""Event configuration of trails: which aggregations of data events are wanted (reference: api section 2).

A setting of the trail: kept and answered. What aggregates follows it. Event size and context keys are settings of event
data stores, and refused for a trail.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opentrail.aws.cloudtrail.errors import (
    InvalidParameterCombinationException,
    InvalidParameterException,
    OperationNotPermittedException,
)
from opentrail.aws.cloudtrail.event_data_store_views import find_store
from opentrail.aws.cloudtrail.targets import named_trail
from opentrail.aws.cloudtrail.trail_views import find_home_trail, find_trail
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.logged_kinds import logged_kinds
from opentrail.ports.journal import SettingsEntry
from opentrail.protocol import Parameters
from opentrail.resource.trail import Trail

_OF_EVENT_DATA_STORES = ("MaxEventSize", "ContextKeySelectors")


async def put_event_configuration(ports: ApiPorts, call: Call) -> Outcome:
    """Plan new aggregations in place of the old ones; an empty list ends them. On record before it does."""
    given = await _configured_target(ports, call)
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
    """Show a trail's aggregations, an empty list when there are none."""
    return Outcome(_configuration_of(await find_trail(ports, call, await _configured_target(ports, call))))


async def _configured_target(ports: ApiPorts, call: Call) -> str:
    """Return the trail that the call means; event data stores have nothing to configure here."""
    given = named_trail(call.parameters)
    if not given:
        await find_store(ports, call, call.parameters["EventDataStore"])
        raise OperationNotPermittedException.not_for_event_data_stores(call.operation.name)
    return given


def _configuration(given: Mapping[str, Any]) -> dict[str, Any]:
    if len(set(given["Templates"])) < len(given["Templates"]):
        raise InvalidParameterException.repeated_template()
    return {"EventCategory": given["EventCategory"], "Templates": list(given["Templates"])}


def _configuration_of(trail: Trail) -> Parameters:
    return {
        "TrailARN": trail.arn,
        "AggregationConfigurations": [dict(item) for item in trail.aggregation_configurations],
    }
