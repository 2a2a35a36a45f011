"""Event patterns against event-ruler's own cases, AWS's recorded answers and patterns generated over real events."""

import json
from functools import cache
from typing import Any

import pytest

from opentrail.pattern.errors import InvalidEventPattern
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.matcher import compile_predicate
from tests.support.corpus import lines, shared
from tests.support.pattern_reference import holds

FOLDER = ("corpus", "conformance", "event-patterns")
SNAPSHOTS = ("corpus", "conformance", "localstack-aws-snapshots", "tests", "aws", "services", "events")
FILES = {
    "event-ruler-validity": 596,
    "event-ruler-match": 572,
    "event-ruler-correctness-match": 25,
    "localstack-match": 70,
    "moto-match": 88,
    "real-events-patterns": 2398,
}


@cache
def real_envelopes() -> dict[str, dict[str, Any]]:
    return {event["id"]: event for event in lines(*FOLDER, "real-events.ndjson")}


def event_of(case: dict[str, Any]) -> Any:
    return real_envelopes()[case["event_ref"]] if "event_ref" in case else json.loads(case["event"])


def expected(case: dict[str, Any]) -> Any:
    """What AWS answered wins over what was computed."""
    return {"match": True, "nomatch": False}.get(case.get("expected", ""), case.get("match"))


@pytest.mark.parametrize(("name", "count"), FILES.items())
def test_every_case_is_answered_as_recorded(name: str, count: int) -> None:
    cases = lines(*FOLDER, f"{name}.ndjson")
    wrong = [found for case in cases if (found := _disagreement(case))]

    assert len(cases) == count
    assert wrong == []


def _disagreement(case: dict[str, Any]) -> tuple[Any, ...] | None:
    try:
        predicate = parse_event_pattern(case["pattern"])
    except InvalidEventPattern as error:
        agrees = not case["valid"] and case.get("error", str(error)) == str(error)
        return None if agrees else (case["id"], str(error))
    if not case["valid"]:
        return (case["id"], "taken as valid")
    if expected(case) is None:
        return None
    event = event_of(case)
    answers = (compile_predicate(predicate)(event), holds(predicate, event))
    return None if answers == (expected(case),) * 2 else (case["id"], *answers)


def test_refusals_read_as_aws_recorded_them() -> None:
    recorded = json.loads(shared(*SNAPSHOTS, "test_events_patterns.snapshot.json").read_text())
    patterns = {case["id"]: case["pattern"] for case in lines(*FOLDER, "localstack-match.ndjson")}
    compared = 0
    for name, entry in recorded.items():
        case = name.partition("[")[2].removesuffix("]")
        answer = entry["recorded-content"].get(case, {}).get("exception_message", {}).get("Error")
        if answer is None or f"localstack/{case}" not in patterns:
            continue
        with pytest.raises(InvalidEventPattern) as refusal:
            parse_event_pattern(patterns[f"localstack/{case}"])
        reason = f"Event pattern is not valid. Reason: {str(refusal.value).partition(chr(10))[0]}"
        assert reason == answer["Message"], case
        compared += 1
    assert compared == 19


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (
            "this is valid json but not a dict",
            "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or "
            "'false')\n at [Source: (String)\"this is valid json but not a dict\"; line: 1, column: 5]",
        ),
        (
            "{'bad': 'quotation'}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name\n"
            " at [Source: (String)\"{'bad': 'quotation'}\"; line: 1, column: 2]",
        ),
        (
            '{"not": closed mark"',
            "Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or "
            '\'false\')\n at [Source: (String)"{"not": closed mark""; line: 1, column: 15]',
        ),
        (
            '["not", "a", "dict", "but valid json"]',
            'Filter is not an object\n at [Source: (String)"["not", "a", "dict", "but valid json"]"; '
            "line: 1, column: 2]",
        ),
    ],
)
def test_what_is_no_json_object_is_refused_with_awss_place(pattern: str, reason: str) -> None:
    with pytest.raises(InvalidEventPattern) as refusal:
        parse_event_pattern(pattern)

    assert str(refusal.value) == reason


def test_the_acceptance_patterns_are_taken_and_pick_their_events() -> None:
    picked = {}
    for case in json.loads(shared("acceptance", "event-patterns.json").read_text()):
        matcher = compile_predicate(parse_event_pattern(json.dumps(case["pattern"])))
        picked[case["name"]] = sum(map(matcher, real_envelopes().values()))

    assert picked["denied"] > 0
    assert picked["trail-tampering"] == sum(
        event["detail"]["eventName"] in ("StopLogging", "DeleteTrail", "UpdateTrail")
        and event["detail"]["eventSource"] == "cloudtrail.amazonaws.com"
        for event in real_envelopes().values()
    )
    assert picked["root-login"] == sum(
        event["detail"]["eventName"] == "ConsoleLogin" and event["detail"]["userIdentity"]["type"] == "Root"
        for event in real_envelopes().values()
    )
