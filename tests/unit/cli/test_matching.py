"""``opentrail match``: cases in and out line by line, events of files, and what is said of those that do not match."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from opentrail.cli import app
from opentrail.pattern.languages import LANGUAGES
from tests.conformance.patterns.test_event_patterns import FILES, FOLDER
from tests.support.corpus import lines, shared

RECORD = {
    "eventType": "AwsApiCall",
    "eventID": "e-1",
    "eventTime": "2026-11-20T10:00:00Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateUser",
    "userIdentity": {"type": "IAMUser"},
}


def run(*arguments: str, given: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["match", *arguments], input=given)
    return result.exit_code, result.output


def answers(language: str, *cases: Any) -> list[dict[str, Any]]:
    text = "\n".join(case if isinstance(case, str) else json.dumps(case) for case in cases)
    code, told = run("--language", language, "--cases", "-", given=text)
    assert code == 0
    return [json.loads(line) for line in told.splitlines()]


@pytest.mark.parametrize(
    ("language", "pattern", "yes", "no"),
    [
        ("event-pattern", {"source": ["aws.iam"]}, {"source": "aws.iam"}, {"source": "aws.s3"}),
        ("filter-pattern", "{ $.a = 1 }", {"a": 1}, '{"a": 2}'),
        ("filter-pattern", "ERROR", "an ERROR", "fine"),
        (
            "selector",
            [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}],
            {"eventCategory": "Management"},
            {"eventCategory": "Data"},
        ),
        ("selector", {"ReadWriteType": "All"}, {"eventCategory": "Management"}, {"eventCategory": "Data"}),
        (
            "filter-policy",
            {"store": ["x"]},
            {"MessageAttributes": {"store": {"Type": "String", "Value": "x"}}},
            {"MessageAttributes": {}},
        ),
        (
            "filter-policy",
            {"FilterPolicy": {"a": ["x"]}, "FilterPolicyScope": "MessageBody"},
            {"Message": '{"a": "x"}'},
            {"Message": "x"},
        ),
        (
            "sigma",
            "title: t\nlogsource: {product: aws}\ndetection: {s: {a: x}, condition: s}",
            {"a": "X"},
            {"a": "y"},
        ),
    ],
)
def test_each_language_answers_texts_and_values(language: str, pattern: Any, yes: Any, no: Any) -> None:
    as_texts = [value if isinstance(value, str) else json.dumps(value) for value in (pattern, yes, no)]

    told = answers(
        language,
        {"id": 1, "pattern": pattern, "event": yes},
        {"id": "2", "pattern": pattern, "event": no},
        {
            "id": 3,
            "pattern": as_texts[0] if isinstance(pattern, str) or language != "filter-policy" else pattern,
            "event": as_texts[1],
        },
        {"id": 4, "pattern": pattern, "event": as_texts[2]},
    )

    assert told == [
        {"id": 1, "valid": True, "match": True, "error": None},
        {"id": "2", "valid": True, "match": False, "error": None},
        {"id": 3, "valid": True, "match": True, "error": None},
        {"id": 4, "valid": True, "match": False, "error": None},
    ]


def test_invalid_rules_events_and_lines_are_answered_in_their_place() -> None:
    told = answers(
        "event-pattern",
        {"id": 1, "pattern": '{"a": []}', "event": {}},
        "no json",
        {"id": 3, "pattern": '{"a": [1]}', "event": "[]"},
        {"id": 4, "pattern": '{"a": [1]}'},
        [],
    )

    assert [(answer["id"], answer["valid"], answer["match"]) for answer in told] == [
        (1, False, None),
        (None, False, None),
        (3, True, None),
        (4, True, None),
        (None, False, None),
    ]
    assert told[0]["error"].startswith("Empty arrays are not allowed\n at [Source")
    assert told[2]["error"] == "The event is no JSON object"


def test_the_recorded_cases_are_answered_in_order() -> None:
    path = shared("corpus", "conformance", "event-patterns", "localstack-match.ndjson")

    code, told = run("--language", "event-pattern", "--cases", str(path))

    assert code == 0
    expected = lines("corpus", "conformance", "event-patterns", "localstack-match.ndjson")
    found = [json.loads(line) for line in told.splitlines()]
    assert [answer["id"] for answer in found] == [case["id"] for case in expected]
    assert [answer["match"] if answer["valid"] else "exception" for answer in found] == [
        {"match": True, "nomatch": False}.get(case["expected"], case["expected"]) for case in expected
    ]


def test_events_of_log_files_are_shown_to_patterns_as_eventbridge_would(tmp_path: Path) -> None:
    (tmp_path / "log.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [RECORD]}).encode()))
    (tmp_path / "more.ndjson").write_text(json.dumps(RECORD | {"eventID": "e-2", "eventName": "DeleteUser"}) + "\n")
    (tmp_path / "rule.json").write_text('{"source": ["aws.iam"], "detail": {"eventName": ["CreateUser"]}}')
    files = [str(tmp_path / "log.json.gz"), str(tmp_path / "more.ndjson")]

    code, told = run("--language", "event-pattern", "--pattern", str(tmp_path / "rule.json"), "--events", *files)
    explained = run(
        "--language", "event-pattern", "--pattern", str(tmp_path / "rule.json"), "--events", *files, "--explain"
    )

    assert (code, told) == (0, "e-1  2026-11-20T10:00:00Z  CreateUser  matches\n1 of 2 events match\n")
    assert '    detail.eventName is "DeleteUser", wanted "CreateUser"\n' in explained[1]


def test_a_rule_that_picks_nothing_or_is_not_valid_gives_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text(json.dumps(RECORD))
    (tmp_path / "none").write_text("{ $.eventName = Other }")
    (tmp_path / "bad").write_text("{ $.eventName == Other }")

    for name in ("none", "bad"):
        rule, events = str(tmp_path / name), str(tmp_path / "event.json")
        assert run("--language", "filter-pattern", "--pattern", rule, "--events", events)[0] == 1
    told = run(
        "--language",
        "filter-pattern",
        "--pattern",
        str(tmp_path / "none"),
        str(tmp_path / "event.json"),
        "--json",
        "--explain",
    )[1]
    assert json.loads(told) == {
        "id": "e-1",
        "file": str(tmp_path / "event.json"),
        "match": False,
        "failed": ['eventName is "CreateUser", wanted "Other"'],
    }


def test_correlations_are_told_in_order_of_time_whatever_the_order_of_files(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(
        "title: made\nname: made\nlogsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {eventName: CreateUser}, condition: s}\n---\n"
        "title: Many users\n"
        "correlation: {type: event_count, rules: [made], group-by: [userIdentity.type], timespan: 1h,"
        " condition: {gte: 2}}\n"
    )
    late, early, other = (tmp_path / name for name in ("a.json", "b.json", "c.json"))
    late.write_text(json.dumps(RECORD | {"eventID": "e-2", "eventTime": "2026-11-20T10:30:00Z"}))
    early.write_text(json.dumps({"Records": [RECORD]}))
    other.write_text(json.dumps(RECORD | {"eventTime": "no time"}))

    code, told = run("--language", "sigma", "--pattern", str(rule), "--json", str(late), str(early), str(other))
    silent, _ = run("--language", "sigma", "--pattern", str(rule), str(early))
    _, shown = run("--language", "sigma", "--pattern", str(rule), str(late), str(early))

    assert (code, silent) == (0, 1)
    assert json.loads(told) == {
        "title": "Many users",
        "group": {"userIdentity.type": "IAMUser"},
        "count": 2,
        "from": "2026-11-20T10:00:00Z",
        "to": "2026-11-20T10:30:00Z",
        "events": ["e-1", "e-2"],
    }
    assert "Many users: 2 since 2026-11-20T10:00:00Z  userIdentity.type IAMUser" in shown


def test_a_case_with_values_beyond_the_ordinary_keeps_its_id_and_its_place() -> None:
    deep = '{"a":' * 10_000 + "1" + "}" * 10_000
    told = answers(
        "event-pattern",
        '{"id": "surrogate", "pattern": {"a": [{"prefix": "x"}]}, "event": {"a": "x\\ud800", "b": [",", "}"]}}',
        '{"id": "beyond", "pattern": "{\\"a\\": [{\\"exists\\": true}]}", "event": {"a": 1e400}}',
        '{"id": "nan", "pattern": {"a": [1]}, "event": {"a": NaN}}',
        f'{{"id": "deep", "pattern": {{"a": [1]}}, "event": {deep}}}',
        f'{{"id": "deep rule", "pattern": {deep}, "event": {{}}}}',
        f'{{"id": "long", "pattern": "{"x" * (5 << 20)}"}}',
        '{"id": "no pattern", "event": {}}',
        '{"id": "open", "pattern": {"a": [1e400]}, "event": {"a": 1}',
        '{"id": "twice", "pattern": {"a": [1]}, "event": {"a": 1}}',
        '{"id": "twice", "pattern": {"a": [1]}, "event": {"a": 2}}',
    )

    assert [(one["id"], one["valid"], one["match"]) for one in told] == [
        ("surrogate", True, True),
        ("beyond", True, True),
        ("nan", True, None),
        ("deep", True, None),
        ("deep rule", False, None),
        (None, False, None),
        ("no pattern", False, None),
        (None, False, None),
        ("twice", True, True),
        ("twice", True, False),
    ]
    assert told[5]["error"] == "the case is longer than 4194304 bytes"


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_file_of_cases_ends_in_anything_but_answers(language: str, tmp_path: Path) -> None:
    given = (
        *(b"", b"\n \n", b"\x00\n", b'\xef\xbb\xbf{"id": 1, "pattern": 5}', b'{"id": 1, "pattern": "\xff"}\r\n'),
        *(b"null\n[]\n5\n", b'{"id": {"a": [1]}, "pattern": null, "event": []}', b'{"pattern": 1e400, "event": 1e400}'),
        *(b'{"id": \xff1e400, "pattern": "", "event": 1e400}', b'{"id": 1e999, "pattern": [1e999', b'{"a"} 1e400'),
        *(b'{"id":1,"pattern":"\\ud800","event":"\\ud800"}', b'{"id": 1e400 2, 3: "pattern"}', b"{,1e400}", b"]1e400"),
        *(b'{"id": 1, "pattern": "\\x", "event": 1e400}', b'{"\\x": 1, "pattern": "x", "event": {"a": 1e400}}'),
    )
    for content in given:
        (tmp_path / "cases").write_bytes(content)
        code, told = run("--language", language, "--cases", str(tmp_path / "cases"))
        assert code == 0, content
        assert len(told.splitlines()) == sum(bool(line.strip()) for line in content.split(b"\n")), content
        assert all(set(json.loads(line)) == {"id", "valid", "match", "error"} for line in told.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_recorded_case_passes_through_the_command(name: str, tmp_path: Path) -> None:
    cases = lines(*FOLDER, f"{name}.ndjson")
    envelopes = {event["id"]: event for event in lines(*FOLDER, "real-events.ndjson")}
    for case in cases:
        if "event_ref" in case:
            case["event"] = envelopes[case["event_ref"]]
    (tmp_path / "cases").write_text("".join(json.dumps(case) + "\n" for case in cases))

    code, told = run("--language", "event-pattern", "--cases", str(tmp_path / "cases"))

    assert code == 0
    found = [json.loads(line) for line in told.splitlines()]
    assert [answer["id"] for answer in found] == [case["id"] for case in cases]
    for case, answer in zip(cases, found, strict=True):
        match = {"match": True, "nomatch": False}.get(case.get("expected", ""), case.get("match"))
        assert answer["valid"] == case["valid"], case
        assert match is None or not answer["valid"] or answer["match"] == match, case
        assert answer["error"] == case.get("error", answer["error"]), case


def test_lines_that_are_no_events_are_told_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "rule").write_text("{ $.eventName = Foo }")
    (tmp_path / "events").write_text(
        '{"eventName": "Foo", "a": 1e400}\n{"eventName": "Foo", "a": NaN}\n{"eventName": "Foo", "b": "\\ud800"}\n'
    )
    (tmp_path / "noise").write_bytes(b"\x00\xff\n")

    code, told = run("--language", "filter-pattern", "--pattern", str(tmp_path / "rule"), str(tmp_path / "events"))
    refused, _ = run("--language", "filter-pattern", "--pattern", str(tmp_path / "rule"), str(tmp_path / "noise"))

    assert (code, refused) == (0, 1)
    assert "line 2 is passed over: no JSON" in told
    assert told.endswith("2 of 2 events match\n")
