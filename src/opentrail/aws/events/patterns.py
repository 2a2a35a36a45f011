"""TestEventPattern: whether an event pattern picks an event, by the code that rules are matched with."""

import asyncio
from typing import Any

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import InvalidEventPatternException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import json_object
from opentrail.pattern.languages import read_rule

REQUIRED_MEMBERS = frozenset({"id", "account", "source", "time", "region", "resources", "detail-type"})
"""What the API reference wants of an event to test."""


async def test_event_pattern(ports: ApiPorts, call: Call) -> Outcome:
    """Say whether the pattern picks the event; the event is judged first, then the pattern."""
    pattern, event = call.parameters["EventPattern"], call.parameters["Event"]
    return Outcome({"Result": await asyncio.to_thread(_picks, pattern, event)})


def _picks(pattern: str, text: str) -> bool:
    event = _event(text)
    try:
        return read_rule("event-pattern", pattern).matches(event)
    except InvalidPattern as error:
        raise InvalidEventPatternException(str(error)) from error


def _event(text: str) -> dict[str, Any]:
    event = json_object(text)
    if event is None or not event.keys() >= REQUIRED_MEMBERS:
        raise ValidationFailed("Parameter Event is not valid.")
    return event
