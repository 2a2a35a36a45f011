"""Queries drawn by lot: hostile texts are compiled or refused, and what is compiled answers as plain Python does."""

import math
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.logsql.compilation import compile_query
from opentrail.logsql.errors import MalformedQuery
from tests.support.log_engine import NOW, ORIGIN, evaluate

START = 1_763_683_200_000
NAMES = ("a", "b.c", "d")

_PIECES = (
    *("fields", "display", "filter", "stats", "sort", "limit", "parse", "dedup", "by", "as", "and", "or", "not", "in"),
    *("like", "=~", "|", ",", "(", ")", "[", "]", "=", "!=", "<", "+", "-", "*", "/", "^", "%", "count(*)", "bin(5m)"),
    *("a", "b.c", "`x y`", "@timestamp", "@message", "'text'", '"*:*"', "/(?<n>x+)/", "5", "1.5e3", "5m", "#", "\n"),
    *("strlen(", "pct(", "desc", "asc", "'", '"', "`", "\\", "{}", "\x00", "é"),
)

quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
long = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refused_or_run(query: str) -> None:
    places: list[tuple[int, int]] = []
    try:
        compile_query(query, ORIGIN, NOW)
    except MalformedQuery as error:
        places.append((error.start, error.end))
    if not places:
        evaluate([(START, '{"a": 1, "b": {"c": "x"}}'), (START, "x:y")], query)
    assert all(0 <= start <= end <= len(query) for start, end in places)


hostile = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=14).map(" ".join)


@quick
@given(hostile)
def test_any_text_is_refused_with_a_place_or_runs(query: str) -> None:
    refused_or_run(query)


@pytest.mark.slow
@long
@given(hostile)
def test_many_texts_are_refused_with_a_place_or_run(query: str) -> None:
    refused_or_run(query)


# ---- a naive evaluator of conditions, groups and orders --------------------------------------------------------------

Document = dict[str, Any]
Condition = tuple[str, Callable[[Document], bool]]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def shown(document: Document, name: str) -> str | None:
    found: Any = document
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return "1" if found else "0"
    return found if found is None or isinstance(found, str) else orjson.dumps(found).decode()


def number(text: str | None) -> float | None:
    if text is None or not _NUMBER.fullmatch(text):
        return None
    return float(text) if math.isfinite(float(text)) else None


def compare(operator: str, left: str | None, right: str) -> bool:
    if left is None:
        return operator == "!="
    as_numbers = number(left), number(right)
    one, other = as_numbers if None not in as_numbers else (left, right)
    equal = left == right or one == other
    return {
        "=": equal,
        "!=": not equal,
        "<": one < other,  # type: ignore[operator]
        "<=": one <= other,  # type: ignore[operator]
        ">": one > other,  # type: ignore[operator]
        ">=": one >= other,  # type: ignore[operator]
    }[operator]


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


names = st.sampled_from(NAMES)
words = st.sampled_from(["", "x", "xy", "X", "é", "5", "05", "5.0", "-1", "1e1", "10", "9", "a'b\\", "5x", "."])
values = words | st.integers(-20, 20) | st.none() | st.booleans() | st.sampled_from([0.5, 2.0])
documents = st.fixed_dictionaries({}, optional={"a": values, "b": st.fixed_dictionaries({"c": values}), "d": values})


@st.composite
def comparisons(draw: st.DrawFn) -> Condition:
    name, operator, text = draw(names), draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="])), draw(words)
    return f"{name} {operator} {quoted(text)}", lambda document: compare(operator, shown(document, name), text)


@st.composite
def searches(draw: st.DrawFn) -> Condition:
    name, text, is_negated = draw(names), draw(words), draw(st.booleans())
    spelled = f"{name} {'not ' if is_negated else ''}like {quoted(text)}"
    return (
        spelled,
        lambda document: (text in (shown(document, name) or "") and shown(document, name) is not None) != (is_negated),
    )


@st.composite
def memberships(draw: st.DrawFn) -> Condition:
    name, texts = draw(names), draw(st.lists(words, min_size=1, max_size=3))
    spelled = f"{name} in [{', '.join(map(quoted, texts))}]"
    return spelled, lambda document: any(compare("=", shown(document, name), text) for text in texts)


def joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    def both(pair: tuple[Condition, Condition]) -> Condition:
        (one, is_one), (other, is_other) = pair
        return f"({one} and {other})", lambda document: is_one(document) and is_other(document)

    def either(pair: tuple[Condition, Condition]) -> Condition:
        (one, is_one), (other, is_other) = pair
        return f"({one} or {other})", lambda document: is_one(document) or is_other(document)

    def neither(one: Condition) -> Condition:
        return f"not ({one[0]})", lambda document: not one[1](document)

    pairs = st.tuples(inner, inner)
    return pairs.map(both) | pairs.map(either) | inner.map(neither)


conditions = st.recursive(comparisons() | searches() | memberships(), joined, max_leaves=5)
sets = st.lists(documents, max_size=8)


def messages(given_documents: list[Document]) -> list[tuple[int, str]]:
    return [(START + at, orjson.dumps(document).decode()) for at, document in enumerate(given_documents)]


def filters_alike(found: list[Document], condition: Condition, name: str) -> None:
    rows = evaluate(messages(found), f"fields {name} as v | filter {condition[0]} | sort @timestamp asc")

    assert [row.get("v") for row in rows] == [shown(one, name) for one in found if condition[1](one)], condition[0]


def counts_alike(found: list[Document], condition: Condition, name: str) -> None:
    rows = evaluate(messages(found), f"filter {condition[0]} | stats count(*) as n, sum(a) as s by {name}")

    expected: dict[str | None, tuple[int, float | None]] = {}
    for one in filter(condition[1], found):
        counted, total = expected.get(shown(one, name), (0, None))
        added = number(shown(one, "a"))
        expected[shown(one, name)] = counted + 1, total if added is None else (total or 0.0) + added
    told = {row.get(name): (int(row["n"]), float(row["s"]) if "s" in row else None) for row in rows}
    assert told.keys() == expected.keys()
    for key, (counted, total) in expected.items():
        assert told[key][0] == counted
        assert told[key][1] == (None if total is None else pytest.approx(total))


@quick
@given(sets, conditions, names)
def test_filters_pick_what_plain_python_picks(found: list[Document], condition: Condition, name: str) -> None:
    filters_alike(found, condition, name)


@quick
@given(sets, conditions, names)
def test_stats_count_what_plain_python_counts(found: list[Document], condition: Condition, name: str) -> None:
    counts_alike(found, condition, name)


@pytest.mark.slow
@long
@given(sets, conditions, names)
def test_many_queries_answer_as_plain_python_does(found: list[Document], condition: Condition, name: str) -> None:
    filters_alike(found, condition, name)
    counts_alike(found, condition, name)
