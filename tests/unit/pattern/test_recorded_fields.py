"""Filter patterns as CloudWatch Logs answered them, part two: JSON selectors, and fields between spaces with their
extracted values (TestMetricFilter of the live service, in September 2026)."""

from typing import Any

import pytest

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.filter_pattern import parse_filter_pattern
from tests.unit.pattern.test_recorded_filters import KINDS, TEXTS, messages

SELECTED = (
    '{"a":[1,2]}',
    '{"a":[2,1]}',
    '{"a":[null,2]}',
    '{"a":{"x":1,"y":2}}',
    '{"a":{"x":2,"y":1}}',
    '{"a":[{"b":1},{"b":2}]}',
    '{"a.b":2}',
    '{"a-b":2}',
    '{"a":null}',
    "{}",
    "[1,2]",
    '{"a":2} trailing',
)
SPACED = (
    *("ERROR", "ERROR one", "ERROR one two", "WARN one", "INFO one", 'a "two words" c', "a [two words] c"),
    *('a "two words"', "a [two words]", "a  b   c ", "a\tb\tc", 'a "unclosed', "a [unclosed", 'a "b"c d', "one"),
    *("1 2", "1.0 2", "a b c d"),
)
UNMATCHED = "Invalid metric filter pattern"

ANSWERS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        TEXTS,
        {
            "%%": "Invalid character(s) in term '%%'",
            "%abc": "If a filter pattern starts with '%' it must end with '%'",
            "%[z-a]%": "Failed to compile regular expression.",
            "%a+?%": [3, 4, 5, 6, 7, 10, 11, 12, 15, 16, 17, 18],
            "%a++%": "Failed to compile regular expression.",
            "%[a&&b]%": "Invalid character(s) in term '%[a&'",
            "%ERROR% %WARN%": "Invalid character(s) in term ' '",
            "%ERROR% %WARN% %INFO%": "Invalid character(s) in term ' '",
        },
    ),
    (
        tuple(messages(KINDS)),
        {
            "{ $.a = 1 }": [1, 2, 3],
            '{ $.a = "1" }': [1, 2],
            "{ $.a != 1 }": [4, 7, 12, 13, 14, 15, 16, 18, 19, 20, 21],
            '{ $.a != "foo" }': [1, 2, 3, 4, 7, *range(13, 22)],
            "{ $.a > 0 }": [1, 3, 15, 21],
            '{ $.a > "0" }': "Invalid character(s) in term '\"0\"'",
            "{ $.a = foo }": [12],
            "{ $.a = 1e-999 }": [],
            "{ $.a = 9007199254740992 }": [],
            "{ $.a = %1% }": [1, 2, 3, 4, 15, 16, 18, 21],
            "{ $.a = 1 AND $.b = 2 }": UNMATCHED,
            "{ $.a == 1 }": UNMATCHED,
            "{ $.a = 1 } x": "If a filter pattern starts with '{' it must end with '}'",
        },
    ),
    (
        SELECTED,
        {
            "{ $.a[1] = 2 }": [1, 3],
            "{ $.a[*] = 2 }": [1, 2, 3, 4, 5],
            "{ $.a.* = 2 }": [1, 2, 3, 4, 5],
            "{ $.a[*].b = 2 }": [6],
            "{ $.['a.b'] = 2 }": [7],
            "{ $['a.b'] = 2 }": "Invalid character(s) in term '$['",
            '{ $.["a.b"] = 2 }': "Invalid character(s) in term '$.[\"'",
            "{ $.a-b = 2 }": [8],
            "{ $[1] = 2 }": "Invalid character(s) in term '$['",
            "{ $.a[-1] = 2 }": "Invalid character(s) in term '[-'",
            "{ $.a IS NULL }": [3, 9],
            "{ $.a = 9 || $.missing NOT EXISTS }": list(range(1, 11)),
            "{ $.a[*] != 2 }": [6, 9],
            "{ $.a[*].* = 2 }": (
                "Your filter pattern has a JSON path selector that exceeds the maximum of 1 wildcard allowed per json"
                " selector."
            ),
        },
    ),
    (
        SPACED,
        {
            "[a=ERROR || b=one, b]": "Multiple variables used in a single filter. Var1 : a, Var2 : b",
            "[a, a]": "Duplicate field 'a'",
            "[1a]": "Invalid character(s) in term '1a'",
            "[a, ..., b, ...]": "Duplicate field '...'",
            "[a == 1]": UNMATCHED,
        },
    ),
]

_PAIRS = {2: "ERROR|one", 3: "ERROR|one two", 4: "WARN|one", 5: "INFO|one", 6: 'a|"two words" c', 7: "a|[two words] c"}
_RESTS = _PAIRS | {8: "a|two words", 9: "a|two words", 10: "a|b   c ", 11: "a|b\tc", 12: 'a|"unclosed'}
_RESTS |= {13: "a|[unclosed", 14: 'a|"b"c d', 16: "1|2", 17: "1.0|2", 18: "a|b c d"}
_TOKENS = {1: "ERROR", 2: "ERROR|one", 3: "ERROR|one|two", 4: "WARN|one", 5: "INFO|one", 6: "a|two words|c"}
_TOKENS |= {7: "a|two words|c", 8: "a|two words", 9: "a|two words", 10: "a|b|c", 11: "a|b|c", 12: 'a|"unclosed'}
_TOKENS |= {13: "a|[unclosed", 14: "a|b|c|d", 15: "one", 16: "1|2", 17: "1.0|2", 18: "a|b|c|d"}
_THREE = {3: "ERROR|one|two", 6: "a|two words|c", 7: "a|two words|c", 10: "a|b|c", 11: "a|b|c", 14: "a|b|c d"}
_THREE |= {18: "a|b|c d"}
_LATER = [number for number in _TOKENS if "|" in _TOKENS[number]]

EXTRACTED: dict[str, tuple[tuple[str, ...], dict[int, str]]] = {
    "[a, b, c]": (("a", "b", "c"), _THREE),
    "[, b,]": (("1", "b", "3"), _THREE),
    "[a, rest]": (("a", "rest"), _RESTS),
    "[a,]": (("a", "2"), _RESTS),
    "[a]": (("a",), dict(enumerate(SPACED, 1))),
    "[]": (("1", "2", "3", "4"), _TOKENS),
    "[first, ...]": (("first", "2", "3", "4"), _TOKENS),
    "[..., last]": (("1", "2", "3", "last"), _TOKENS),
    "[first, ..., last]": (("first", "2", "3", "last"), {number: _TOKENS[number] for number in _LATER}),
    "[level=ERROR, rest]": (("level", "rest"), {number: _RESTS[number] for number in (2, 3)}),
    "[level=ERROR || level=WARN, rest]": (("level", "rest"), {number: _RESTS[number] for number in (2, 3, 4)}),
    "[a=1, rest]": (("a", "rest"), {16: "1|2", 17: "1.0|2"}),
    '[a="1", rest]': (("a", "rest"), {16: "1|2"}),
    "[a=%ERR%, rest]": (("a", "rest"), {number: _RESTS[number] for number in (2, 3)}),
}
"""For each pattern the names of its fields, and of each event that matches the fields' values.

A pattern with ``last`` names the last value so, and those before it by their places.
"""


@pytest.mark.parametrize(
    ("given", "pattern", "recorded"),
    [(given, pattern, recorded) for given, answers in ANSWERS for pattern, recorded in answers.items()],
)
def test_the_answer_is_the_recorded_one(given: tuple[str, ...], pattern: str, recorded: Any) -> None:
    if isinstance(recorded, str):
        with pytest.raises(InvalidFilterPattern) as refused:
            parse_filter_pattern(pattern)
        assert str(refused.value) == recorded
        return
    read = parse_filter_pattern(pattern)

    assert [number for number, message in enumerate(given, 1) if read.match(message) is not None] == recorded


@pytest.mark.parametrize(("pattern", "recorded"), EXTRACTED.items())
def test_fields_are_cut_and_named_as_recorded(pattern: str, recorded: tuple[tuple[str, ...], dict[int, str]]) -> None:
    names, values = recorded
    read = parse_filter_pattern(pattern)
    found = {number: read.match(message) for number, message in enumerate(SPACED, 1)}

    assert {number: extracted for number, extracted in found.items() if extracted is not None} == {
        number: _named(names, text if names == ("a",) else text.split("|")) for number, text in values.items()
    }


def _named(names: tuple[str, ...], values: str | list[str]) -> dict[str, str]:
    if isinstance(values, str):
        return {f"${names[0]}": values}
    kept = (*names[: len(values) - 1], "last") if names[-1] == "last" else names[: len(values)]
    return {f"${name}": value for name, value in zip(kept, values, strict=True)}


EDGES = (
    ("[a, b]", 'x "y" ', {"$a": "x", "$b": "y"}),
    ("[a, b]", "x [y] ", {"$a": "x", "$b": "y"}),
    ("[a, b]", "x y ", {"$a": "x", "$b": "y"}),
    ("[a, b]", "x  ", None),
    ("[a, b]", 'x ""', {"$a": "x", "$b": ""}),
    ("[a, b]", "x []", {"$a": "x", "$b": ""}),
    ("[a, b, c]", 'x "y z', {"$a": "x", "$b": '"y', "$c": "z"}),
    ("[a, b, c]", "x [y z", {"$a": "x", "$b": "[y", "$c": "z"}),
    ("[a, b, c]", 'x "y z q', {"$a": "x", "$b": '"y', "$c": "z q"}),
    ("[a, b, c]", "x [y z q", {"$a": "x", "$b": "[y", "$c": "z q"}),
)


@pytest.mark.parametrize(("pattern", "message", "recorded"), EDGES)
def test_edges_of_fields_are_cut_as_recorded(pattern: str, message: str, recorded: dict[str, str] | None) -> None:
    assert parse_filter_pattern(pattern).match(message) == recorded
