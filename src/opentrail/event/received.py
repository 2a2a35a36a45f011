"""Events that others built: what must hold before one is taken in and delivered on.

CloudTrail's own records of every kind pass: API calls, service events, console actions and sign-ins, network activity.
The rules are the table of members (``data/fields.json``) and what the user guide says of each kind.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from opentrail.event import Event
from opentrail.event.fields import CATEGORIES_OF_TYPE, FIELDS, Field, in_order, minor_version
from opentrail.event.limits import bound_event

MAX_PROBLEMS = 10
"""Told of one event; a broken source breaks all its events alike."""

VPCE_DENIED = "VpceAccessDenied"
"""The one error of network activity events."""

SIGN_IN_SOURCE = "signin.amazonaws.com"

TYPE_SINCE, CATEGORY_SINCE = FIELDS["eventType"].since, FIELDS["eventCategory"].since


_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class InvalidEvent(ValueError):
    """What was delivered is no event; ``problems`` are sentences without a value of the event's in them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def receive(delivered: object) -> tuple[Event, bytes]:
    """Return a delivered event in CloudTrail's order and within its limits, and its JSON; raises InvalidEvent.

    Members that no table knows are kept, behind the others: newer versions may only add. Nothing is redacted, for
    what CloudTrail delivered it redacted itself.
    """
    problems = problems_of(delivered)
    if problems or not isinstance(delivered, dict):
        raise InvalidEvent(problems)
    event = in_order(delivered)
    return event, bound_event(event)


def problems_of(delivered: object) -> list[str]:
    """Return what is wrong with a delivered event, at most MAX_PROBLEMS; empty when it may be taken in."""
    if not isinstance(delivered, dict):
        return ["an event is an object"]
    try:
        version = minor_version(str(delivered.get("eventVersion")))
    except ValueError:
        return ["eventVersion is not 1.x"]
    found = [*_member_problems(delivered, version)]
    if not found:
        found = [*_kind_problems(delivered, version), *_value_problems(delivered)]
    return found[:MAX_PROBLEMS]


def _member_problems(event: Mapping[str, Any], version: int) -> Iterator[str]:
    is_network = event.get("eventCategory") == "NetworkActivity"
    for field in FIELDS.values():
        if field.name in event:
            if is_network and not field.is_of_network_activity:
                yield f"network activity events have no {field.name}"
            elif not _is_of_kind(field, event[field.name]):
                yield f"{field.name} is no {field.kind}"
        elif field.is_required and field.since <= version and (field.is_of_network_activity or not is_network):
            yield f"{field.name} is missing"


def _kind_problems(event: Mapping[str, Any], version: int) -> Iterator[str]:
    kind, category = event.get("eventType"), event.get("eventCategory", "Management")
    categories = CATEGORIES_OF_TYPE.get(str(kind), ())
    if kind is None and version < TYPE_SINCE:
        return
    if not categories:
        yield "eventType is none of CloudTrail's"
    elif category not in categories and version >= CATEGORY_SINCE:
        yield f"eventCategory is none of those of {kind}"
    if "managementEvent" in event and event["managementEvent"] is not (category == "Management"):
        yield "managementEvent and eventCategory disagree"
    if kind == "AwsConsoleSignIn" and event.get("eventSource") != SIGN_IN_SOURCE:
        yield f"the eventSource of sign-ins is {SIGN_IN_SOURCE}"
    if category == "NetworkActivity":
        if event.get("errorCode", VPCE_DENIED) != VPCE_DENIED:
            yield f"the errorCode of network activity events is {VPCE_DENIED}"
        yield from (f"{name} is missing" for name in ("sharedEventID", "vpcEndpointId") if name not in event)


def _value_problems(event: Mapping[str, Any]) -> Iterator[str]:
    if not _is_time(event["eventTime"]):
        yield "eventTime is no time in UTC to the second"
    for name in ("eventSource", "eventName", "awsRegion", "eventID"):
        if not 0 < len(event.get(name, "-")) <= 256:
            yield f"{name} has no length from 1 to 256"


def _is_time(text: str) -> bool:
    try:
        return _TIME.fullmatch(text) is not None and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_of_kind(field: Field, value: object) -> bool:
    return any(_KINDS[kind](value) for kind in field.kind.split(" or "))


_KINDS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
