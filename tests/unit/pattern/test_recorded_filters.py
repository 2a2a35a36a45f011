"""Filter patterns as CloudWatch Logs answered them: TestMetricFilter of the live service, in September 2026."""

from typing import Any

import pytest

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.filter_pattern import parse_filter_pattern

TERMS = (
    *("ERROR", "ERRORS", "xERROR", "error", "[ERROR]", "ERROR_code", "ERROR timeout", "INFO timeout", "WARN"),
    *("two words", "two  words"),
)
TEXTS = (
    *("ERROR", "WARN", "aaaa", "aa", "cat", "a cat", "hat", "color", "colour", "a-b", "a b", "a\nb", "123", "_"),
    *("café", "key:value", "ab", "back\\slash", "!"),
)
NUMBERS = (
    *("1", "1.0", "1e0", '"1"', '"1.0"', '"01"', "0.0", "-0.0", "-1", "9007199254740992", "9007199254740993"),
    *("1e308", "1e309", '"1e309"', "1e-999", '"1e-999"', "0", "true", '"true"', "null", "[1,2]", "[null,2]"),
)
KINDS = (
    *("1", '"1"', "1.0", '"01"', "true", "false", '"true"', "null", "", "{}", "[]", '"foo"', '"foobar"', '"FOO"'),
    *("1e3", '"1e3"', "1e309", '"1e309"', "1e-999", "-0.0", "9007199254740993"),
)
ARRAYS = (
    *("", "null", "2", "1", '"2"', "[]", "[1,2]", "[2,1]", "[1]", "[null,2]", "{}", '{"b":2}'),
    *('[{"b":1},{"b":2}]', '[{"b":null}]', "[[1,2]]", "[true,false]"),
)
NESTED = ("true", "false", "[true,false]", "[null]", "[[null]]", '[{"b":2},{"b":1}]', "[{}]", "")


def messages(values: tuple[str, ...]) -> list[str]:
    """Messages whose field ``a`` holds the values; the empty one has no such field."""
    return [f'{{"a":{value}}}' if value else "{}" for value in values]


CASES: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        TERMS,
        {
            "ERROR": [1, 2, 3, 5, 6, 7],
            "error": [4],
            "ERROR timeout": [7],
            "ERROR -timeout": [1, 2, 3, 5, 6],
            "-ERROR": [4, 8, 9, 10, 11],
            "?ERROR ?WARN": [1, 2, 3, 5, 6, 7, 9],
            "?ERROR timeout": [7, 8],
            "?ERROR -timeout": [1, 2, 3, 4, 5, 6, 9, 10, 11],
            '"two words"': [10],
            '-"two words"': [1, 2, 3, 4, 5, 6, 7, 8, 9, 11],
            '?"two words" ?WARN': [9, 10],
            "ERR*": "Invalid character(s) in term '*'",
            '"ERR*"': [],
            "ERROR!": "Invalid character(s) in term '!'",
            "ERROR:": "Invalid character(s) in term ':'",
            "": list(range(1, 12)),
            '""': "Invalid character(s) in term '\"\"'",
            '"ERROR': "Invalid character(s) in term '\"ERROR'",
            '"ERROR"WARN': "Invalid metric filter pattern",
            "ERROR %WARN%": "Invalid character(s) in term '%'",
            "?%WARN%": "Invalid character(s) in term '%'",
        },
    ),
    (
        TEXTS,
        {
            "%ERROR|WARN%": [1, 2],
            "%^[hc]at$%": [5, 7],
            "%^a{3,5}$%": [3],
            "%colou?r%": [8, 9],
            r"%\d+%": [13],
            r"%\w+%": list(range(1, 19)),
            r"%a\sb%": [11, 12],
            r"%\x3A%": [16],
            "%a.b%": [10, 11],
            r"%a\-b%": [10],
            "%(ab)+%": "Invalid character(s) in term '%('",
            "%café%": "Invalid character(s) in term '%café'",
            "%!%": "Invalid character(s) in term '%!'",
            r"%\p%": "Failed to compile regular expression.",
            r"%\(ab\)%": r"Invalid character(s) in term '%\('",
        },
    ),
    (
        tuple(messages(NUMBERS)),
        {
            "{ $.a = 1.0 }": [1, 2, 3, 5],
            "{ $.a = 0 }": [7, 8, 15, 17],
            "{ $.a = -0.0 }": [7, 8, 15, 17],
            "{ $.a = 9007199254740993 }": [11],
            "{ $.a = 1e308 }": [12],
            "{ $.a > 1e307 }": [12],
            "{ $.a > 1e-999 }": [1, 2, 3, 10, 11, 12],
            '{ $.a = "1e0" }': [],
        },
    ),
    (
        tuple(messages(KINDS)),
        {
            "{ $.a = true }": [7],
            '{ $.a = "true" }': [7],
            "{ $.a IS TRUE }": [5],
            "{ $.a IS FALSE }": [6],
            "{ $.a IS NULL }": [8],
            "{ $.a NOT EXISTS }": [9],
            "{ $.a = * }": [1, 2, 3, 4, 7, *range(12, 22)],
            '{ $.a = "*" }': [1, 2, 3, 4, 7, *range(12, 22)],
            "{ $.a = foo* }": [12, 13],
            "{ $.a = 1e3 }": [15, 16],
            "{ $.a = +1 }": [1, 3],
            "{ $.a = 1e309 }": [18],
            "{ $.a = 1e2147483648 }": "Invalid metric filter pattern",
        },
    ),
    (
        tuple(messages(ARRAYS)),
        {
            "{ $.a IS NULL }": [2, 10],
            "{ $.a is null }": [2, 10],
            "{ $.a = 2 }": [3, 5],
            "{ $.a != 2 }": [4],
            "{ $.a[*] != 2 }": [2, 3, 4, 5, 6, 9, 11, 13, 14, 15, 16],
            "{ $.a[*] IS NULL }": [10],
            "{ $.a[*] NOT EXISTS }": [1, 2, 3, 4, 5, 6, 11],
            "{ $.a NOT EXISTS }": [1],
            "{ $.a.b = 2 }": [12],
            "{ $.a.b NOT EXISTS }": [*range(1, 12), 13, 14, 15, 16],
            "{ $.a = * }": [3, 4, 5],
            '{ $.a = "2" }': [3, 5],
            "{ $.a = null }": "Invalid metric filter pattern",
            "{ $.a IS NOT NULL }": "Invalid character(s) in term 'NOT'",
            "{ $ = 2 }": "Invalid character(s) in term '$ '",
            "{ $.a != %2% }": [4],
            "{ $.a = %1% || $.a = %2% }": [3, 4, 5],
            "{ $.a = %1% || $.a = %2% || $.a = %3% }": (
                "Your input has exceeded the maximum of 2 regular expressions per filter pattern."
            ),
            "{ $.a = a:b }": "Invalid character(s) in term ':'",
        },
    ),
    (
        tuple(messages(NESTED)),
        {
            "{ $.a IS TRUE }": [1],
            "{ $.a IS FALSE }": [2],
            "{ $.a IS NULL }": [4],
            "{ $.a[*].b != 2 }": [1, 2, 3, 4, 5, 7],
            "{ $.a[*] IS NULL }": [4],
        },
    ),
    (("a/b", "a b"), {"a/b": "Invalid character(s) in term '/'"}),
    (("a@b", "a b"), {"a@b": "Invalid character(s) in term '@'"}),
    (("café", "cafe"), {"café": [1]}),
    (("x", "two words", " "), {'" "': [2, 3]}),
    (("a", "b", "a-b", "ab", "a b"), {"a-b": [1]}),
    (("a_b", "a.b", "a?b", "a b"), {"a_b": [1], "a.b": [2], "a?b": [1, 2, 3, 4]}),
    (("2 x", "0 x"), {'[a>"1", b]': "Invalid metric filter pattern"}),
]


@pytest.mark.parametrize(
    ("given", "pattern", "recorded"),
    [(given, pattern, recorded) for given, answers in CASES for pattern, recorded in answers.items()],
)
def test_the_answer_is_the_recorded_one(given: tuple[str, ...], pattern: str, recorded: Any) -> None:
    if isinstance(recorded, str):
        with pytest.raises(InvalidFilterPattern) as refused:
            parse_filter_pattern(pattern)
        assert str(refused.value) == recorded
        return
    read = parse_filter_pattern(pattern)

    assert [number for number, message in enumerate(given, 1) if read.match(message) is not None] == recorded
