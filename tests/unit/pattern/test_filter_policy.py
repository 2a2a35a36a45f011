"""SNS filter policies: attributes and bodies, SNS's limits and texts."""

import json
from typing import Any

import pytest

from opentrail.pattern.errors import InvalidFilterPolicy
from opentrail.pattern.filter_policy import Attribute, Scope, message_view, parse_filter_policy
from opentrail.pattern.matcher import compile_predicate

TAGS = {
    "store": Attribute("String", "shop"),
    "price": Attribute("Number", "210.75"),
    "kinds": Attribute("String.Array", '["a", 5, null, true]'),
    "blob": Attribute("Binary", "eA=="),
}


def wants(policy: dict[str, Any], attributes: dict[str, Attribute] = TAGS) -> bool:
    predicate = parse_filter_policy(json.dumps(policy))
    return compile_predicate(predicate)(message_view("MessageAttributes", "", attributes))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"store": ["shop"]}, True),
        ({"store": ["Shop", {"prefix": "sh"}]}, True),
        ({"store": [{"anything-but": ["shop"]}]}, False),
        ({"store": [{"anything-but": {"wildcard": "s*"}}]}, False),
        ({"price": [{"numeric": [">", 200, "<=", 210.75]}]}, True),
        ({"price": ["210.75"]}, False),
        ({"kinds": ["a"]}, True),
        ({"kinds": [5]}, True),
        ({"kinds": [None]}, True),
        ({"kinds": ["b", "5"]}, False),
        ({"blob": [{"exists": True}]}, True),
        ({"none": [{"exists": False}]}, True),
        ({"none": [{"anything-but": "x"}]}, False),
        ({"$or": [{"store": ["x"]}, {"price": [210.75]}]}, True),
        ({}, True),
    ],
)
def test_attributes(policy: dict[str, Any], expected: bool) -> None:
    assert wants(policy) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [('{"a": {"b": "x"}}', True), ('{"a": [{"b": "x"}]}', True), ('{"a": "x"}', False), ("text", False), ("[]", False)],
)
def test_a_body_is_read_as_json(body: str, expected: bool) -> None:
    predicate = parse_filter_policy('{"a": {"b": ["x"]}}', "MessageBody")

    assert compile_predicate(predicate)(message_view("MessageBody", body, {})) is expected


@pytest.mark.parametrize(
    ("policy", "scope", "reason"),
    [
        ({"a": {"b": ["x"]}}, "MessageAttributes", "Filter policy scope MessageAttributes does not support nested"),
        ({name: ["x"] for name in "abcdef"}, "MessageAttributes", "Filter policy can not have more than 5 keys"),
        ({"a": ["x"] * 151}, "MessageAttributes", "Filter policy is too complex"),
        ({"a": {"b": ["x"] * 76}}, "MessageBody", "Filter policy is too complex"),
        ({"a": "x"}, "MessageAttributes", '"a" must be an object or an array\n at [Source: (String)"{"a": "x"}"; line'),
        ({"a": [{"wildcard": "x*"}]}, "MessageAttributes", "Unrecognized match type wildcard"),
        ([], "MessageBody", "Filter is not an object"),
    ],
)
def test_refusals(policy: Any, scope: Scope, reason: str) -> None:
    with pytest.raises(InvalidFilterPolicy) as refusal:
        parse_filter_policy(json.dumps(policy), scope)

    assert str(refusal.value).startswith(reason)
