"""The index over many rules: equal to asking each rule, whatever was added and removed before."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.pattern.alternatives import Alternative, Condition
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.ir import ALWAYS, NEVER, Field, Not, Predicate
from opentrail.pattern.rule_bucket import Bucket
from opentrail.pattern.rule_set import RuleSet
from opentrail.pattern.text_index import MemoBudget
from opentrail.pattern.values import ANYTHING, StartsWith, text_in
from tests.support.corpus import lines
from tests.support.pattern_reference import holds
from tests.support.pattern_strategies import events, predicates

FOLDER = ("corpus", "conformance", "event-patterns")


@settings(max_examples=150)
@given(st.lists(predicates, max_size=8), st.lists(events, min_size=1, max_size=3), st.data())
def test_the_index_finds_what_each_rule_alone_does(
    rules: list[Predicate], given_events: list[dict[str, Any]], data: st.DataObject
) -> None:
    index: RuleSet[int] = RuleSet()
    kept = dict(enumerate(rules))
    for name, predicate in kept.items():
        index.add(name, predicate)

    for event in given_events:
        assert sorted(index.match(event)) == [name for name, rule in kept.items() if holds(rule, event)]
        if kept:
            gone = data.draw(st.sampled_from(sorted(kept)))
            index.remove(gone)
            del kept[gone]
        assert len(index) == len(kept)
        assert sorted(index.match(event)) == [name for name, rule in kept.items() if holds(rule, event)]


def test_a_dot_in_a_name_is_told_from_a_path() -> None:
    index: RuleSet[str] = RuleSet()
    rules: dict[str, Predicate] = {
        "none": Not(Field(("a.b",), ANYTHING)),
        "other": Not(Field(("a.b",), text_in("x"))),
        "is": Field(("a.b",), text_in("x")),
        "below": Not(Field(("a", "b"), ANYTHING)),
    }
    for name, rule in rules.items():
        index.add(name, rule)

    for event in ({"a": {"b": "x"}}, {"a.b": "x"}, {"a.b": "y", "a": {"b": "x"}}, {"a": "x"}, {}):
        assert sorted(index.match(event)) == sorted(name for name, rule in rules.items() if holds(rule, event)), event


def test_a_rule_of_the_same_name_takes_the_place_of_the_other() -> None:
    index: RuleSet[str] = RuleSet()
    index.add("a", ALWAYS)
    index.add("a", NEVER)

    assert index.match({}) == []
    assert len(index) == 1
    index.remove("nobody")
    index.remove("a")
    assert len(index) == 0


def test_all_patterns_at_once_answer_each_real_event_as_they_do_alone() -> None:
    envelopes = {event["id"]: event for event in lines(*FOLDER, "real-events.ndjson")}
    cases = lines(*FOLDER, "real-events-patterns.ndjson")
    index: RuleSet[str] = RuleSet()
    for pattern in {case["pattern"] for case in cases}:
        index.add(pattern, parse_event_pattern(pattern))
    answers = {reference: set(index.match(event)) for reference, event in envelopes.items()}

    assert len(index) > 300
    assert [case["id"] for case in cases if (case["pattern"] in answers[case["event_ref"]]) is not case["match"]] == []


def test_memos_start_again_when_they_are_full_and_answers_stay_the_same() -> None:
    budget = MemoBudget(limit_bytes=4_000)
    bucket: Bucket[int] = Bucket(budget)
    conditions = [Condition(("a",), text_in(f"x{number}"), or_absent=False, is_leaf=True) for number in range(20)]
    conditions += [
        Condition(("b",), StartsWith((f"x{number}",)), or_absent=False, is_leaf=True) for number in range(20)
    ]
    for number, condition in enumerate(conditions):
        bucket.add(number, Alternative((condition,)))
    memos = [bits.memo for bits in bucket._paths.values()]

    for _ in range(2):
        for number in range(200):
            certain, _ = bucket.candidates({"a": f"x{number}", "b": f"x{number}"}, {})
            begins = {20 + one for one in range(20) if f"x{number}".startswith(f"x{one}")}
            assert set(certain) == ({number} if number < 20 else set()) | begins
            assert sum(map(len, memos)) + len(bucket._answers) < 40
    bucket.candidates({"a": "x1" * 1_000}, {})
    assert "x1" * 1_000 not in memos[0]


def test_a_set_emptied_of_its_rules_keeps_nothing_of_them() -> None:
    index: RuleSet[int] = RuleSet()
    for number in range(200):
        index.add(number, parse_event_pattern(f'{{"a": ["x{number}"], "b": [{{"wildcard": "*{number}*"}}]}}'))
    assert index.match({"a": "x7", "b": "177"}) == [7]

    for number in range(200):
        index.remove(number)

    assert index.match({"a": "x7", "b": "177"}) == []
    assert index._guards == {}
