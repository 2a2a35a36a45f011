"""Random rules of every language over real events: stream, SQL condition, replay's columns and naive reading agree."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pytest

from opentrail.pattern.envelope import envelope_of
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.ir import Predicate
from opentrail.pattern.languages import read_rule
from opentrail.pattern.lookup_attributes import ATTRIBUTE_KEYS, lookup_view, parse_lookup_attributes
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.rule_set import RuleSet
from opentrail.pattern.sql import NotInSql, SqlSchema, sql_condition, sql_text_condition
from opentrail.query.replay.column_masks import ColumnMasks, is_decidable
from opentrail.query.replay.event_columns import ColumnsBuilder, EventColumns
from opentrail.query.replay.rules import InvalidReplay, read_replay_rule
from tests.support.corpus import real_events
from tests.support.pattern_reference import holds
from tests.support.rule_texts import RuleTexts, facts_of

SETS = ("invictus-ir", "stratus-red-team", "traildiscover", "c7n-cwe", "trailscraper")
SCHEMA = SqlSchema("rows.event", text="rows.words")

Record = dict[str, Any]
View = Callable[[Any], Any]
Made = tuple[Predicate, View]


def records(count: int) -> list[Record]:
    every = [event for _, event in real_events(*SETS)]
    return every[:: len(every) // count]


def message(record: Record) -> Record:
    """A record as a published message: its scalars are the attributes."""
    attributes = {}
    for path, value in facts_of(record):
        kind = "Number" if type(value) in (int, float) else "String"
        attributes[path[-1]] = {"Type": kind, "Value": str(value)}
    return {"Message": record, "MessageAttributes": attributes}


def as_it_is(record: Record) -> Any:
    return record


LANGUAGES: dict[str, tuple[str, str, Callable[[Record], Any]]] = {
    "event-pattern": ("event-pattern", "event_pattern", envelope_of),
    "filter-pattern": ("filter-pattern", "filter_pattern", as_it_is),
    "filter-policy": ("filter-policy", "filter_policy", message),
    "attribute-policy": ("filter-policy", "attribute_policy", message),
    "selector": ("selector", "selector", as_it_is),
    "sigma": ("sigma", "sigma", as_it_is),
}
"""Language, the maker of its rules, and what a rule is asked about for a record."""


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def made_rules(name: str, given: Sequence[Record], seed: int, count: int) -> list[tuple[Made, Any]]:
    """Return the rules that were not refused, each as its predicate and view, with its text."""
    language, maker, subject = LANGUAGES[name]
    texts = RuleTexts([subject(record) if name == "event-pattern" else record for record in given], seed)
    made = []
    for _ in range(count):
        text = getattr(texts, maker)()
        try:
            rule = read_rule(language, text)  # type: ignore[arg-type]
        except InvalidPattern:
            continue
        made.append(((rule.predicate, rule.view), text))
    assert len(made) > count / 3, "most random rules are refused"
    return made


def check(database: duckdb.DuckDBPyConnection, rules: list[tuple[Made, Any]], subjects: Sequence[Any]) -> int:
    """Assert that all readings of all rules agree on all subjects; return how often some rule matched."""
    groups: defaultdict[str, list[tuple[Predicate, Any]]] = defaultdict(list)
    for (predicate, view), text in rules:
        views = [view(subject) for subject in subjects]
        groups[json.dumps(views, default=lambda _: "no view")].append((predicate, text))
    return sum(check_group(database, json.loads(views), of_view) for views, of_view in groups.items())


def check_group(database: duckdb.DuckDBPyConnection, views: list[Any], rules: list[tuple[Predicate, Any]]) -> int:
    database.execute("CREATE OR REPLACE TABLE rows (number INTEGER, event JSON, words VARCHAR)")
    kept = [(place, view) for place, view in enumerate(views) if view != "no view"]
    if kept:
        database.executemany(
            "INSERT INTO rows VALUES (?, ?, ?)",
            [(place, json.dumps(view), view if isinstance(view, str) else None) for place, view in kept],
        )
    index: RuleSet[int] = RuleSet()
    for number, (predicate, _) in enumerate(rules):
        index.add(number, predicate)
    together = {place: set(index.match(view)) for place, view in kept}
    matched = 0
    for number, (predicate, text) in enumerate(rules):
        alone = compile_predicate(predicate)
        expected = [place for place, view in kept if holds(predicate, view)]
        assert [place for place, view in kept if alone(view)] == expected, text
        assert [place for place, _ in kept if number in together[place]] == expected, text
        assert in_sql(database, predicate, views) in (expected, None), text
        matched += len(expected)
    return matched


def check_columns(name: str, texts: Sequence[Any], given: Sequence[Record]) -> int:
    """Assert that columns pick what events do, or nothing less; return how many rules they decided."""
    builder = ColumnsBuilder()
    for record in given:
        builder.add(json.dumps(record).encode(), "")
    columns = EventColumns(builder.encode("these"), "these")
    masks, decided = ColumnMasks(columns), 0
    for text in texts:
        try:
            rule = read_replay_rule("rule", LANGUAGES[name][0], text if isinstance(text, str) else json.dumps(text))
        except InvalidReplay:
            continue
        rows = masks.rows_of(rule)
        maybe = {row for row in range(columns.rows) if rows.mask >> 8 * row & 1}
        picked = {
            row
            for row, record in enumerate(given)
            if holds(rule.predicate, rule.rule.view(rule.subject_of(record, b"")))
        } - set(columns.odd)
        assert maybe - set(columns.odd) == picked if rows.is_exact else maybe >= picked, text
        assert rows.is_exact or not is_decidable(rule), text
        decided += rows.is_exact
    return decided


def in_sql(database: duckdb.DuckDBPyConnection, predicate: Predicate, views: list[Any]) -> list[int] | None:
    """Return what the condition picks, None for fields of a message, which no column of a row holds."""
    is_text = any(isinstance(view, str) and view != "no view" for view in views)
    if any(isinstance(view, list) for view in views):
        return None
    try:
        condition = sql_text_condition(predicate, SCHEMA) if is_text else sql_condition(predicate, SCHEMA)
    except NotInSql:
        return None
    picked = database.execute(f"SELECT number FROM rows WHERE {condition} ORDER BY number").fetchall()
    return [number for (number,) in picked]


@pytest.mark.parametrize("name", LANGUAGES)
def test_random_rules_are_read_the_same_three_ways(database: duckdb.DuckDBPyConnection, name: str) -> None:
    given = records(8)
    rules = made_rules(name, given, seed=6, count=12)

    assert check(database, rules, [LANGUAGES[name][2](record) for record in given]) > 0
    check_columns(name, [text for _, text in rules], given)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", LANGUAGES)
def test_many_random_rules_are_read_the_same_three_ways(
    database: duckdb.DuckDBPyConnection, name: str, seed: int
) -> None:
    given = records(30)
    rules = made_rules(name, given, seed=100 + seed, count=100)

    assert check(database, rules, [LANGUAGES[name][2](record) for record in given]) > 0
    decided = check_columns(name, [text for _, text in rules], given)
    assert decided or name in ("filter-policy", "attribute-policy")  # those ask for what EventBridge's event has not


def test_random_lookups_are_read_the_same_three_ways(database: duckdb.DuckDBPyConnection) -> None:
    views = [lookup_view(record) for record in records(30)]
    rules: list[tuple[Predicate, Any]] = []
    for place, view in enumerate(views):
        wanted = [
            {"AttributeKey": key, "AttributeValue": view[key][-1]}
            for number, key in enumerate(ATTRIBUTE_KEYS)
            if key in view and (place + number) % 3 == 0
        ]
        rules.append((parse_lookup_attributes(wanted), wanted))

    assert check_group(database, views, rules) > 30
