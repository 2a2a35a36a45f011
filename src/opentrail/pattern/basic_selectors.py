"""Basic event selectors: management events by read or write, and data events of S3, Lambda and DynamoDB.

Rules and messages: reference, trails-and-delivery, sections 1 and 4.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentrail.pattern.errors import InvalidSelector
from opentrail.pattern.ir import Field, Not, Predicate, all_of, any_of
from opentrail.pattern.resource_tests import arn_equals, arn_starts_with, some_resource, type_equals
from opentrail.pattern.selectable import BASIC_RESOURCE_TYPES, EXCLUDABLE_EVENT_SOURCES
from opentrail.pattern.values import Is, TextIn, text_in

MAX_EVENT_SELECTORS = 5
MAX_DATA_RESOURCE_VALUES = 250
"""Over all selectors of a trail; a value that means all resources of its type is not counted."""

_READ_WRITE_TYPES = ("All", "ReadOnly", "WriteOnly")

_ALL_OF_TYPE = {
    "AWS::S3::Object": re.compile(r"arn:[\w-]+:s3(:::)?"),
    "AWS::Lambda::Function": re.compile(r"arn:[\w-]+:lambda"),
    "AWS::DynamoDB::Table": re.compile(r"arn:[\w-]+:dynamodb"),
}
_ONE_OF_TYPE = {
    "AWS::S3::Object": re.compile(r"arn:[\w-]+:s3:::[^/*]+/[^*]*"),
    "AWS::Lambda::Function": re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d{12}:function:[^*]+"),
    "AWS::DynamoDB::Table": re.compile(r"arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table/[^*/]+"),
}

Selector = Mapping[str, Any]


def check_event_selectors(selectors: Sequence[Selector]) -> None:
    """Raise InvalidSelector with CloudTrail's reason when these are not a trail's basic selectors."""
    if not 1 <= len(selectors) <= MAX_EVENT_SELECTORS:
        raise InvalidSelector(
            f"The number of event selectors must be between 1 and {MAX_EVENT_SELECTORS}. "
            f"Specified number of event selectors: {len(selectors)}."
        )
    for selector in selectors:
        _check_selector(selector)
    counted = sum(
        not means_all(resource["Type"], value)
        for selector in selectors
        for resource in selector.get("DataResources") or ()
        for value in resource.get("Values") or ()
    )
    if counted > MAX_DATA_RESOURCE_VALUES:
        raise InvalidSelector(
            f"The total number of data resources must not exceed {MAX_DATA_RESOURCE_VALUES} across all event selectors "
            f"of a trail. Specified number of data resources: {counted}."
        )


def compile_event_selectors(selectors: Sequence[Selector]) -> Predicate:
    """Return what a trail with these basic selectors delivers.

    An event without ``readOnly`` counts as a write: what nobody called a read is not left out of a trail of writes.
    """
    return any_of(_compile_selector(selector) for selector in selectors)


def _check_selector(selector: Selector) -> None:
    access = selector.get("ReadWriteType", "All")
    if access not in _READ_WRITE_TYPES:
        raise InvalidSelector(
            f"Value {access} for ReadWriteType is invalid. Valid values are: {', '.join(_READ_WRITE_TYPES)}"
        )
    for source in selector.get("ExcludeManagementEventSources") or ():
        if source not in EXCLUDABLE_EVENT_SOURCES:
            raise InvalidSelector(
                f"Value {source} for ExcludeManagementEventSources is invalid. "
                f"Valid values are: {', '.join(EXCLUDABLE_EVENT_SOURCES)}"
            )
    for resource in selector.get("DataResources") or ():
        _check_data_resource(resource)


def _check_data_resource(resource: Mapping[str, Any]) -> None:
    kind = resource.get("Type")
    if kind not in BASIC_RESOURCE_TYPES:
        raise InvalidSelector(
            f"Value {kind} for DataResources.Type is invalid. Valid values are: {', '.join(BASIC_RESOURCE_TYPES)}"
        )
    for value in resource.get("Values") or ():
        if not means_all(kind, value) and not _ONE_OF_TYPE[kind].fullmatch(value):
            raise InvalidSelector(f"Value {value} for DataResources.Values is invalid.")


def means_all(kind: str, value: str) -> bool:
    """Say whether a value of a data resource means all resources of its type."""
    return _ALL_OF_TYPE[kind].fullmatch(value) is not None


def _compile_selector(selector: Selector) -> Predicate:
    access = _compile_access(selector.get("ReadWriteType") or "All")
    picked: list[Predicate] = []
    if selector.get("IncludeManagementEvents", True):
        excluded = frozenset(selector.get("ExcludeManagementEventSources") or ())
        sources = [Not(Field(("eventSource",), TextIn(excluded)))] if excluded else []
        picked.append(all_of((_category("Management"), *access, *sources)))
    resources = [_compile_data_resource(resource) for resource in selector.get("DataResources") or ()]
    if resources:
        picked.append(all_of((_category("Data"), *access, any_of(resources))))
    return any_of(picked)


def _category(name: str) -> Predicate:
    return Field(("eventCategory",), text_in(name))


def _compile_access(read_write_type: str) -> Iterable[Predicate]:
    is_read = Field(("readOnly",), Is(value=True))
    tests: dict[str, tuple[Predicate, ...]] = {"All": (), "ReadOnly": (is_read,), "WriteOnly": (Not(is_read),)}
    return tests[read_write_type]


def _compile_data_resource(resource: Mapping[str, Any]) -> Predicate:
    kind, values = resource["Type"], resource.get("Values") or ()
    of_type = type_equals((kind,))
    if any(means_all(kind, value) for value in values):
        return some_resource((of_type,))
    named = arn_starts_with(values) if kind == "AWS::S3::Object" else arn_equals(values)
    return some_resource((of_type, named))
