"""LookupEvents attributes as rules: every attribute given must be the event's, and all of them are joined by AND.

Attributes such as Username are derived from an event (``event.lookup_attributes``), so the predicate is over a view:
each attribute key with the list of its values. A store that keeps them in columns maps those paths to its columns.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from opentrail.event import Event
from opentrail.event.lookup_attributes import lookup_attributes
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.ir import AnyElement, Field, Predicate, all_of
from opentrail.pattern.values import text_in

ATTRIBUTE_KEYS = (
    "EventId",
    "EventName",
    "ReadOnly",
    "Username",
    "ResourceType",
    "ResourceName",
    "EventSource",
    "AccessKeyId",
)

MAX_ATTRIBUTES = 100
"""Attributes of one lookup; CloudTrail takes one."""


class InvalidLookupAttribute(InvalidPattern):
    """An attribute that CloudTrail refuses with InvalidLookupAttributesException."""


def parse_lookup_attributes(attributes: Sequence[Mapping[str, str]]) -> Predicate:
    """Return the predicate over ``lookup_view`` of attributes in wire form. Raises InvalidLookupAttribute."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidLookupAttribute(f"You can specify at most {MAX_ATTRIBUTES} lookup attributes.")
    return all_of(_attribute(attribute) for attribute in attributes)


def lookup_view(event: Event) -> dict[str, list[str]]:
    """Return what an event can be looked up by: attribute key -> values."""
    view: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in lookup_attributes(event):
        view[key].append(value)
    return dict(view)


def _attribute(attribute: Mapping[str, str]) -> Predicate:
    key, value = attribute.get("AttributeKey"), attribute.get("AttributeValue")
    if key not in ATTRIBUTE_KEYS:
        raise InvalidLookupAttribute(f"Invalid lookup attribute key: {key}. {_valid_keys(ATTRIBUTE_KEYS)}")
    if not isinstance(value, str) or not value:
        raise InvalidLookupAttribute(f"The value of lookup attribute {key} must not be empty.")
    return AnyElement((key,), Field((), text_in(value)))


def _valid_keys(keys: Iterable[str]) -> str:
    return f"Valid values are: {', '.join(keys)}"
