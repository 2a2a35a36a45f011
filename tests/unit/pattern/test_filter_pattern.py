"""CloudWatch Logs filter patterns: what each grammar takes, refuses and matches, as TestMetricFilter answers."""

import json
from typing import Any

import pytest

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.filter_pattern import parse_filter_pattern
from tests.support.corpus import real_events, shared

YES: dict[str, str] = {}
GENERIC = "Invalid metric filter pattern"


def answer(pattern: str, message: Any) -> dict[str, str] | None:
    return parse_filter_pattern(pattern).match(message if isinstance(message, str) else json.dumps(message))


def refusal(pattern: str) -> str:
    with pytest.raises(InvalidFilterPattern) as error:
        parse_filter_pattern(pattern)
    return str(error.value)


@pytest.mark.parametrize(
    ("test", "yes", "no"),
    [
        ("= 1", ["1", "1.0", "1e0", '"1"'], ['"01"', '"1.0"', "2", "true", "null", "[1]", '{"b":1}']),
        ("= +1", ["1", "1.0", '"+1"'], ['"1"']),
        ('= "1"', ["1", '"1"'], ["1.0", "1e0", '"1.0"']),
        ("= foo", ['"foo"'], ['"Foo"', '"foox"']),
        ("= true", ['"true"'], ["true"]),
        ('= "true"', ['"true"'], ["true"]),
        ("IS TRUE", ["true"], ['"true"', "1", "false"]),
        ("is false", ["false"], ['"false"', "0", "null"]),
        ("IS NULL", ["null", "[null,2]"], ["[[null]]", '"null"', "[]", "{}"]),
        ("NOT EXISTS", [], ["null", "{}", "[]", "1"]),
        ("= *", ['"x"', '""', "1", "1e400"], ["true", "null", "{}", "[]"]),
        ('= "foo*"', ['"foo"', '"foox"'], ['"xfoo"']),
        ("= *foo", ['"foo"', '"xfoo"'], ['"foox"']),
        ("= *o1*", ['"foo12"'], ['"foo"']),
        ("= 12*", ["123", '"12"'], ["312"]),
        ('= "Ev*ent"', ['"Ev*ent"'], ['"Event"', '"Evxent"']),
        ("!= 1", ["2", '"x"', '"01"'], ["1", '"1"', "1e400", "null", "true", "{}", "[]"]),
        ('!= "x"', ['"y"', "1", "1e400"], ['"x"', "null", "false"]),
        ("< 5", ["4", "4.9", "-1"], ["5", '"4"', "null", "-1e400"]),
        (">= 5", ["5", "5.0", "6"], ["4.99", '"5"', "1e400"]),
        ("= 9007199254740993", ["9007199254740993"], ["9007199254740992"]),
        ("= 1e-999", [], ["0", "1e-999"]),
        ("= 0", ["1e-999", "0", "0.0", "-0"], ["1"]),
        ("= %^a.c$%", ['"abc"'], ['"xabc"', '"a\\nc"', "true"]),
        ("!= %b%", ['"x"', "1"], ['"abc"', "null"]),
    ],
)
def test_json_operators(test: str, yes: list[str], no: list[str]) -> None:
    pattern = parse_filter_pattern(f"{{ $.a {test} }}")

    assert [value for value in yes if pattern.match(f'{{"a": {value}}}') is None] == []
    assert [value for value in no if pattern.match(f'{{"a": {value}}}') is not None] == []


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("{ $.a NOT EXISTS }", ["{}", '{"b":1}'], ["[]", '{"b":1} x', "", "plain"]),
        ("{ $.a.b NOT EXISTS }", ["{}", '{"a":1}', '{"a":[{"b":1}]}'], ['{"a":{"b":null}}']),
        ("{ $.a = 1 }", [], ['{"a":[1]}', "{}"]),
        ("{ $.a != 1 }", [], ['{"a":[2]}', "{}"]),
        ("{ $.a[1] = x }", ['{"a":["y","x"]}'], ['{"a":["x"]}', '{"a":{"1":"x"}}']),
        ("{ $.a[*].b = x }", ['{"a":[{"b":"x"}]}', '{"a":{"k":{"b":"x"}}}'], ['{"a":{"b":"x"}}', '{"a":[["x"]]}']),
        ("{ $.a.* = x }", ['{"a":["x"]}', '{"a":{"k":"x"}}'], ['{"a":"x"}']),
        (
            "{ $.a[*] != 2 }",
            ['{"a":1}', '{"a":2}', '{"a":null}', '{"a":[]}', '{"a":{}}', '{"a":[1]}'],
            ["{}", '{"a":[1,2]}', '{"a":{"k":2}}'],
        ),
        ("{ $.a[*] NOT EXISTS }", ["{}", '{"a":null}', '{"a":1}', '{"a":[]}', '{"a":{}}'], ['{"a":[null]}']),
        ("{ $.['a b'] = 1 }", ['{"a b":1}'], ['{"a":1}']),
        ("{ $.a = 1 || $.b = 1 && $.c = 1 }", ['{"a":1}', '{"b":1,"c":1}'], ['{"b":1}', '{"c":1}']),
        ("{ ($.a = 1 || $.b = 1) && $.c = 1 }", ['{"a":1,"c":1}'], ['{"a":1}']),
        ("{$.a=foo}", ['{"a":"foo"}'], []),
    ],
)
def test_json_paths_and_joints(pattern: str, yes: list[str], no: list[str]) -> None:
    compiled = parse_filter_pattern(pattern)

    assert [message for message in yes if compiled.match(message) is None] == []
    assert [message for message in no if compiled.match(message) is not None] == []


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("{ $.a = null }", GENERIC),
        ("{ $.a == 1 }", GENERIC),
        ("{ $.a = 1 AND $.b = 1 }", GENERIC),
        ("{ $.a = }", GENERIC),
        ("{ }", GENERIC),
        ("{ ($.a = 1 }", GENERIC),
        ("{ $.a = 1e9999999999 }", GENERIC),
        ("{ $.a > 1e999 }", GENERIC),
        ("{ $[0] = 1 }", "Invalid character(s) in term '$['"),
        ('{ $.a > "0" }', "Invalid character(s) in term '\"0\"'"),
        ("{ $.a IS NOT NULL }", "Invalid character(s) in term 'NOT'"),
        ("{ $.a = 1a }", "Invalid character(s) in term '1a'"),
        ("{ $.a = a@b }", "Invalid character(s) in term '@'"),
        ("{ $.a = %(a)% }", "Invalid character(s) in term '%('"),
        ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
        ("%abc", "If a filter pattern starts with '%' it must end with '%'"),
        (
            "{ $.a[*].b.* = 1 }",
            "Your filter pattern has a JSON path selector that exceeds the maximum of 1 wildcard allowed per json "
            "selector.",
        ),
        (
            "{ $.a = %a% || $.a = %b% || $.a = %c% }",
            "Your input has exceeded the maximum of 2 regular expressions per filter pattern.",
        ),
        ("%[a%", "Failed to compile regular expression."),
        ("%a++%", "Failed to compile regular expression."),
        ("%a{5000}%", "Failed to compile regular expression."),
        ("[a, a]", "Duplicate field 'a'"),
        ("[..., ...]", "Duplicate field '...'"),
        ("[a = 1 && b = 2]", "Multiple variables used in a single filter. Var1 : a, Var2 : b"),
        ("[a = ]", GENERIC),
        ('"ERROR"WARN', GENERIC),
        ('""', "Invalid character(s) in term '\"\"'"),
        ("a*", "Invalid character(s) in term '*'"),
        ("user@host", "Invalid character(s) in term '@'"),
    ],
)
def test_refusals(pattern: str, reason: str) -> None:
    assert refusal(pattern) == reason


def test_a_pattern_of_more_than_1024_characters_is_refused() -> None:
    assert refusal("x" * 1025).endswith("Member must have length less than or equal to 1024")
    assert answer("x" * 1024, "x" * 1024) == YES


LINE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        (
            "[ip, id, user, timestamp, request, status = 4*, size]",
            LINE,
            {
                "$ip": "127.0.0.1",
                "$id": "-",
                "$user": "frank",
                "$timestamp": "10/Oct/2000:13:25:15 -0700",
                "$request": "GET /index.html HTTP/1.0",
                "$status": "404",
                "$size": "1534",
            },
        ),
        (
            "[ip, ..., status >= 400 && status != 500, size]",
            "a b 404 9",
            {"$ip": "a", "$2": "b", "$status": "404", "$size": "9"},
        ),
        ("[..., status = 5*, size]", "a 404 9", None),
        ("[a, b]", "x y z  ", {"$a": "x", "$b": "y z  "}),
        ("[a]", 'x y "z"', {"$a": 'x y "z"'}),
        ("[a]", '"x y"', {"$a": "x y"}),
        ("[a, b, c]", "x y", None),
        ("[]", "x y", {"$1": "x", "$2": "y"}),
        ("[, b]", "x y", {"$1": "x", "$b": "y"}),
        ("[a = 1]", "1.0", {"$a": "1.0"}),
        ('[a = "1"]', "1.0", None),
        ("[a = x || a = y]", "y", {"$a": "y"}),
        ("[a > 5]", "5.5", {"$a": "5.5"}),
        ("[a > 5]", "x", None),
        ("[a != x]", "y", {"$a": "y"}),
        ("[a = %^[0-9]+$%]", "12", {"$a": "12"}),
        ("[a, b]", '"" [x', {"$a": "", "$b": "[x"}),
    ],
)
def test_space_delimited_patterns(pattern: str, message: str, expected: dict[str, str] | None) -> None:
    assert answer(pattern, message) == expected


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("", ["", "anything"], []),
        ("  ", ["anything"], []),
        ("ERROR", ["an ERROR here", "xERRORx"], ["error"]),
        ("ERROR disk", ["disk ERROR"], ["ERROR"]),
        ("ERROR -disk", ["ERROR"], ["ERROR disk"]),
        ("?ERROR ?WARN", ["WARN", "ERROR"], ["INFO"]),
        ("?ERROR INFO", ["INFO"], ["ERROR"]),
        ("a-b", ["a"], ["ab", "b"]),
        ("a?b", ["a"], ["b"]),
        ('"a b"', ["xa bx"], ["ab"]),
        ('" "', ["a b"], ["ab"]),
        ('"a*"', ["a*"], ["ab"]),
        ("-x", ["y", ""], ["x"]),
        ("%a.c%", ["xabcx"], ["ac"]),
        ("größe", ["größe"], ["grösse"]),
    ],
)
def test_terms(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [message for message in yes if answer(pattern, message) is None] == []
    assert [message for message in no if answer(pattern, message) is not None] == []


def test_the_cis_filters_are_taken_and_most_of_them_fire_on_real_events() -> None:
    cases = json.loads(shared("corpus", "conformance", "metric-filters", "cis-patterns.json").read_text())
    events = [event for _, event in real_events("invictus-ir", "stratus-red-team", "traildiscover")]
    messages = [json.dumps(event) for event in events]
    hits = {}
    for number, case in enumerate(cases):
        pattern = parse_filter_pattern(case["pattern"])
        hits[number, case["near"]] = sum(pattern.match(message) is not None for message in messages)

    assert len(cases) == 29
    assert len(events) > 3000
    assert sum(count > 0 for count in hits.values()) > 15


def test_the_acceptance_filters_pick_exactly_their_events() -> None:
    cases = {
        case["name"]: parse_filter_pattern(case["pattern"])
        for case in json.loads(shared("acceptance", "metric-filters.json").read_text())
    }
    events = [event for _, event in real_events("invictus-ir", "stratus-red-team", "traildiscover")]

    def picked(name: str) -> list[str]:
        return [event["eventID"] for event in events if cases[name].match(json.dumps(event)) is not None]

    def named(*names: str) -> list[str]:
        return [event["eventID"] for event in events if event["eventName"] in names]

    assert picked("TrailChanges") == named("StopLogging", "DeleteTrail", "UpdateTrail") != []
    assert picked("TerminateInstances") == named("TerminateInstances") != []
    assert picked("UnauthorizedAPICalls") == [
        event["eventID"]
        for event in events
        if str(event.get("errorCode", "")).startswith("AccessDenied")
        or "UnauthorizedAccess" in event.get("errorCode", "")
    ]
    assert picked("PolicyWildcards") == [
        event["eventID"]
        for event in events
        if event["eventName"].endswith("Policy") and event["eventName"].startswith(("Put", "Attach"))
    ]
