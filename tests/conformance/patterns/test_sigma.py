"""Sigma rules: the published AWS rules over the real sets, every modifier, and what is refused."""

import json
from collections import defaultdict
from typing import Any

import pytest
import yaml

from opentrail.pattern.errors import InvalidSigmaRule
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.sigma import parse_sigma_rule
from opentrail.pattern.sigma_documents import MAX_RULE_CHARACTERS
from tests.support.corpus import real_events, shared

SETS = ("invictus-ir", "stratus-red-team", "traildiscover", "c7n-cwe", "trailscraper")


def rule(selection: Any, condition: str = "s", **others: Any) -> str:
    source = {"product": "aws", "service": "cloudtrail"}
    return yaml.safe_dump(
        {"title": "t", "logsource": source, "detection": {"s": selection, "condition": condition, **others}}
    )


def picks(selection: Any, event: dict[str, Any], condition: str = "s", **others: Any) -> bool:
    return compile_predicate(parse_sigma_rule(rule(selection, condition, **others)))(event)


def test_the_published_rules_pick_what_pysigmas_own_back_end_picks() -> None:
    events = list(real_events(*SETS))
    cases = json.loads(shared("corpus", "conformance", "sigma-aws", "expected-matches.json").read_text())
    wrong = []
    for case in cases:
        matcher = compile_predicate(parse_sigma_rule(shared("corpus", *case["rule"].split("/")).read_text()))
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, event in events:
            if matcher(event):
                found[name].append(event["eventID"])
        if {name: sorted(ids) for name, ids in found.items()} != {
            name: sorted(ids) for name, ids in case["matches"].items()
        }:
            wrong.append(case["title"])

    assert len(cases) == 28
    assert len(events) == 3158
    assert wrong == []


@pytest.mark.parametrize(
    ("selection", "yes", "no"),
    [
        ({"a": "Xy"}, ["xY"], ["x", None, ["z"]]),
        ({"a": "x"}, [["y", "X"]], [{"x": "x"}]),
        ({"a.b": "x"}, [{"b": "x"}, [{"b": "x"}]], [{"c": "x"}]),
        ({"a": "x*z?"}, ["xyzy", "XZy"], ["xz"]),
        ({"a|contains": "in"}, ["main", {"k": "in"}], ["m"]),
        ({"a|startswith": "x"}, ["Xy"], ["yx"]),
        ({"a|endswith": "x"}, ["yX"], ["xy"]),
        ({"a|cased": "X"}, ["X"], ["x"]),
        ({"a|re": "x.*y$"}, ["1x2y"], ["X2y", "xyz"]),
        ({"a|re|i": "^X"}, ["xy"], ["yx"]),
        ({"a|cidr": "10.0.0.0/8"}, ["10.1.2.3"], ["11.1.2.3", "10.1", "x"]),
        ({"a|gt": 5}, [6, 5.5], [5, "6"]),
        ({"a|lte": 5}, [5], [6]),
        ({"a|exists": True}, [1, "", False, None], []),
        ({"a|minute": 5}, ["2026-11-20T10:05:00Z", "2026-11-20 10:05:00"], ["2026-11-20T05:06:00Z", 5, "x"]),
        ({"a|hour": [0, 23]}, ["2026-11-20T00:05:00Z", "2026-11-20T23:05:00Z"], ["2026-11-20T22:00:23Z"]),
        ({"a|hour|gte": 18}, ["2026-11-20T18:05:00Z"], ["2026-11-20T17:59:59Z"]),
        ({"a|day": 7}, ["2026-11-07T18:05:00Z", "2026-11-07"], ["2026-07-20T07:59:59Z"]),
        ({"a|month|lt": 3}, ["2026-02-07T18:05:00Z"], ["2026-03-01T01:01:01Z"]),
        ({"a|year|gt": 2025}, ["2026-02-07T18:05:00Z"], ["2025-12-31T23:59:59Z"]),
        ({"a|week": 53}, ["2026-12-31T00:00:00Z", "2027-01-03T00:00:00Z"], ["2027-01-04T00:00:00Z"]),
        ({"a|hour": 99}, [], ["2026-11-20T10:05:00Z"]),
        ({"a|utf16le|base64offset|contains": "ab"}, ["xYQBiA"], ["ab"]),
        ({"a|re|s": "x.y"}, ["x\ny"], []),
        ({"a|re|m": "^y$"}, ["x\ny\nz"], ["xy"]),
        ({"a|re": "x.y"}, ["x1y"], ["x\ny"]),
        ({"a": None}, [None], ["", 0]),
        ({"a": 5}, [5, "5", 5.0], ["05", 6]),
        ({"a": True}, [True, "TRUE"], [1, False]),
        ({"a|neq": "x"}, ["y", None], ["X"]),
        ({"a|contains|all": ["x", "y"]}, ["yx"], ["x"]),
        ({"a|base64offset|contains": "secret"}, ["c2VjcmV0", "xxpzZWNyZXQ"], ["secret"]),
        ({"a|windash|contains": " -x "}, ["cmd /x 1", "cmd -x 1"], ["cmd x 1"]),
        (["key*d"], ["a keyword"], []),
    ],
)
def test_modifiers(selection: Any, yes: list[Any], no: list[Any]) -> None:
    if selection == ["key*d"]:
        assert picks(selection, {"deep": [{"a": "KEYxxd"}]})
        assert not picks(selection, {"deep": [{"a": "a keyword here"}]})
        return

    assert [value for value in yes if not picks(selection, {"a": value})] == []
    assert [value for value in no if picks(selection, {"a": value})] == []


def test_null_and_not_hold_for_a_missing_field() -> None:
    assert picks({"a": None}, {})
    assert not picks({"a|exists": True}, {})
    assert picks({"a": "x"}, {}, "not s")


def test_a_field_is_compared_with_another() -> None:
    assert picks({"a|fieldref": "b.c"}, {"a": "X", "b": {"c": "x"}})
    assert not picks({"a|fieldref": "b.c"}, {"a": "x", "b": {"c": "y"}})
    assert not picks({"a|fieldref": "b.c"}, {})


def test_conditions_join_selections_by_name_and_number() -> None:
    others = {"s2": {"b": "y"}, "filter": {"c": "z"}}

    assert picks({"a": "x"}, {"a": "x", "b": "y"}, "all of s* and not filter", **others)
    assert picks({"a": "x"}, {"b": "y"}, "1 of s*", **others)
    assert not picks({"a": "x"}, {"a": "x", "b": "y", "c": "z"}, "all of s* and not filter", **others)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "no YAML"),
        ("x", "no mapping"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("x" * (MAX_RULE_CHARACTERS + 1), "longer than"),
        (rule({"a|expand": "%x%"}), "placeholder"),
        (rule({"a|re": "(?=x)"}), "(?="),
        (rule({"a": "x"}) + "---\n" + rule({"a": "x"}), "several rules"),
        ("correlation: {}", "stream"),
        (rule({"a|nosuch": 5}), "nosuch"),
        (rule({"a": "x"}, "t"), "t"),
        (rule({"a": "x"}, "(" * 500 + "s" + ")" * 500), "too complex"),
        (rule({"a": ["x"] * 10_001}), "more than 10000"),
        (rule({"a": "x"}).replace("aws", "windows"), "windows"),
    ],
)
def test_what_cannot_be_asked_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSigmaRule) as refusal:
        parse_sigma_rule(text)

    assert reason in str(refusal.value)
