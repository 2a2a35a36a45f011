"""Correlations on a stream: what is counted, when it is told, and how much is kept."""

import random
import time
from typing import Any

import pytest
import yaml

from opentrail.pattern.correlation import CorrelationStream, Finding
from opentrail.pattern.errors import InvalidSigmaRule
from opentrail.pattern.sigma_correlations import parse_sigma_correlations

Event = dict[str, Any]


def a_rule(name: str, **fields: Any) -> Event:
    fields = fields or {"eventName": name}
    return {
        "title": name,
        "name": name,
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"s": fields, "condition": "s"},
    }


def a_correlation(kind: str, rules: list[str], condition: Any = None, **others: Any) -> Event:
    name, timespan = others.pop("name", "c"), others.pop("timespan", "10s")
    section = {"type": kind, "rules": rules, "timespan": timespan} | others
    if condition is not None:
        section["condition"] = condition
    return {"title": name, "name": name, "correlation": section}


def a_stream(*documents: Event, max_cells: int = 10_000) -> CorrelationStream:
    return CorrelationStream(parse_sigma_correlations(yaml.safe_dump_all(documents)), max_cells)


def found(stream: CorrelationStream, *events: tuple[float, str] | tuple[float, str, Event]) -> list[Finding]:
    """Feed events given as time, name and further fields; return the findings."""
    findings = []
    for number, (at, name, *more) in enumerate(events):
        event = {"eventID": f"e{number}", "eventName": name} | (more[0] if more else {})
        findings += stream.observe(event, at)
    return findings


def test_events_are_counted_over_a_span_that_slides() -> None:
    stream = a_stream(a_rule("A"), a_correlation("event_count", ["A"], {"gte": 3}))

    assert found(stream, (0, "A"), (8, "A"), (11, "A"), (12, "B")) == []
    [finding] = found(stream, (13, "A"))

    assert (finding.count, finding.first_at, finding.at) == (3, 8, 13)


def test_what_holds_on_is_told_once_and_again_after_it_ended() -> None:
    stream = a_stream(a_rule("A"), a_correlation("event_count", ["A"], {"gt": 1}))

    assert [finding.at for finding in found(stream, *((at, "A") for at in (0, 1, 2, 9, 18, 30, 31, 32)))] == [1, 31]


def test_groups_are_counted_apart_and_events_without_the_field_not_at_all() -> None:
    stream = a_stream(
        a_rule("A"), a_correlation("event_count", ["A"], {"gte": 2}, **{"group-by": ["userIdentity.arn", "ip"]})
    )
    by = [{"userIdentity": {"arn": arn}, "ip": ip} for arn, ip in (("x", 1), ("y", 1), ("x", 1))]

    [finding] = found(stream, *((1, "A", fields) for fields in by), (1, "A", {"ip": 1}), (1, "A", {"ip": 1}))

    assert finding.group == {"userIdentity.arn": "x", "ip": "1"}
    assert finding.event_ids == ("e0", "e2")


def test_distinct_values_are_counted() -> None:
    stream = a_stream(a_rule("A"), a_correlation("value_count", ["A"], {"gte": 3, "field": "key"}))
    keys = [(0, "a"), (1, "a"), (2, "b"), (3, None), (10.5, "c"), (12, "a")]

    findings = found(stream, *((at, "A", {"key": key}) for at, key in keys))

    assert [(finding.at, finding.count) for finding in findings] == [(10.5, 3)]


def test_rules_may_be_met_in_any_order_unless_order_is_asked_for() -> None:
    rules = [a_rule("A"), a_rule("B"), a_rule("C")]
    any_order = a_stream(*rules, a_correlation("temporal", ["A", "B", "C"]))
    in_order = a_stream(*rules, a_correlation("temporal_ordered", ["A", "B", "C"]))
    mixed = [(0, "B"), (1, "A"), (2, "C")]
    right = [(3, "B"), (4, "C")]

    assert [finding.at for finding in found(any_order, *mixed, *right)] == [2]
    [finding] = found(in_order, *mixed, *right)
    assert (finding.first_at, finding.at) == (1, 4)


def test_an_order_that_takes_longer_than_the_span_does_not_count() -> None:
    stream = a_stream(a_rule("A"), a_rule("B"), a_correlation("temporal_ordered", ["A", "B"]))

    assert found(stream, (0, "A"), (10, "B")) == []
    assert [finding.first_at for finding in found(stream, (11, "A"), (12, "A"), (21.5, "B"))] == [12]


def test_one_event_is_not_in_order_with_itself() -> None:
    both = a_rule("B", source="s")
    stream = a_stream(a_rule("A"), both, a_correlation("temporal_ordered", ["A", "B"]))

    assert found(stream, (0, "A", {"source": "s"})) == []
    assert len(found(stream, (0, "A", {"source": "s"}))) == 1


def test_some_of_the_rules_may_be_enough() -> None:
    stream = a_stream(a_rule("A"), a_rule("B"), a_rule("C"), a_correlation("temporal", ["A", "B", "C"], {"gte": 2}))

    assert [finding.at for finding in found(stream, (0, "A"), (1, "A"), (2, "C"))] == [2]


@pytest.mark.parametrize(
    ("condition", "counts"),
    [({"lt": 3}, [1, 2]), ({"eq": 3}, [3]), ({"gt": 1, "lte": 3}, [2, 3]), ({"lte": 1}, [1])],
)
def test_a_count_with_an_upper_end_is_judged_when_its_span_is_over(condition: Event, counts: list[int]) -> None:
    told = []
    for count in range(1, 6):
        stream = a_stream(a_rule("A"), a_correlation("event_count", ["A"], condition))
        assert found(stream, *((at, "A") for at in range(count))) == []
        told += [finding.count for finding in stream.advance(10)]
        assert stream.cells == 0

    assert told == counts


def test_an_open_span_is_judged_when_the_stream_ends() -> None:
    stream = a_stream(a_rule("A"), a_correlation("value_count", ["A"], {"eq": 2, "field": "k"}))
    found(stream, (0, "A", {"k": 1}), (1, "A", {"k": 2}))

    assert [finding.at for finding in stream.finish()] == [10]


def test_a_field_may_have_another_name_in_each_rule() -> None:
    stream = a_stream(
        a_rule("A"),
        a_rule("B"),
        a_correlation(
            "temporal", ["A", "B"], **{"group-by": ["who"], "aliases": {"who": {"A": "maker", "B": "u.name"}}}
        ),
    )

    assert found(stream, (0, "A", {"maker": "x"}), (1, "B", {"u": {"name": "y"}})) == []
    [finding] = found(stream, (2, "B", {"u": {"name": "x"}}))
    assert finding.group == {"who": "x"}


def test_a_correlation_may_be_one_of_the_rules() -> None:
    stream = a_stream(
        a_correlation("temporal_ordered", ["many", "OK"], name="broken", **{"group-by": "user"}),
        a_correlation("event_count", ["Fail"], {"gte": 3}, name="many", **{"group-by": ["ip"]}),
        a_rule("Fail"),
        a_rule("OK"),
    )
    fails = [(at, "Fail", {"ip": "i", "user": "u"}) for at in (0, 1, 2)]

    findings = found(stream, (0, "OK", {"user": "u"}), *fails, (3, "OK", {"user": "v"}), (4, "OK", {"user": "u"}))

    assert [(finding.title, finding.at) for finding in findings] == [("many", 2), ("broken", 4)]


def test_a_late_event_counts_at_its_own_time() -> None:
    stream = a_stream(a_rule("A"), a_correlation("event_count", ["A"], {"gte": 3}))

    assert found(stream, (20, "A"), (5, "A"), (12, "A")) == []
    assert [finding.first_at for finding in found(stream, (11, "A"))] == [11]


def test_what_is_kept_is_bounded_and_what_is_given_up_is_counted() -> None:
    stream = a_stream(
        a_rule("A"),
        a_correlation("event_count", ["A"], {"gte": 2}, timespan="1d", **{"group-by": ["ip"]}),
        a_correlation("value_count", ["A"], {"gte": 2000, "field": "ip"}, name="d", timespan="1d"),
        max_cells=1_000,
    )
    most = 0
    for at in range(3_000):
        stream.observe({"eventName": "A", "ip": at}, at)
        most = max(most, stream.cells)

    assert most <= 1_000
    assert stream.forgotten > 0


def test_hostile_orders_of_time_cost_little() -> None:
    stream = a_stream(
        a_rule("A"),
        a_correlation("event_count", ["A"], {"gte": 10_000}, timespan="1d"),
        a_correlation("value_count", ["A"], {"gte": 10_000, "field": "k"}, name="d", timespan="1d"),
        max_cells=400_000,
    )
    start = time.process_time()
    for number in range(4_000):
        stream.observe({"eventName": "A", "k": f"{number % 300}" * 400}, 80_000 - number)

    assert time.process_time() - start < 4
    assert stream.cells < 10_000


@pytest.mark.parametrize("kind", ["event_count", "value_count", "temporal", "temporal_ordered"])
def test_findings_are_those_of_a_plain_count_over_all_events(kind: str) -> None:
    rng = random.Random(kind)
    condition = {"gte": 3, "field": "k"} if kind == "value_count" else {"gte": 3} if kind == "event_count" else None
    documents = [a_rule("A"), a_rule("B"), a_correlation(kind, ["A", "B"], condition, **{"group-by": ["g"]})]
    for _ in range(30):
        stream = a_stream(*documents)
        events: list[tuple[float, str, Event]] = []
        told = []
        at = 0
        for number in range(60):
            at += rng.choice((0, 1, 2, 5, 12))
            events.append((at, rng.choice("ABC"), {"g": rng.randrange(2), "k": rng.randrange(4)}))
            told += [(number, finding.group["g"]) for finding in found(stream, events[-1])]

        assert told == list(plainly(kind, events))


def plainly(kind: str, events: list[tuple[float, str, Event]]) -> Any:
    held = {0: False, 1: False}
    for number, (at, name, fields) in enumerate(events):
        if name == "C":
            continue
        group = fields["g"]
        near = [one for one in events[: number + 1] if one[0] > at - 10 and one[1] in "AB" and one[2]["g"] == group]
        names = [one[1] for one in near]
        holds = {
            "event_count": len(near) >= 3,
            "value_count": len({one[2]["k"] for one in near}) >= 3,
            "temporal": len(set(names)) == 2,
            "temporal_ordered": "AB" in "".join(names),
        }[kind]
        if holds and not held[group]:
            yield number, str(group)
        held[group] = holds


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        ([a_correlation("event_count", ["A"], {"gte": 1})], "no rule A"),
        ([a_rule("A")], "no correlation"),
        ([a_rule("A"), a_rule("A"), a_correlation("event_count", ["A"], {"gte": 1})], "Two rules"),
        ([a_rule("A"), a_correlation("value_sum", ["A"], {"gte": 1})], "value_sum"),
        ([a_rule("A"), a_correlation("event_count", ["A"])], "condition"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"gte": 10_001})], "0 to 10000"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"gte": True})], "0 to 10000"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"gte": 5, "lt": 5})], "never"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"neq": 5})], "neq"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"gte": 1, "field": "x"})], "value_count"),
        ([a_rule("A"), a_correlation("value_count", ["A"], {"gte": 1})], "field"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"gte": 1}, timespan="0s")], "timespan"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"gte": 1}, timespan="367d")], "timespan"),
        ([a_rule("A"), a_correlation("event_count", ["A"], {"gte": 1}, window="1d")], "window"),
        ([a_rule("A"), a_correlation("event_count", [], {"gte": 1})], "between 1"),
        ([a_rule("A"), a_correlation("event_count", ["A", "A"], {"gte": 1})], "twice"),
        ([a_rule("A"), a_correlation("temporal_ordered", ["A"], {"gte": 2})], "all of its rules"),
        ([a_rule("A"), a_correlation("event_count", ["c"], {"gte": 1})], "circle"),
        ([a_rule("A"), a_correlation("temporal", ["A"], **{"group-by": ["x"], "aliases": {"x": {}}})], "alias x"),
        ([a_rule("A"), {"title": "c", "correlation": []}], "mapping"),
        ([a_rule("A"), ["x"]], "no mapping"),
    ],
)
def test_what_cannot_be_correlated_is_refused(documents: list[Any], reason: str) -> None:
    with pytest.raises(InvalidSigmaRule, match=reason):
        parse_sigma_correlations(yaml.safe_dump_all(documents))
