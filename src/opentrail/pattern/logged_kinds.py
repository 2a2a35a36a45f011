"""Which kinds of events a trail's selectors can pick at all: management reads, management writes, data events.

An upper bound read off the selectors, whatever other fields they name: Insights can only be had on kinds that are
logged (reference: trails-and-delivery, section 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Selector = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedKinds:
    """What at least one selector of a trail can pick."""

    management_reads: bool = False
    management_writes: bool = False
    data: bool = False

    @property
    def management(self) -> bool:
        return self.management_reads or self.management_writes

    def __or__(self, other: "LoggedKinds") -> "LoggedKinds":
        return LoggedKinds(
            self.management_reads or other.management_reads,
            self.management_writes or other.management_writes,
            self.data or other.data,
        )


def logged_kinds(event_selectors: Sequence[Selector], advanced_event_selectors: Sequence[Selector]) -> LoggedKinds:
    """Return what checked selectors, basic ones or advanced ones, can pick."""
    kinds = LoggedKinds()
    for selector in event_selectors:
        kinds |= _of_basic(selector)
    for selector in advanced_event_selectors:
        kinds |= _of_advanced(selector)
    return kinds


def _of_basic(selector: Selector) -> LoggedKinds:
    access = selector.get("ReadWriteType") or "All"
    includes_management = selector.get("IncludeManagementEvents", True)
    return LoggedKinds(
        management_reads=includes_management and access != "WriteOnly",
        management_writes=includes_management and access != "ReadOnly",
        data=any(resource.get("Values") for resource in selector.get("DataResources") or ()),
    )


def _of_advanced(selector: Selector) -> LoggedKinds:
    equals = {field["Field"]: field.get("Equals") or () for field in selector["FieldSelectors"]}
    read_only = tuple(equals.get("readOnly", ()))
    match tuple(equals["eventCategory"]):
        case ("Management",):
            return LoggedKinds(management_reads=read_only != ("false",), management_writes=read_only != ("true",))
        case ("Data",):
            return LoggedKinds(data=True)
        case _:
            return LoggedKinds()
