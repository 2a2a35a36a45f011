"""The compiled matcher against the naive reading of the algebra, and what each leaf sees."""

from typing import Any

import pytest
from hypothesis import given

from opentrail.pattern.ir import (
    ALWAYS,
    NEVER,
    And,
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
from opentrail.pattern.values import Is, StartsWith, text_in
from tests.support.pattern_reference import holds
from tests.support.pattern_strategies import events, predicates, values


@given(predicates, events)
def test_the_compiled_matcher_equals_the_naive_reading(predicate: Predicate, event: dict[str, Any]) -> None:
    expected = holds(predicate, event)

    assert compile_predicate(predicate)(event) is expected
    assert matches(predicate, event) is expected


@given(predicates, values)
def test_no_json_value_makes_a_matcher_fail(predicate: Predicate, value: Any) -> None:
    assert compile_predicate(predicate)(value) in (True, False)


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
