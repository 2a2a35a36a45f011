"""The members of an event: order, versions, types; the table is ``data/fields.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from opentrail.event import Event
from opentrail.event.tables import load_table


def minor_version(version: str) -> int:
    """Return the n of an eventVersion 1.n; as numbers compare, so 1.09 is before 1.10. Raises ValueError for others."""
    major, _, minor = version.partition(".")
    if major != "1" or not minor.isascii() or not minor.isdigit() or len(minor) > 4:
        raise ValueError(f"not an eventVersion 1.x: {version[:16]}")
    return int(minor)


_TABLE = load_table(Path(__file__).parent / "data", "fields")

EVENT_VERSION: str = _TABLE["version"]
"""The version of the events that we build."""


class Field(NamedTuple):
    """A member of an event. ``since`` is the minor version that brought it (all are 1.x), ``kind`` its JSON types;
    a required one is there in every event of that version, if only as null."""

    name: str
    since: int
    kind: str
    is_required: bool
    is_of_network_activity: bool


FIELDS: Mapping[str, Field] = {
    row["name"]: Field(row["name"], minor_version(row["since"]), row["kind"], row["required"], row["network"])
    for row in _TABLE["fields"]
}
"""In the order in which CloudTrail writes them."""

CATEGORIES_OF_TYPE: Mapping[str, tuple[str, ...]] = {name: tuple(found) for name, found in _TABLE["types"].items()}
"""``eventType`` -> the values of ``eventCategory`` that go with it."""

FIELD_ORDER = tuple(FIELDS)

OWN_MEMBER = "opentrail"
"""The one member of ``additionalEventData`` that Opentrail adds: what is known about the record itself."""


def in_order(event: Event) -> Event:
    """Return ``event`` with its keys in CloudTrail's order; keys CloudTrail does not know follow as they stood."""
    ordered = {name: event[name] for name in FIELD_ORDER if name in event}
    if len(ordered) < len(event):
        ordered.update((name, value) for name, value in event.items() if name not in ordered)
    return ordered


def add_own_members(event: Event, **members: object) -> None:
    """Add what Opentrail has to say about the record to ``additionalEventData.opentrail``; None values are left out."""
    said = {name: value for name, value in members.items() if value is not None}
    if not said:
        return
    data = dict(event.get("additionalEventData") or {})
    data[OWN_MEMBER] = {**data.get(OWN_MEMBER, {}), **said}
    event["additionalEventData"] = data
