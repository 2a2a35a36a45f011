"""Size rules of an event (reference: events, section 2, omission and truncation).

A text field that is too long is cut; an object that is too large loses its content to a marker; and whatever comes in,
the event as a whole stays within EVENT_LIMIT_BYTES. The sizes are ``data/limits.json``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from opentrail.event import Event
from opentrail.event.fields import OWN_MEMBER
from opentrail.event.json_values import cut_text, json_safe
from opentrail.event.tables import load_table

KB = 1024

_TABLE = load_table(Path(__file__).parent / "data", "limits")

EVENT_LIMIT_BYTES: int = _TABLE["event"]
TEXT_LIMIT_BYTES: int = min(_TABLE["text"].values())

TEXT_FIELDS: tuple[str, ...] = tuple(_TABLE["text"])
"""Cut at TEXT_LIMIT_BYTES."""

CONTENT_LIMITS: Mapping[str, int] = _TABLE["content"]
"""Objects whose content is omitted when their JSON is longer."""

RESOURCES_LIMIT_BYTES: int = _TABLE["ours"]["resources"]
"""Beyond it resources are dropped from the end."""

IDENTITY_LIMIT_BYTES: int = _TABLE["ours"]["userIdentity"]
"""A longer userIdentity keeps only its type."""

_SMALLEST_LIMIT_BYTES = min(*CONTENT_LIMITS.values(), RESOURCES_LIMIT_BYTES, IDENTITY_LIMIT_BYTES)

_ORDER_OF_SACRIFICE: tuple[str, ...] = tuple(_TABLE["sacrifice"])


def bound_event(event: Event) -> bytes:
    """Bring ``event`` within every limit and return its JSON. Changes ``event`` in place; never raises.

    What JSON cannot hold (surrogates, huge integers, deep nesting) is made harmless on the way.
    """
    for name in TEXT_FIELDS:
        text = event.get(name)
        if isinstance(text, str) and len(text) * 4 > TEXT_LIMIT_BYTES:
            event[name] = cut_text(text, TEXT_LIMIT_BYTES)
    encoded = _encode_whole(event)
    if len(encoded) <= _SMALLEST_LIMIT_BYTES:
        return encoded
    _bound_contents(event)
    encoded = _encode_whole(event)
    for name in _ORDER_OF_SACRIFICE:
        if len(encoded) <= EVENT_LIMIT_BYTES:
            return encoded
        if event.get(name) is not None:
            event[name] = omission(len(_encode(event[name])), EVENT_LIMIT_BYTES, own=_own_members(event, name))
            encoded = _encode_whole(event)
    if len(encoded) > EVENT_LIMIT_BYTES:
        _cut_remaining_texts(event)
        encoded = _encode_whole(event)
    return encoded


def omission(original_size_bytes: int, limit_bytes: int, *, own: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the marker that stands for content of ``original_size_bytes`` that was over ``limit_bytes``."""
    marker: dict[str, Any] = {
        "omitted": True,
        "originalSize": original_size_bytes,
        "reason": f"Content over the limit of {limit_bytes // KB} KB",
    }
    if own:
        marker[OWN_MEMBER] = own
    return marker


def _bound_contents(event: Event) -> None:
    for name, limit in CONTENT_LIMITS.items():
        content = event.get(name)
        if not content:
            continue
        size = len(_encode(content))
        if size > limit:
            event[name] = omission(size, limit, own=_own_members(event, name))
    resources = event.get("resources")
    while isinstance(resources, list) and resources and len(_encode(resources)) > RESOURCES_LIMIT_BYTES:
        resources = resources[: len(resources) // 2]
        event["resources"] = resources
    identity = event.get("userIdentity")
    if isinstance(identity, dict) and len(_encode(identity)) > IDENTITY_LIMIT_BYTES:
        event["userIdentity"] = {"type": cut_text(str(identity.get("type", "Unknown")), 64)}


def _own_members(event: Event, name: str) -> dict[str, Any] | None:
    if name != "additionalEventData":
        return None
    own = event[name].get(OWN_MEMBER) if isinstance(event[name], dict) else None
    return own if isinstance(own, dict) and len(_encode(own)) <= 4 * KB else None


def _cut_remaining_texts(event: Event) -> None:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = cut_text(value, TEXT_LIMIT_BYTES)
        elif isinstance(value, dict | list) and len(_encode(value)) > TEXT_LIMIT_BYTES and name != "userIdentity":
            event[name] = omission(len(_encode(value)), TEXT_LIMIT_BYTES)


def _encode_whole(event: Event) -> bytes:
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:
        for name, value in list(event.items()):
            event[name] = json_safe(value)
        return orjson.dumps(event)


def _encode(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(json_safe(value))
