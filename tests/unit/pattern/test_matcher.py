"""The compiled matcher against the naive reading of the algebra, and what each leaf sees."""

from typing import Any

import pytest
from hypothesis import given

from opentrail.pattern.ir import (
    ALWAYS,
    NEVER,
    And,
    AnyChild,
    AnyElement,
    Field,
    LeafCondition,
    Leaves,
    Not,
    Predicate,
    all_of,
    any_of,
    exists,
)
from opentrail.pattern.matcher import compile_predicate, matches
from opentrail.pattern.rule_set import RuleSet
from opentrail.pattern.values import Is, StartsWith, text_in
from tests.support.pattern_reference import holds
from tests.support.pattern_strategies import events, predicates, values


@given(predicates, events | values)
def test_the_compiled_matcher_equals_the_naive_reading(predicate: Predicate, value: Any) -> None:
    expected = holds(predicate, value)

    assert compile_predicate(predicate)(value) is expected
    assert matches(predicate, value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [([{"b": "x"}], True), ([[{"b": "x"}]], True), ([{"b": None}], False), ([{}], True), ([], True), ("x", True)],
)
def test_leaves_of_an_array_are_those_of_its_elements(value: Any, expected: bool) -> None:
    rule = AnyChild((), Leaves((LeafCondition(("b",), text_in("x"), or_absent=True),)))
    index: RuleSet[str] = RuleSet()
    index.add("rule", rule)

    assert matches(rule, {"a": value}) is expected
    assert index.match({"a": value}) == ["rule"] * expected
    assert holds(rule, {"a": value}) is expected


def test_the_empty_conjunction_always_holds_and_the_empty_disjunction_never() -> None:
    assert matches(ALWAYS, {})
    assert not matches(NEVER, {})


def test_a_single_part_needs_no_node() -> None:
    leaf = exists(("a",))

    assert all_of((leaf,)) is leaf
    assert any_of((leaf,)) is leaf
    assert all_of((leaf, leaf)) == And((leaf, leaf))
    assert any_of(()) == NEVER


@pytest.mark.parametrize(
    ("field", "expected"),
    [(True, True), ("true", False), (1, False), (1.0, False), (False, False), (None, False), ([True], False)],
)
def test_the_literal_true_is_nothing_but_true(field: object, expected: bool) -> None:
    assert matches(Field(("readOnly",), Is(value=True)), {"readOnly": field}) is expected


def test_a_missing_field_equals_nothing_not_even_null() -> None:
    null = Field(("errorCode",), Is(value=None))

    assert not matches(null, {})
    assert matches(null, {"errorCode": None})
    assert matches(Not(Field(("errorCode",), text_in("AccessDenied"))), {})


def test_element_tests_hold_for_one_element_together() -> None:
    both = AnyElement(
        ("resources",),
        And((Field(("type",), text_in("object")), Field(("ARN",), StartsWith(("arn:b",))))),
    )

    assert not matches(both, {"resources": [{"type": "object", "ARN": "arn:a"}, {"type": "bucket", "ARN": "arn:b"}]})
    assert matches(both, {"resources": ["garbage", None, {"type": "object", "ARN": "arn:b/key"}]})
    assert not matches(both, {"resources": {"type": "object", "ARN": "arn:b"}})


def test_an_event_nested_beyond_the_stack_does_not_match_and_does_not_fail() -> None:
    event: Any = {"b": "x", "c": "x"}
    for _ in range(5000):
        event = [event]
    both = Leaves((LeafCondition(("a", "b"), text_in("x")), LeafCondition(("a", "c"), text_in("x"))))

    assert not matches(both, {"a": event})
    assert matches(Leaves(both.conditions[:1]), {"a": event})
