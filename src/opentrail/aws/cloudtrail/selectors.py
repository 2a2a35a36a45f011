"""Event selectors of trails: put and get. Their rules and messages are ``pattern.selectors``'."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentrail.aws.cloudtrail.errors import InvalidEventSelectorsException
from opentrail.aws.cloudtrail.trail_views import find_home_trail, find_trail
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.narrowing import Narrowing, narrowing
from opentrail.pattern.narrowing import Selectors as Picked
from opentrail.pattern.selectors import InvalidSelector, check_advanced_event_selectors, check_event_selectors
from opentrail.ports.journal import SettingsEntry
from opentrail.protocol import Parameters
from opentrail.resource.trail import DEFAULT_EVENT_SELECTORS, Trail

Selectors = Sequence[Mapping[str, Any]]


def check_put_event_selectors(parameters: Parameters) -> None:
    """Judge basic selectors ahead of the model's constraints: CloudTrail answers a bad ReadWriteType with an error of
    its own. Raises InvalidEventSelectors."""
    basic: Selectors = parameters.get("EventSelectors", ())
    if basic and not parameters.get("AdvancedEventSelectors"):
        _judge(check_event_selectors, basic)


async def put_event_selectors(ports: ApiPorts, call: Call) -> Outcome:
    """Plan new selectors, which replace both kinds of the old ones. On record before they take effect, with a word on
    whether they leave out what the old ones picked."""
    basic: Selectors = call.parameters.get("EventSelectors", ())
    advanced: Selectors = call.parameters.get("AdvancedEventSelectors", ())
    trail = await find_home_trail(ports, call, call.parameters["TrailName"])
    if not basic and not advanced:
        raise InvalidEventSelectorsException.none_given()
    if basic and advanced:
        raise InvalidEventSelectorsException.both_given()
    if advanced:
        _judge(check_advanced_event_selectors, advanced)
    else:
        _judge(check_event_selectors, basic)
    selected = replace(
        trail,
        event_selectors=tuple(_with_defaults(selector) for selector in basic),
        advanced_event_selectors=tuple(dict(selector) for selector in advanced),
        has_custom_event_selectors=True,
    )
    said = await asyncio.to_thread(narrowing, _picked(trail), _picked(selected))
    return Outcome(
        _selectors_of(selected),
        settings=(SettingsEntry(trail.arn, selected.to_json()),),
        weakens_record=True,
        notes={"selectors": str(said)} if said is not Narrowing.NONE else {},
    )


async def get_event_selectors(ports: ApiPorts, call: Call) -> Outcome:
    """Show the selectors in force; a trail whose selectors were never put has the default basic one."""
    return Outcome(_selectors_of(await find_trail(ports, call, call.parameters["TrailName"])))


def _judge(check: Callable[[Selectors], None], selectors: Selectors) -> None:
    try:
        check(selectors)
    except InvalidSelector as error:
        raise InvalidEventSelectorsException(str(error)) from error


def _with_defaults(selector: Mapping[str, Any]) -> dict[str, Any]:
    return dict(DEFAULT_EVENT_SELECTORS[0]) | dict(selector)


def _picked(trail: Trail) -> Picked:
    return Picked(trail.event_selectors, trail.advanced_event_selectors)


def _selectors_of(trail: Trail) -> Parameters:
    if trail.advanced_event_selectors:
        return {"TrailARN": trail.arn, "AdvancedEventSelectors": list(trail.advanced_event_selectors)}
    return {"TrailARN": trail.arn, "EventSelectors": list(trail.event_selectors)}
