"""Counting over an event data store's table gives what the plainest reading of the same events gives."""

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.adapters.query_engine.counting import DuckDbCounting, stream_bytes
from opentrail.adapters.query_engine.counting_worker import count_events, open_engine
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import LakeSnapshot
from opentrail.ports.query_engine import EngineTable
from opentrail.ports.replay import CountingFailed, CountingJob, RuleToCount
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.lake import tables_of
from opentrail.query.replay.metrics import read_metric
from opentrail.query.replay.report import Effort, report_of
from opentrail.query.replay.requests import AskedRule, ReplayRequest
from opentrail.query.replay.rules import ReplayRule, read_replay_rule
from opentrail.resource.event_data_store import EventDataStore
from tests.builders import an_event
from tests.support.corpus import real_events
from tests.support.replay_rules import picks, random_rules

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
START, END = int(FIRST.timestamp()), int((FIRST + timedelta(days=2)).timestamp())
ARN = "arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/6f9b1e1a-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """Real events over two days, and some that are spelled as no API of AWS spells them."""
    found = []
    for number, (_, event) in enumerate(list(real_events())[::12]):
        moment = FIRST + timedelta(seconds=number * 97 % 170_000)
        found.append(event | {"eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "eventID": f"{number:08}"})
    odd: list[dict[str, Any]] = [
        {"eventName": ["StopLogging", "Other"]},
        {"eventName": 5},
        {"userIdentity": "root"},
        {"errorCode": None},
        {"userIdentity.userName": "bob", "userIdentity": {"type": "IAMUser"}},
        {"readOnly": "false"},
    ]
    stamp = FIRST.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [*found, *(an_event(eventTime=stamp, eventID=f"odd-{place}", **one) for place, one in enumerate(odd))]


async def a_table(folder: Path, records: Sequence[dict[str, Any]], job: CountingJob) -> EngineTable:
    """Return a table with two thirds of the records in files, the others in memory."""
    return await a_table_of([orjson.dumps(record) for record in records], folder, job)


async def a_table_of(lines: Sequence[bytes], folder: Path, job: CountingJob) -> EngineTable:
    tables = LocalLakeTables(folder)
    store = EventDataStore(ARN, "audit", "123456789012", "us-east-1", FIRST, FIRST)
    table = await tables.open(store)
    oldest, newest = FIRST - timedelta(days=1), FIRST + timedelta(days=9)
    cut = len(lines) * 2 // 3
    await table.commit(lines[: cut // 2], Position("1"), oldest, newest)
    await table.commit(lines[cut // 2 : cut], Position("2"), oldest, newest)
    version = await table.version()
    fresh, rows = await table.rows(lines[cut:], oldest, newest)
    await tables.close()
    return tables_of(LakeSnapshot(ARN, store.kind, version.version, version.position, version.files, fresh, rows), job)


def a_job(rules: Sequence[ReplayRule], **changes: Any) -> CountingJob:
    members: dict[str, Any] = {
        "rules": tuple(RuleToCount(rule.name, rule.language, rule.text) for rule in rules),
        "start": START,
        "end": END,
        "max_examples": 2,
    }
    return CountingJob(**(members | changes))


async def counted(folder: Path, rules: Sequence[ReplayRule], table: EngineTable, job: CountingJob) -> Counter:
    result = await DuckDbCounting(folder / "spill").count(table, job, lambda *_: None)
    merged = Counter(rules, [], job.start, job.end, job.max_examples)
    for part in result.parts:
        merged.merge(part)
    return merged


def request_of(table: EngineTable) -> dict[str, Any]:
    return {
        "files": list(table.files),
        "columns": table.columns,
        "column_types": table.column_types,
        "settings": {"TimeZone": "UTC", "threads": 1},
    }


def counted_here(rule: ReplayRule, engine: Any) -> Counter:
    """Count in this process, which costs no start of another."""
    answer = count_events(engine, a_job([rule]), io.BytesIO())
    merged = Counter([rule], [], START, END, 2)
    merged.merge(answer["counted"])
    return merged


@pytest.mark.slow
async def test_rules_of_every_language_count_what_the_reference_reading_picks(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    some = [
        read_replay_rule("array", "event-pattern", '{"detail": {"eventName": ["StopLogging"]}}'),
        read_replay_rule("number", "filter-pattern", "{ $.eventName = 5 }"),
        read_replay_rule("dotted", "event-pattern", '{"detail": {"userIdentity": {"userName": ["bob"]}}}'),
        read_replay_rule("text", "filter-pattern", '{ $.readOnly = "false" }'),
    ]
    rules = [*some, *random_rules([one for one in records if isinstance(one["eventName"], str)], 30, seed=9)]
    table = await a_table(tmp_path / "lake", records, a_job(rules))
    lines = [(record, orjson.dumps(record)) for record in records]

    engine = open_engine(request_of(table), stream_bytes(table.fresh))
    for rule in rules:
        found = counted_here(rule, engine)
        expected = [record["eventID"] for record, raw in lines if picks(rule, record, raw)]
        assert found.tallies[0].matches == len(expected), (rule.language, rule.text)
        if rule in some:
            assert expected, rule.name


ODD_LINES = (
    '{"eventTime": "%s", "eventID": "twice", "eventName": "First", "eventName": "StopLogging", "eventSource": "s"}',
    '{"eventTime": "%s", "eventID": "dotted", "userIdentity.userName": "bob", "eventName": "StopLogging"}',
    '{"eventTime": "%s", "eventID": "spelled", "EventName": "StopLogging"}',
    '{"eventTime": "%s", "eventID": "escaped", "event\\u004eame": "StopLogging", "errorCode": "\\u0041ccess"}',
    '{"eventTime": "%s", "eventID": "long", "eventName": "StopLogging", "requestParameters": "' + "x" * 40_000 + '"}',
    '{"eventTime": "%s", "eventID": "null", "eventName": null, "userIdentity": [{"userName": "bob"}]}',
    '{"EventTime": "%s", "eventID": "no time", "eventName": "StopLogging"}',
)
"""Records whose members an engine would read otherwise than we do, or that are counted in another way."""


EVERY_KIND = [
    ("filter-pattern", '{ $.eventName = "Stop*" }'),
    ("event-pattern", '{"detail": {"userIdentity": {"userName": ["bob"]}}}'),
    *(
        pytest.param(*rule, marks=pytest.mark.slow)
        for rule in (
            ("filter-pattern", "{ $.eventName NOT EXISTS }"),
            ("filter-pattern", '{ $.eventSource != "iam.amazonaws.com" && $.userIdentity.type != "Root" }'),
            ("event-pattern", '{"source": [{"prefix": "aws."}], "detail": {"errorCode": [{"exists": true}]}}'),
            ("selector", '{"ReadWriteType": "WriteOnly"}'),
        )
    ),
]


@pytest.mark.parametrize(("language", "text"), EVERY_KIND)
async def test_what_members_tell_is_all_that_decoding_tells(
    tmp_path: Path, records: list[dict[str, Any]], language: str, text: str
) -> None:
    """Matches, slots, names, examples and samples, of plain records and of such as no API of AWS writes."""
    stamps = (f"{FIRST:%Y-%m-%dT%H:%M:%SZ}", f"{FIRST:%Y-%m-%dT%H:%M:%S}.250Z", f"{FIRST:%Y-%m-%d %H:%M:%S}")
    lines = [orjson.dumps(record) for record in records]
    lines += [(line % stamp).encode() for line in ODD_LINES for stamp in stamps]
    rule = read_replay_rule("rule", language, text)
    plain = RuleToCount("rule", language, text)
    measured = RuleToCount("measured", language, text, "$.userIdentity.accountId", "0")
    job = replace(a_job([]), rules=(plain, measured), max_examples=7)
    tables = LocalLakeTables(tmp_path)
    store = EventDataStore(ARN, "audit", "123456789012", "us-east-1", FIRST, FIRST)
    table = await tables.open(store)
    await table.commit(lines, Position("1"), FIRST - timedelta(days=1), FIRST + timedelta(days=9))
    version = await table.version()
    await tables.close()
    asked = tables_of(LakeSnapshot(ARN, store.kind, 1, version.position, version.files, None, 0), job)

    answer = count_events(open_engine(request_of(asked), b""), job, io.BytesIO())

    expected = Counter([rule, rule], [None, read_metric("$.userIdentity.accountId", "0")], START, END, 7)
    for line in lines:
        expected.take(line)
    assert answer["method"] == "columns"
    assert answer["events"] == len(lines)
    assert answer["counted"]["tallies"][0]["matches"] > 0
    assert plainly(answer["counted"]) == plainly(expected.to_wire())


def plainly(counted: dict[str, Any]) -> dict[str, Any]:
    """Return what was counted without the order in which it was."""
    return counted | {
        "tallies": [
            tally
            | {
                "slots": sorted(tally["slots"]),
                "examples": sorted(tally["examples"]),
                "samples": sorted(tally["samples"]),
            }
            for tally in counted["tallies"]
        ]
    }


async def test_several_rules_at_once_count_in_files_and_in_memory(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    rules = random_rules([one for one in records if isinstance(one["eventName"], str)], 12, seed=21)
    job = a_job(rules)
    table = await a_table(tmp_path / "lake", records, job)

    found = await counted(tmp_path, rules, table, job)

    lines = [(record, orjson.dumps(record)) for record in records]
    expected = [sum(picks(rule, record, raw) for record, raw in lines) for rule in rules]
    assert [tally.matches for tally in found.tallies] == expected
    assert sum(expected) > 100


HOSTILE_VALUES = {"a number beyond a double": "1e999", "digits without end": "9" * 400, "depth": "[" * 900 + "]" * 900}


@pytest.mark.parametrize("value", HOSTILE_VALUES.values(), ids=list(HOSTILE_VALUES))
async def test_a_record_that_few_readers_of_json_take_is_counted_and_shown(tmp_path: Path, value: str) -> None:
    rule = read_replay_rule("rule", "event-pattern", '{"source":["aws.s3"]}')
    plain = an_event(eventTime="2026-03-01T10:00:00Z", eventSource="s3.amazonaws.com", requestParameters={"a": 0})
    line = orjson.dumps(plain).replace(b'"a":0', b'"a":' + value.encode())
    lines = [line.replace(plain["eventID"].encode(), name) for name in (b"one", b"two", b"three")]
    table = await a_table_of(lines, tmp_path, a_job([rule]))

    counter = counted_here(rule, open_engine(request_of(table), b""))

    request = ReplayRequest((AskedRule(rule),), FIRST, FIRST + timedelta(days=2))
    report = report_of(request, "lake", counter.tallies, Effort(2, 0, 0.1, "columns"))
    (of_rule,) = report["Rules"]
    assert of_rule["Matches"] == 2
    assert {example["EventId"] for example in of_rule["Examples"]} == {"one", "two"}
    assert orjson.loads(orjson.dumps(report)) == report


async def test_files_that_cannot_be_read_fail_the_count_in_a_sentence(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    rule = read_replay_rule("all", "filter-pattern", '{ $.eventName = "*" }')
    table = await a_table(tmp_path / "lake", records[:50], a_job([rule]))
    for location in table.files:
        with suppress(FileNotFoundError):
            Path(location).unlink()

    with pytest.raises(CountingFailed, match="cannot be read"):
        await counted(tmp_path, [rule], table, a_job([rule]))
