"""What narrows a replay never loses an event: over real records, for random rules of every language."""

from typing import Any

import duckdb
import orjson
import pytest

from opentrail.event.lookup_attributes import lookup_attributes
from opentrail.ports.event_history import LookupKey
from opentrail.query.replay.columns import _COLUMNS, necessary_condition
from opentrail.query.replay.narrowing import Probe, indexed_values, needles
from opentrail.query.replay.rules import read_replay_rule
from tests.support.corpus import real_events
from tests.support.replay_rules import picks, random_rules

RULES = 90


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    found = [event for _, event in real_events() if isinstance(event.get("eventSource"), str) and "eventName" in event]
    assert len(found) > 1000
    return found[::6]


def test_every_record_that_a_rule_picks_passes_its_texts_and_its_indexed_values(records: list[dict[str, Any]]) -> None:
    lines = [(record, orjson.dumps(record)) for record in records]
    indexed = [{(LookupKey(key), value) for key, value in lookup_attributes(record)} for record in records]
    narrowed = picked = 0

    for rule in random_rules(records, RULES, seed=11):
        probe, clauses = Probe([rule], is_escaped_alike=True), indexed_values(rule)
        for (record, raw), values in zip(lines, indexed, strict=True):
            may = probe.may_match(raw) and all(
                clause & values or ((LookupKey.READ_ONLY, "true") in clause and "readOnly" not in record)
                for clause in clauses
            )
            if not may:
                narrowed += 1
            if rule.matches(record, raw):
                picked += 1
                assert may, (rule.language, rule.text, raw)

    assert picked > 3_000
    assert narrowed > 10_000


def test_every_record_that_a_rule_picks_passes_its_condition_on_columns(records: list[dict[str, Any]]) -> None:
    columns = sorted(set(_COLUMNS.values()))
    paths = {column: path for path, column in _COLUMNS.items()}
    with duckdb.connect(config={"threads": 1}) as database:
        for statement in _table(records, columns, paths):
            database.execute(*statement)
        narrowed = 0
        for rule in random_rules(records, 90, seed=12):
            condition = necessary_condition([rule], {"useridentity", "eventsource"})
            if condition is None:
                continue
            narrowed += 1
            left = {row[0] for row in database.execute(f"SELECT number FROM events WHERE {condition}").fetchall()}
            expected = {place for place, record in enumerate(records) if rule.matches(record, orjson.dumps(record))}
            assert expected <= left, (rule.language, rule.text)
    assert narrowed > 30


def _table(records: list[dict[str, Any]], columns: list[str], paths: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the statements that make a table as the lake has it, of the columns that conditions name."""
    rows = [(number, orjson.dumps(record).decode()) for number, record in enumerate(records)]
    plain = [column for column in columns if "." not in column]
    listed = ", ".join(f"json_extract_string(e, {_pointer(paths[column])}) AS {column}" for column in plain)
    return [
        ("CREATE TABLE given (number INTEGER, e JSON)",),
        (f"INSERT INTO given VALUES {', '.join(['(?, ?)'] * len(rows))}", [cell for row in rows for cell in row]),
        (
            "CREATE TABLE events AS SELECT number, e::VARCHAR AS eventjson, "
            "TRY_CAST(json_extract_string(e, '/readOnly') AS BOOLEAN) AS readonly, "
            f"{_identity()} AS useridentity, {listed} FROM given",
        ),
    ]


def _pointer(path: tuple[str, ...]) -> str:
    return f"'/{'/'.join(path)}'"


def _identity() -> str:
    names = ("type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy")
    members = ", ".join(f"{name.lower()} := json_extract_string(e, '/userIdentity/{name}')" for name in names)
    issuer = ", ".join(
        f"{name.lower()} := json_extract_string(e, '/userIdentity/sessionContext/sessionIssuer/{name}')"
        for name in ("type", "principalId", "arn", "accountId", "userName")
    )
    return f"struct_pack({members}, sessioncontext := struct_pack(sessionissuer := struct_pack({issuer})))"


def test_a_probe_asks_for_one_text_of_each_rule() -> None:
    rules = [
        read_replay_rule("a", "filter-pattern", '{ $.errorCode = "AccessDenied*" }'),
        read_replay_rule("b", "event-pattern", '{"detail": {"eventName": ["StopLogging", "DeleteTrail"]}}'),
    ]

    probe = Probe(rules, is_escaped_alike=True)

    assert probe.is_useful
    assert probe.may_match(b'{"errorCode":"AccessDeniedException"}')
    assert probe.may_match(b'{"eventName":"DeleteTrail"}')
    assert not probe.may_match(b'{"eventName":"ListTrails"}')


def test_bytes_with_escapes_of_another_writer_are_never_skipped() -> None:
    rule = read_replay_rule("a", "filter-pattern", '{ $.errorCode = "AccessDenied" }')

    assert Probe([rule], is_escaped_alike=False).may_match(b'{"errorCode":"\\u0041ccessDenied"}')
    assert not Probe([rule], is_escaped_alike=False).may_match(b'{"errorCode":"Throttling"}')


@pytest.mark.parametrize(
    "pattern",
    [
        '{"detail": {"errorCode": [{"exists": false}]}}',
        '{"detail": {"userName": [{"anything-but": "root"}]}, "source": [{"prefix": "aws."}]}',
    ],
)
def test_what_a_rule_wants_absent_or_other_is_no_text_to_look_for(pattern: str) -> None:
    found = needles(read_replay_rule("a", "event-pattern", pattern))

    assert found is None or {needle.text for needle in found} == {b'userName"'}


def test_the_reference_reading_agrees_with_the_rule(records: list[dict[str, Any]]) -> None:
    for rule in random_rules(records, 60, seed=13):
        for record in records[::23]:
            raw = orjson.dumps(record)
            assert rule.matches(record, raw) == picks(rule, record, raw), (rule.language, rule.text)


@pytest.mark.parametrize("written", ["DisableKey", "disablekey", "D\u0130SABLE\u212aEY"])
def test_a_text_in_whatever_case_is_found_in_all_of_them(written: str) -> None:
    rule = read_replay_rule(
        "a",
        "sigma",
        "title: a\nlogsource: {product: aws, service: cloudtrail}\n"
        "detection: {some: {eventName: DisableKey}, condition: some}\n",
    )
    raw = orjson.dumps({"eventName": written})

    assert rule.matches({"eventName": written}, raw)
    assert Probe([rule], is_escaped_alike=True).may_match(raw)
