"""Tallies: bounded, and the same however they are split."""

import random
from collections import Counter as Counted
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.query.replay.counting import MAX_SLOTS, Counter, TopList, grain_of
from opentrail.query.replay.metrics import Metric, read_metric
from opentrail.query.replay.naming import principal_of
from opentrail.query.replay.rules import InvalidReplay, guess_language, read_replay_rule
from tests.builders import an_event

ALL = read_replay_rule("all", "filter-pattern", '{ $.eventName = "*" }')
START, END = 1_763_640_000, 1_763_650_000


@given(st.lists(st.integers(0, 30), max_size=300), st.integers(1, 8))
def test_a_top_list_never_counts_too_much_and_too_little_by_its_error_at_most(names: list[int], limit: int) -> None:
    top, true = TopList(limit), Counted[str]()
    for each in map(str, names):
        top.add(each)
        true[each] += 1

    assert len(top.counts) <= 2 * limit
    for name, count in true.items():
        assert count - top.error <= top.counts.get(name, 0) <= count
    if len(true) <= 2 * limit:
        assert top.error == 0


@given(st.lists(st.lists(st.integers(0, 30), max_size=100), max_size=4), st.integers(1, 8))
def test_merged_top_lists_keep_their_bound(parts: list[list[int]], limit: int) -> None:
    merged, true = TopList(limit), Counted[str]()
    for part in parts:
        top = TopList(limit)
        for each in map(str, part):
            top.add(each)
            true[each] += 1
        merged.merge(top.counts, top.error)

    for name, count in true.items():
        assert count - merged.error <= merged.counts.get(name, 0) <= count


def test_counting_in_parts_gives_what_counting_in_one_gives() -> None:
    rng = random.Random(1)
    metric = read_metric("$.requestParameters.size", "0")
    records = [
        orjson.dumps(
            an_event(
                eventTime=f"2025-11-20T12:{rng.randrange(60):02}:{rng.randrange(60):02}Z",
                eventID=f"{number:05}",
                requestParameters={"size": rng.randrange(9)} if number % 3 else None,
            )
        )
        for number in range(500)
    ]
    whole = Counter([ALL], [metric], START, END, 7)
    merged = Counter([ALL], [metric], START, END, 7)
    for record in records:
        whole.take(record)
    for part in range(3):
        counter = Counter([ALL], [metric], START, END, 7)
        for record in records[part::3]:
            counter.take(record)
        merged.merge(orjson.loads(orjson.dumps(counter.to_wire())))

    one, several = whole.tallies[0], merged.tallies[0]
    assert one.matches == several.matches == 500
    assert one.slots == several.slots
    assert one.samples == several.samples
    assert sorted(map(tuple, one.examples)) == sorted(map(tuple, several.examples))
    assert [group.counts for group in one.groups] == [group.counts for group in several.groups]


def test_what_is_no_record_with_a_time_is_counted_as_unreadable_and_stops_nothing() -> None:
    counter = Counter([ALL], [None], START, END, 1)
    for line in (b"", b"[]", b"{", b'{"eventName":"A"}', b'{"eventName":"A","eventTime":"never"}', b'"\xff"'):
        counter.take(line)
    counter.take(orjson.dumps(an_event()))

    assert (counter.unreadable, counter.tallies[0].matches) == (6, 1)


@pytest.mark.parametrize(("days", "grain"), [(1, 60), (90, 900), (3653, 86_400)])
def test_a_slot_is_as_long_as_the_span_asks_for(days: int, grain: int) -> None:
    assert grain_of(0, days * 86_400) == grain
    assert days * 86_400 <= grain * MAX_SLOTS


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/a"}}, "arn:aws:iam::1:user/a"),
        ({"userIdentity": {"arn": "x", "sessionContext": {"sessionIssuer": {"arn": "role"}}}}, "role"),
        ({"userIdentity": {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}}, "ec2.amazonaws.com"),
        ({"userIdentity": {"type": "Unknown"}}, "Unknown"),
        ({"userIdentity": "nobody"}, ""),
        ({}, ""),
    ],
)
def test_a_call_counts_for_the_role_behind_a_session_or_for_who_called(record: dict[str, Any], expected: str) -> None:
    assert principal_of(record) == expected


@pytest.mark.parametrize(
    ("value", "record", "published"),
    [
        ("2.5", {}, 2.5),
        ("$.a.b", {"a": {"b": 7}}, 7.0),
        ("$.a[1]", {"a": [1, 2]}, 2.0),
        ("$.a", {"a": "12"}, 12.0),
        ("$.a", {"a": "many"}, None),
        ("$.a", {"a": True}, None),
        ("$.a", {}, 0.0),
        ("$.a.b", {"a": None}, 0.0),
    ],
)
def test_a_match_publishes_the_value_or_the_default_where_it_is_missing(
    value: str,
    record: dict[str, Any],
    published: float | None,
) -> None:
    assert read_metric(value, "0").value_of(record) == published


@pytest.mark.parametrize("value", ["$", "$.", "many", "$.a[*]", "$.a b", "1e300"])
def test_a_metric_value_that_is_neither_number_nor_path_is_refused(value: str) -> None:
    with pytest.raises(InvalidReplay):
        read_metric(value)


def test_without_a_default_other_events_publish_nothing() -> None:
    assert Metric(None, ("a",)).value_of({}) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('{ $.errorCode = "AccessDenied*" }', "filter-pattern"),
        ("[ip, user, ...]", "filter-pattern"),
        ("ERROR -Throttling", "filter-pattern"),
        ('{"source": ["aws.s3"]}', "event-pattern"),
        ('[{"FieldSelectors": []}]', "selector"),
        ('{"ReadWriteType": "All"}', "selector"),
        ('{"FilterPolicy": {}}', "filter-policy"),
        ("title: x\ndetection:\n  a: b\n", "sigma"),
        ("EventName=DeleteBucket,Username=bob", "lookup-attributes"),
        ('[{"AttributeKey": "EventName", "AttributeValue": "x"}]', "lookup-attributes"),
    ],
)
def test_a_rules_language_is_told_by_its_text(text: str, language: str) -> None:
    assert guess_language(text) == language
