"""The compiled matcher against a naive reading of the algebra, and what each leaf sees."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.pattern.ir import (
    ALWAYS,
    NEVER,
    And,
    AnyElement,
    EndsWith,
    EqualsLiteral,
    EqualsText,
    Exists,
    Not,
    Or,
    Path,
    Predicate,
    StartsWith,
    all_of,
    any_of,
)
from opentrail.pattern.matcher import compile_predicate, matches

NAMES = ("a", "b", "c")
TEXTS = ("", "x", "xy", "yx", "true", "null", "1")

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.just(1.0) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
paths = st.lists(st.sampled_from(NAMES), max_size=3).map(tuple)
texts = st.lists(st.sampled_from(TEXTS), max_size=3)
leaves: st.SearchStrategy[Predicate] = st.one_of(
    st.builds(Exists, paths),
    st.builds(EqualsText, paths, texts.map(frozenset)),
    st.builds(EqualsLiteral, paths, st.sampled_from((True, False, None))),
    st.builds(StartsWith, paths, texts.map(tuple)),
    st.builds(EndsWith, paths, texts.map(tuple)),
)


def _combine(inner: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    parts = st.lists(inner, max_size=4).map(tuple)
    return st.one_of(
        st.builds(And, parts), st.builds(Or, parts), st.builds(Not, inner), st.builds(AnyElement, paths, inner)
    )


predicates = st.recursive(leaves, _combine, max_leaves=10)


def found(value: Any, path: Path) -> list[Any]:
    """The field as a list of one, or of none when it is missing."""
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return []
        value = value[name]
    return [value]


def holds(predicate: Predicate, value: Any) -> bool:
    match predicate:
        case And(parts):
            return all(holds(part, value) for part in parts)
        case Or(parts):
            return any(holds(part, value) for part in parts)
        case Not(part):
            return not holds(part, value)
        case Exists(path):
            return found(value, path) != []
        case EqualsText(path, wanted):
            return any(isinstance(field, str) and field in wanted for field in found(value, path))
        case EqualsLiteral(path, literal):
            return any(type(field) is type(literal) and field == literal for field in found(value, path))
        case StartsWith(path, prefixes):
            return any(isinstance(field, str) and field.startswith(p) for field in found(value, path) for p in prefixes)
        case EndsWith(path, suffixes):
            return any(isinstance(field, str) and field.endswith(s) for field in found(value, path) for s in suffixes)
        case AnyElement(path, element):
            return any(
                holds(element, item) for field in found(value, path) if isinstance(field, list) for item in field
            )


@given(predicates, events)
def test_the_compiled_matcher_equals_the_naive_reading(predicate: Predicate, event: dict[str, Any]) -> None:
    expected = holds(predicate, event)

    assert compile_predicate(predicate)(event) is expected
    assert matches(predicate, event) is expected


@given(predicates, values)
def test_no_json_value_makes_a_matcher_fail(predicate: Predicate, value: Any) -> None:
    assert compile_predicate(predicate)(value) is holds(predicate, value)


def test_the_empty_conjunction_always_holds_and_the_empty_disjunction_never() -> None:
    assert matches(ALWAYS, {})
    assert not matches(NEVER, {})


def test_a_single_part_needs_no_node() -> None:
    leaf = Exists(("a",))

    assert all_of((leaf,)) is leaf
    assert any_of((leaf,)) is leaf
    assert all_of((leaf, leaf)) == And((leaf, leaf))
    assert any_of(()) == NEVER


@pytest.mark.parametrize(
    ("field", "expected"),
    [(True, True), ("true", False), (1, False), (1.0, False), (False, False), (None, False), ([True], False)],
)
def test_the_literal_true_is_nothing_but_true(field: object, expected: bool) -> None:
    assert matches(EqualsLiteral(("readOnly",), value=True), {"readOnly": field}) is expected


def test_a_missing_field_equals_nothing_not_even_null() -> None:
    null = EqualsLiteral(("errorCode",), value=None)

    assert not matches(null, {})
    assert matches(null, {"errorCode": None})
    assert matches(Not(EqualsText(("errorCode",), frozenset({"AccessDenied"}))), {})


def test_element_tests_hold_for_one_element_together() -> None:
    both = AnyElement(
        ("resources",),
        And((EqualsText(("type",), frozenset({"object"})), StartsWith(("ARN",), ("arn:b",)))),
    )

    assert not matches(both, {"resources": [{"type": "object", "ARN": "arn:a"}, {"type": "bucket", "ARN": "arn:b"}]})
    assert matches(both, {"resources": ["garbage", None, {"type": "object", "ARN": "arn:b/key"}]})
    assert not matches(both, {"resources": {"type": "object", "ARN": "arn:b"}})
