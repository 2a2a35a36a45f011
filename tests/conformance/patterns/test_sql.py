"""The SQL condition against the matcher and the naive reading: the same rows, for rules of every language."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.ir import And, AnyElement, AnyLeaf, Field, LeafCondition, Leaves, Not, Or, Predicate, SameText
from opentrail.pattern.languages import LANGUAGES, Language, read_rule
from opentrail.pattern.rule_set import RuleSet
from opentrail.pattern.sql import NotInSql, SqlSchema, sql_condition
from opentrail.pattern.values import NOTHING
from tests.support.corpus import lines, shared
from tests.support.pattern_reference import holds
from tests.support.pattern_strategies import conditions, events, paths, tests

SCHEMA = SqlSchema("rows.event")
ENVELOPE_COLUMNS = {
    ("source",): "rows.event->>'$.source'",
    ("detail", "eventName"): "rows.event->'$.detail'->>'$.eventName'",
    ("detail", "eventSource"): "rows.event->'$.detail'->>'$.eventSource'",
}

fields: st.SearchStrategy[Predicate] = st.builds(Field, paths, tests)
flat_leaves: st.SearchStrategy[Predicate] = st.one_of(
    fields,
    st.builds(Leaves, st.lists(conditions, min_size=1, max_size=3).map(tuple)),
    st.builds(AnyLeaf, tests),
    st.builds(SameText, paths, paths),
)
flat_predicates = st.recursive(
    flat_leaves,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def rows(database: duckdb.DuckDBPyConnection, given_events: list[dict[str, Any]]) -> None:
    database.execute("CREATE OR REPLACE TABLE rows (number INTEGER, event JSON)")
    database.executemany("INSERT INTO rows VALUES (?, ?)", [(n, json.dumps(e)) for n, e in enumerate(given_events)])


def picked(database: duckdb.DuckDBPyConnection, predicate: Predicate, schema: SqlSchema = SCHEMA) -> list[int]:
    query = f"SELECT number FROM rows WHERE {sql_condition(predicate, schema)} ORDER BY number"
    return [number for (number,) in database.execute(query).fetchall()]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(predicate=flat_predicates, given_events=st.lists(events, min_size=1, max_size=6))
def test_random_predicates_pick_the_same_rows(
    database: duckdb.DuckDBPyConnection, predicate: Predicate, given_events: list[dict[str, Any]]
) -> None:
    rows(database, given_events)

    expected = [number for number, event in enumerate(given_events) if holds(predicate, event)]
    assert picked(database, predicate) == expected


def test_patterns_over_real_events_pick_the_same_rows_with_and_without_columns(
    database: duckdb.DuckDBPyConnection,
) -> None:
    folder = ("corpus", "conformance", "event-patterns")
    envelopes = lines(*folder, "real-events.ndjson")[::8]
    rows(database, envelopes)
    patterns = sorted({case["pattern"] for case in lines(*folder, "real-events-patterns.ndjson")})[::12]

    for pattern in patterns:
        predicate = parse_event_pattern(pattern)
        expected = [number for number, event in enumerate(envelopes) if holds(predicate, event)]
        assert picked(database, predicate, SqlSchema("rows.event", ENVELOPE_COLUMNS)) == expected, pattern
    assert picked(database, predicate) == expected


def rules(language: Language) -> list[Any]:
    """Rules that people wrote, of one language."""
    match language:
        case "event-pattern":
            return [case["pattern"] for case in json.loads(shared("acceptance", "event-patterns.json").read_text())]
        case "filter-pattern":
            return [
                case["pattern"]
                for case in json.loads(
                    shared("corpus", "conformance", "metric-filters", "cis-patterns.json").read_text()
                )
            ]
        case "selector":
            return [case["selectors"] for case in json.loads(shared("acceptance", "selectors.json").read_text())]
        case "filter-policy":
            return ['{"eventName": ["CreateUser", {"prefix": "Delete"}], "errorCode": [{"exists": false}]}']
        case "sigma":
            folder = shared("corpus", "conformance", "sigma-aws", "rules")
            return [path.read_text() for path in sorted(folder.rglob("*.yml"))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_rules_of_every_language_pick_the_same_real_events_three_ways(
    database: duckdb.DuckDBPyConnection, language: Language
) -> None:
    envelopes = lines("corpus", "conformance", "event-patterns", "real-events.ndjson")[::4]
    subjects = envelopes if language == "event-pattern" else [event["detail"] for event in envelopes]
    rows(database, subjects)
    predicates = [read_rule(language, rule).predicate for rule in rules(language)]
    index: RuleSet[int] = RuleSet()
    for number, predicate in enumerate(predicates):
        index.add(number, predicate)
    found = [set(index.match(subject)) for subject in subjects]

    for number, predicate in enumerate(predicates):
        expected = [place for place, subject in enumerate(subjects) if holds(predicate, subject)]
        assert picked(database, predicate) == expected
        assert [place for place in range(len(subjects)) if number in found[place]] == expected


HOSTILE = ("'", '"', "\\", "\x00", "%", "_", "é", "x' OR 1=1 --", "\ud800", "*", "[0]", "a.b", "/", "~", "$")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=3).map("".join), st.sampled_from(HOSTILE))
def test_no_text_of_a_rule_is_read_as_sql(database: duckdb.DuckDBPyConnection, text: str, name: str) -> None:
    stored = text.encode("utf-8", "ignore").decode().replace("\x00", "")
    rows(database, [{"x": stored}, {"x": "other"}, {}])
    for operator in ("prefix", "suffix", "equals-ignore-case", "exactly"):
        try:
            rule = parse_event_pattern(json.dumps({"x": [{operator: text}]}))
        except InvalidPattern:
            continue
        expected = [number for number, event in enumerate(({"x": stored}, {"x": "other"}, {})) if holds(rule, event)]
        assert picked(database, rule) == expected
    assert picked(database, Leaves((LeafCondition((name,), NOTHING),))) == []


def test_leaves_below_an_element_are_refused_rather_than_wrong() -> None:
    with pytest.raises(NotInSql):
        sql_condition(AnyElement(("a",), AnyLeaf(NOTHING)), SCHEMA)
