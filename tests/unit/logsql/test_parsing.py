"""What is refused, why, and at which characters."""

import pytest

from opentrail.logsql.compilation import compile_query
from opentrail.logsql.errors import MalformedQuery, line_and_column
from tests.support.log_engine import NOW, ORIGIN


def refusal(query: str) -> MalformedQuery:
    with pytest.raises(MalformedQuery) as caught:
        compile_query(query, ORIGIN, NOW)
    return caught.value


@pytest.mark.parametrize(
    ("query", "message", "shown"),
    [
        ("", "unexpected end of the query", ""),
        ("fields a |", "unexpected end of the query", ""),
        ("fields a | count(*)", "unexpected symbol found count at line 1 and position 12", "count"),
        ("fields a\n| wher b", "unexpected symbol found wher at line 2 and position 3", "wher"),
        ("fields a b", "unexpected symbol found b at line 1 and position 10", "b"),
        ("filter a == 1", "unexpected symbol found == at line 1 and position 10", "=="),
        ("filter a = ;", "unexpected symbol found ; at line 1 and position 12", ";"),
        ("filter a = 'x", "unclosed string", "'x"),
        ("filter a like /x", "unclosed regular expression", "/x"),
        ("filter a like /(/", "the regular expression cannot be read", "/(/"),
        ("filter a like /(?=x)/", "a group of a kind that is not supported", "/(?=x)/"),
        ("filter a like /(x)\\1/", "an escape that is not supported", "/(x)\\1/"),
        ("filter a like /x++/", "a possessive quantifier", "/x++/"),
        ("filter `a = 1", "unclosed or empty name in backticks", "`a = 1"),
        ("filter a in []", "unexpected symbol found ]", "]"),
        ("filter nope(a)", "unknown function nope", "nope(a)"),
        ("fields strlen()", "strlen takes 1 argument(s), not 0", "strlen()"),
        ("fields substr(a)", "substr takes 2 to 3 argument(s), not 1", "substr(a)"),
        ("fields bin(5)", "bin takes a period such as 5m or 1d", "5"),
        ("fields 5m", "a period or a regular expression cannot stand here", "5m"),
        ("fields bin(5parsecs)", "unexpected symbol found 5parsecs", "5parsecs"),
        ("fields count(*)", "the aggregate function count can stand in stats alone", "count(*)"),
        ("stats a", "the field a is in no aggregate function", "a"),
        ("stats max(count(*))", "the aggregate function count can stand in stats alone", "count(*)"),
        ("stats pct(a, 101)", "pct takes a number from 0 to 100", "pct(a, 101)"),
        ("stats pct(a)", "pct takes 2 argument(s), not 1", "pct(a)"),
        ("stats count(*) by a | stats latest(a)", "latest needs @timestamp, which stats left out", "latest(a)"),
        ("limit 0", "a limit is from 1 to 100000", "0"),
        ("limit ten", "unexpected symbol found ten", "ten"),
        ("dedup a | sort a", "only limit may follow dedup", "sort a"),
        ("parse 'a*b*' as x", "parse has 2 wildcards and 1 names", "'a*b*'"),
        ("parse @message /x/", "the regular expression of parse names no group", "/x/"),
        ("pattern @message", "the command pattern is not supported here", "pattern"),
        ("fields a | DIFF", "the command diff is not supported here", "DIFF"),
        ("unmask @message", "the command unmask is not supported here", "unmask"),
        ("SOURCE 'x' | limit 1", "the command source is not supported here", "SOURCE"),
        ("fields a as and", "unexpected symbol found and", "and"),
        ("fields 1e999", "the number is too large", "1e999"),
        ("stats count(*) | stats count(*) | stats count(*)", "more than 2 stats commands", "stats count(*)"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(query: str, message: str, shown: str) -> None:
    error = refusal(query)

    assert message in str(error)
    assert query[error.start : error.end] == shown


def test_places_count_lines_and_columns_from_one() -> None:
    assert line_and_column("ab\ncd", 0) == (1, 1)
    assert line_and_column("ab\ncd", 4) == (2, 2)


def test_what_is_too_much_is_refused() -> None:
    assert "deep" in str(refusal("filter " + "(" * 100 + "a" + ")" * 100))
    assert "more than 60 commands" in str(refusal(" | ".join(["fields a"] * 61)))
    assert "more than 10000 characters" in str(refusal("fields " + "a" * 10_000))
    assert "more than 1000 values" in str(refusal(f"filter a in [{', '.join('1' * 1001)}]"))
    assert "more than 200 fields" in str(refusal("fields " + ", ".join(f"f{at}" for at in range(201))))
    assert "too complex" in str(refusal(f"filter concat({', '.join(['a.b'] * 99)}) in [{', '.join('1' * 1000)}]"))
    assert "more than 100 terms" in str(refusal("fields " + "+".join(["1"] * 4_000)))
