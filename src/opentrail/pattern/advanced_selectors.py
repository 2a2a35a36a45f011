"""Advanced event selectors: conditions on named fields, joined by AND inside a selector.

Rules: reference, trails-and-delivery, section 4. What may be said about a field depends on the event category; that
table is ``_RULES``. Inside one field selector the positive operators are joined by OR and the negative ones by AND; an
event without the field passes the negative ones only.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentrail.arn import Arn
from opentrail.pattern import resource_tests
from opentrail.pattern.errors import InvalidSelector
from opentrail.pattern.ir import Field, Not, Path, Predicate, all_of, any_of
from opentrail.pattern.selectable import (
    DATA_RESOURCE_TYPES,
    NETWORK_ACTIVITY_EVENT_SOURCES,
)
from opentrail.pattern.values import EndsWith, Is, StartsWith, TextIn

MAX_VALUES = 500
"""Over all conditions of all advanced selectors of a trail."""

MAX_VALUE_CHARACTERS = 2048
MAX_NAME_CHARACTERS = 1000

_POSITIVE = ("Equals", "StartsWith", "EndsWith")
_NEGATIVE = ("NotEquals", "NotStartsWith", "NotEndsWith")
_OPERATORS = (*_POSITIVE, *_NEGATIVE)

Selector = Mapping[str, Any]
FieldSelector = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _FieldRule:
    """What a field selector may say.

    ``values`` None means any that fit ``pattern``, ``is_single`` that it takes exactly one.
    """

    operators: tuple[str, ...] = _OPERATORS
    values: frozenset[str] | None = None
    pattern: re.Pattern[str] | None = None
    is_single: bool = False
    is_required: bool = False


def _one_of(values: Iterable[str], *, is_required: bool = False) -> _FieldRule:
    return _FieldRule(("Equals",), frozenset(values), is_single=True, is_required=is_required)


_ANY = _FieldRule()
_EVENT_SOURCE = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*\.amazonaws\.com", re.ASCII)
_READ_ONLY = _one_of(("true", "false"))

_RULES: dict[str, dict[str, _FieldRule]] = {
    "Management": {
        "eventCategory": _one_of(("Management",), is_required=True),
        "readOnly": _READ_ONLY,
        # CloudTrail lets a trail leave out two sources only (selectable.EXCLUDABLE_EVENT_SOURCES); here it may any.
        "eventSource": _FieldRule(("NotEquals",), pattern=_EVENT_SOURCE),
    },
    "Data": {
        "eventCategory": _one_of(("Data",), is_required=True),
        "resources.type": _one_of(DATA_RESOURCE_TYPES, is_required=True),
        "resources.ARN": _ANY,
        "readOnly": _READ_ONLY,
        "eventSource": _ANY,
        "eventName": _ANY,
        "eventType": _ANY,
        "sessionCredentialFromConsole": _FieldRule(("Equals", "NotEquals"), frozenset(("true", "false"))),
        "userIdentity.arn": _ANY,
    },
    "NetworkActivity": {
        "eventCategory": _one_of(("NetworkActivity",), is_required=True),
        "eventSource": _one_of(NETWORK_ACTIVITY_EVENT_SOURCES, is_required=True),
        "eventName": _ANY,
        "errorCode": _one_of(("VpceAccessDenied",)),
        "vpcEndpointId": _ANY,
    },
}

MAX_SELECTORS_OF_EVENT_DATA_STORE = 5

_RULES_OF_EVENT_DATA_STORES: dict[str, dict[str, _FieldRule]] = _RULES | {
    "Management": {
        "eventCategory": _one_of(("Management",), is_required=True),
        "readOnly": _READ_ONLY,
        "eventSource": _ANY,
        "eventName": _ANY,
        "eventType": _ANY,
        "sessionCredentialFromConsole": _FieldRule(("Equals", "NotEquals"), frozenset(("true", "false"))),
        "userIdentity.arn": _ANY,
    },
    **{
        category: {"eventCategory": _one_of((category,), is_required=True)}
        for category in ("ActivityAuditLog", "ConfigurationItem", "Evidence", "Insight")
    },
}

_ARN_OF_TYPE = {
    "AWS::S3::Object": re.compile(r"arn:[\w-]+:s3:::[^/]+/.*"),
    "AWS::Lambda::Function": re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d{12}:function:.+"),
    "AWS::DynamoDB::Table": re.compile(r"arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table/[^/]+"),
    "AWS::DynamoDB::Stream": re.compile(r"arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table/[^/]+/stream/.+"),
    "AWS::S3::AccessPoint": re.compile(r"arn:[\w-]+:s3:[\w-]+:\d{12}:accesspoint/.+"),
}


def check_advanced_event_selectors(selectors: Sequence[Selector]) -> None:
    """Raise InvalidSelector with the reason when these are not a trail's advanced selectors."""
    _check(selectors, _RULES)


def check_event_data_store_selectors(selectors: Sequence[Selector]) -> None:
    """Raise InvalidSelector with the reason when these are not an event data store's selectors.

    Management, data and network activity events can be kept together; each other category has stores of its own.
    """
    if len(selectors) > MAX_SELECTORS_OF_EVENT_DATA_STORE:
        raise InvalidSelector(
            f"An event data store can have at most {MAX_SELECTORS_OF_EVENT_DATA_STORE} advanced event selectors."
        )
    _check(selectors, _RULES_OF_EVENT_DATA_STORES)
    categories = {category for selector in selectors for category in _values_of_category(selector)}
    if len(categories) > 1 and not categories <= _RULES.keys():
        raise InvalidSelector(
            f"Event categories {', '.join(sorted(categories))} cannot be combined in one event data store."
        )


def _values_of_category(selector: Selector) -> Sequence[str]:
    return [
        value for field in selector["FieldSelectors"] if field["Field"] == "eventCategory" for value in field["Equals"]
    ]


def _check(selectors: Sequence[Selector], rules: Mapping[str, Mapping[str, _FieldRule]]) -> None:
    if not selectors:
        raise InvalidSelector("At least one advanced event selector must be specified.")
    for selector in selectors:
        _check_selector(selector, rules)
    total = sum(len(values) for selector in selectors for _, values in _conditions(selector))
    if total > MAX_VALUES:
        raise InvalidSelector(
            f"The total number of values for all conditions in all advanced event selectors must not exceed "
            f"{MAX_VALUES}. Specified number of values: {total}."
        )


def compile_advanced_event_selectors(selectors: Sequence[Selector]) -> Predicate:
    """Return what a trail with these advanced selectors delivers."""
    return any_of(_compile_selector(selector) for selector in selectors)


def _conditions(selector: Selector) -> Iterable[tuple[str, Sequence[str]]]:
    for field in selector.get("FieldSelectors") or ():
        yield from _operators(field)


def _operators(field: FieldSelector) -> Iterable[tuple[str, Sequence[str]]]:
    return [(operator, field[operator]) for operator in _OPERATORS if field.get(operator)]


def _check_selector(selector: Selector, rules_of: Mapping[str, Mapping[str, _FieldRule]]) -> None:
    if len(selector.get("Name") or "") > MAX_NAME_CHARACTERS:
        raise InvalidSelector(
            f"The name of an advanced event selector must not exceed {MAX_NAME_CHARACTERS} characters."
        )
    fields: dict[str, FieldSelector] = {}
    for field in selector.get("FieldSelectors") or ():
        if field["Field"] in fields:
            raise InvalidSelector(f"Field {field['Field']} may appear only once in an advanced event selector.")
        fields[field["Field"]] = field
    category = _category_of(fields, rules_of)
    rules = rules_of[category]
    for name, field in fields.items():
        if name not in rules:
            raise InvalidSelector(f"Field {name} is not valid for event category {category}.")
        _check_field(name, field, rules[name], category)
    for name, rule in rules.items():
        if rule.is_required and name not in fields:
            raise InvalidSelector(f"Field {name} is required for event category {category}.")
    if "resources.ARN" in fields:
        _check_arns(fields["resources.type"]["Equals"][0], fields["resources.ARN"])


def _category_of(fields: Mapping[str, FieldSelector], categories: Collection[str]) -> str:
    if "eventCategory" not in fields:
        raise InvalidSelector("Field eventCategory is required in an advanced event selector.")
    values: Sequence[str] = fields["eventCategory"].get("Equals") or ()
    if len(values) != 1 or values[0] not in categories:
        raise InvalidSelector(
            f"Field eventCategory must equal exactly one value. Valid values are: {', '.join(sorted(categories))}"
        )
    return values[0]


def _check_field(name: str, field: FieldSelector, rule: _FieldRule, category: str) -> None:
    conditions = list(_operators(field))
    if not conditions:
        raise InvalidSelector(f"Field {name} has no operator. Valid operators are: {', '.join(rule.operators)}")
    for operator, values in conditions:
        if operator not in rule.operators:
            raise InvalidSelector(f"Operator {operator} is not valid for field {name} of event category {category}.")
        if rule.is_single and len(values) != 1:
            raise InvalidSelector(f"Field {name} of event category {category} takes exactly one value.")
        for value in values:
            _check_value(name, value, rule)


def _check_value(name: str, value: str, rule: _FieldRule) -> None:
    if not 1 <= len(value) <= MAX_VALUE_CHARACTERS:
        raise InvalidSelector(f"A value of field {name} must have between 1 and {MAX_VALUE_CHARACTERS} characters.")
    is_known = rule.values is None or value in rule.values
    if not is_known or (rule.pattern is not None and rule.pattern.fullmatch(value) is None):
        raise InvalidSelector(f"Value {value} is not valid for field {name}.")


def _check_arns(kind: str, field: FieldSelector) -> None:
    for value in (*(field.get("Equals") or ()), *(field.get("NotEquals") or ())):
        if not _is_arn_of(kind, value):
            raise InvalidSelector(f"Value {value} for field resources.ARN is not a valid ARN of resource type {kind}.")


def _is_arn_of(kind: str, value: str) -> bool:
    if kind in _ARN_OF_TYPE:
        return _ARN_OF_TYPE[kind].fullmatch(value) is not None
    try:
        Arn.parse(value)
    except ValueError:
        return False
    return True


def _compile_selector(selector: Selector) -> Predicate:
    on_event: list[Predicate] = []
    on_resource: list[Predicate] = []
    for field in selector["FieldSelectors"]:
        name = field["Field"]
        tests = _resource_tests(name) if name.startswith("resources.") else _event_tests(name)
        (on_resource if name.startswith("resources.") else on_event).extend(_compile_field(field, tests))
    if on_resource:
        on_event.append(resource_tests.some_resource(on_resource))
    return all_of(on_event)


_Test = Callable[[Sequence[str]], Predicate]


def _compile_field(field: FieldSelector, tests: Mapping[str, _Test]) -> Iterable[Predicate]:
    positive = [tests[operator](field[operator]) for operator in _POSITIVE if field.get(operator)]
    if positive:
        yield any_of(positive)
    for operator in _NEGATIVE:
        if field.get(operator):
            yield Not(tests[operator.removeprefix("Not")](field[operator]))


def _event_tests(name: str) -> Mapping[str, _Test]:
    path: Path = tuple(name.split("."))
    equals = _equals_boolean if name == "readOnly" else _equals_text
    return {
        "Equals": lambda values: equals(path, values),
        "StartsWith": lambda values: Field(path, StartsWith(tuple(values))),
        "EndsWith": lambda values: Field(path, EndsWith(tuple(values))),
    }


def _resource_tests(name: str) -> Mapping[str, _Test]:
    if name == "resources.type":
        return {"Equals": resource_tests.type_equals}
    return {
        "Equals": resource_tests.arn_equals,
        "StartsWith": resource_tests.arn_starts_with,
        "EndsWith": resource_tests.arn_ends_with,
    }


def _equals_text(path: Path, values: Sequence[str]) -> Predicate:
    return Field(path, TextIn(frozenset(values)))


def _equals_boolean(path: Path, values: Sequence[str]) -> Predicate:
    return any_of(Field(path, Is(value == "true")) for value in values)
