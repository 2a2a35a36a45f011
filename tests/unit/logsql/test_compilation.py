"""Commands and values of Logs Insights queries, as the engine evaluates them."""

import time

import orjson
import pytest

from opentrail.logsql.compilation import compile_query
from opentrail.logsql.errors import MalformedQuery
from tests.support.log_engine import NOW, ORIGIN, Row, evaluate

MINUTE = 60_000
START = 1_763_683_200_000
"""2025-11-21 00:00:00 UTC."""


def events(*documents: object) -> list[tuple[int, str]]:
    """Return an event a minute: texts as they are, anything else as JSON."""
    return [
        (START + at * MINUTE, one if isinstance(one, str) else orjson.dumps(one).decode())
        for at, one in enumerate(documents)
    ]


def value(expression: str, document: object = None) -> str | None:
    """Return what an expression is for one event."""
    [row] = evaluate(events(document if document is not None else {}), f"fields {expression} as v | display v")
    return row.get("v")


def test_a_query_without_fields_shows_time_and_message_newest_first() -> None:
    assert evaluate(events("one", "two"), "limit 10") == [
        {"@timestamp": "2025-11-21 00:01:00.000", "@message": "two"},
        {"@timestamp": "2025-11-21 00:00:00.000", "@message": "one"},
    ]


def test_fields_of_messages_are_found_nested_by_index_in_backticks_and_under_dotted_keys() -> None:
    document = {"a": {"b": [{"c": "x"}]}, "k-l": 1, "m.n": "dotted", "@t": "at", "o": {"p.q": 2}}

    [row] = evaluate(events(document), "fields a.b.0.c, a.b[0].c as i, `k-l`, m.n, @@t, o.`p.q`, a.b")

    assert row == {
        "a.b.0.c": "x",
        "i": "x",
        "k-l": "1",
        "m.n": "dotted",
        "@@t": "at",
        "o.p.q": "2",
        "a.b": '[{"c":"x"}]',
    }


@pytest.mark.parametrize(
    ("condition", "is_true"),
    [
        ("n = 5", True),
        ("n = 5.0", True),
        ("n = '5'", True),
        ("s = 5", True),
        ("s = '5.0'", True),
        ("n > 10", False),
        ("n < '10'", True),
        ("s < '10'", True),
        ("word < 'b'", True),
        ("word > 5", False),
        ("word = 'A'", False),
        ("missing = 'x'", False),
        ("missing != 'x'", True),
        ("missing not like /x/", True),
        ("missing not in ['x']", True),
        ("missing < 5", False),
        ("not missing < 5", True),
        ("nothing = ''", False),
        ("ispresent(nothing)", False),
        ("yes = 1 and yes = 'true'", True),
        ("yes", True),
        ("not no", True),
        ("said = 'true'", True),
        ("said = 1", False),
        ("word like 'pp'", True),
        ("word like 'PP'", False),
        ("word like /(?i)PP/", True),
        ("word =~ /^ap+le$/", True),
        ("word like /a.b/", False),
        ("n in [1, '5']", True),
        ("word NOT IN ['apple']", False),
        ("n = 5 or n = 6 and n = 7", True),
        ("(n = 5 or n = 6) and n = 7", False),
        ("not n = 6 and n = 5", True),
        ("strcontains(word, 'ppl') = 1", True),
    ],
)
def test_conditions(condition: str, is_true: bool) -> None:
    document = {"n": 5, "s": "5", "word": "apple", "yes": True, "no": False, "said": "true", "nothing": None}

    assert len(evaluate(events(document), f"filter {condition}")) == is_true


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ^ 3 % 5", "3"),
        ("7 / 2", "3.5"),
        ("7 / 0", None),
        ("7 % 0", None),
        ("-n", "-5"),
        ("n + word", None),
        ("10 ^ 400", None),
        ("abs(-n)", "5"),
        ("ceil(1.2) + floor(1.8)", "3"),
        ("greatest(1, n, 3)", "5"),
        ("least(2, n)", "2"),
        ("log(1)", "0"),
        ("log(-1)", None),
        ("sqrt(16)", "4"),
        ("sqrt(-1)", None),
        ("coalesce(missing, word)", "apple"),
        ("if(n > 3, 'high', 'low')", "high"),
        ("isempty('')", "1"),
        ("isempty(missing)", "1"),
        ("isblank('  \\t')", "1"),
        ("isblank(word)", "0"),
        ("concat(word, '-', missing, n)", "apple-5"),
        ("ltrim('  x ')", "x "),
        ("rtrim('xyyy', 'y')", "x"),
        ("trim('  x ')", "x"),
        ("strlen('äb')", "2"),
        ("toupper(word)", "APPLE"),
        ("ToLower('ÄB')", "äb"),
        ("substr('xyZfooxyZ', 3, 3)", "foo"),
        ("substr('xyZfoo', 3)", "foo"),
        ("replace(word, 'p', 'b')", "abble"),
        ("bin(1h)", "2025-11-21 00:00:00.000"),
        ("datefloor(@timestamp, 1mo)", "2025-11-01 00:00:00.000"),
        ("dateceil(@timestamp, 1q)", "2026-01-01 00:00:00.000"),
        ("datefloor(@timestamp, 1w)", "2025-11-17 00:00:00.000"),
        ("datefloor(@timestamp, 1y)", "2025-01-01 00:00:00.000"),
        ("dateceil(@timestamp, 1d)", "2025-11-21 00:00:00.000"),
        ("fromMillis(86400000)", "1970-01-02 00:00:00.000"),
        ("toMillis(@timestamp)", str(START)),
        ("now()", str(int(NOW.timestamp()))),
        ("isValidIp('10.0.0.1')", "1"),
        ("isValidIpV4('::1')", "0"),
        ("isValidIpV6('::1')", "1"),
        ("isIpInSubnet('10.1.2.3', '10.1.0.0/16')", "1"),
        ("isIpv4InSubnet('10.2.2.3', '10.1.0.0/16')", "0"),
        ("isIpv6InSubnet('2001:db8::1', '2001:db8::/32')", "1"),
        ("isIpInSubnet(word, '10.1.0.0/16')", "0"),
        ("jsonStringify(word)", '"apple"'),
        ("@logStream", "first"),
        ("@log", "123456789012:app"),
        ("@aws.region", "us-east-1"),
        ("'it''s'", None),
        ("'it\\'s'", "it's"),
        ('"a | b # c"', "a | b # c"),
    ],
)
def test_expressions(expression: str, expected: str | None) -> None:
    if expression == "'it''s'":  # two texts beside one another
        with pytest.raises(MalformedQuery):
            value(expression)
        return

    assert value(expression, {"n": 5, "word": "apple"}) == expected


def test_parsed_json_is_a_document_to_look_into() -> None:
    found = evaluate(
        events({"inner": '{"a": {"b": [1, true]}}'}),
        "fields jsonParse(inner) as j | filter j.a.b.0 = 1 | display j.a.b[1] as t, jsonStringify(j) as s",
    )

    assert found == [{"t": "1", "s": '{"a": {"b": [1, true]}}'}]


def test_stats_group_by_bins_and_fields_and_leave_nothing_else() -> None:
    given = events(*({"k": at % 2, "n": at} for at in range(10)))

    found = evaluate(given, "stats count(*) as c, sum(n) by bin(5m), k | sort `bin(5m)`, k | display c, `sum(n)`, n")

    assert found == [
        {"c": "3", "sum(n)": "6"},
        {"c": "2", "sum(n)": "4"},
        {"c": "2", "sum(n)": "14"},
        {"c": "3", "sum(n)": "21"},
    ]


def test_aggregates() -> None:
    given = events({"n": 1, "w": "b10"}, {"n": "4", "w": "b9"}, {"n": None}, {"n": "x", "w": "b9"}, {"n": 10})

    [row] = evaluate(
        given,
        "stats count(*) as a, count(n) as b, count_distinct(w) as c, sum(n) as d, avg(n) as e, min(n) as f,"
        " max(n) as g, pct(n, 50) as h, earliest(w) as i, latest(w) as j, sortsFirst(w) as k, sortsLast(w) as l,"
        " stddev(n) as m, sum(n) / count(*) as o",
    )

    assert row == {
        **{"a": "5", "b": "4", "c": "2", "d": "15", "e": "5", "f": "1", "g": "10", "h": "4"},
        **{"i": "b10", "j": "b9", "k": "b9", "l": "b10", "m": "4.58257569495584", "o": "3"},
    }


def test_a_second_stats_counts_the_rows_of_the_first() -> None:
    given = events(*({"k": at % 3} for at in range(9)))

    assert evaluate(given, "stats count(*) as c by k | stats sum(c) as s, count(*) as n") == [{"s": "9", "n": "3"}]


def test_stats_over_nothing_count_nothing() -> None:
    assert evaluate([], "stats count(*), max(n)") == [{"count(*)": "0"}]
    assert evaluate([], "stats count(*) by n") == []


def test_texts_sort_before_numbers_and_by_their_numbers_and_missing_ones_last() -> None:
    words = ["a12345hfh", "0", "5A", "A", "111A", "3", "12", "A9876fghj", "", "2345_", None]
    given = events(*({"w": word} for word in words))
    ascending = ["", "5A", "111A", "2345_", "A", "A9876fghj", "a12345hfh", "0", "3", "12"]

    up = [row.get("w") for row in evaluate(given, "fields w | sort w asc")]
    down = [row.get("w") for row in evaluate(given, "fields w | sort w desc")]

    assert up == [*ascending, None]
    assert down == [*reversed(ascending), None]


def test_dedup_keeps_the_first_in_the_order_and_every_missing_one() -> None:
    given = events({"k": "a", "n": 1}, {"k": "a", "n": 2}, {"n": 3}, {"n": 4}, {"k": "b", "n": 5})

    found = evaluate(given, "fields n | sort n asc | dedup k")

    assert [row["n"] for row in found] == ["1", "3", "4", "5"]


def test_limit_counts_rows_where_it_stands() -> None:
    given = events(*({"n": at} for at in range(10)))

    found = evaluate(given, "fields n | sort n | limit 5 | filter n > 2 | sort n desc")

    assert [row["n"] for row in found] == ["4", "3"]
    assert len(evaluate(given, "limit 5", limit=3)) == 3


@pytest.mark.parametrize(
    "parse",
    [
        "parse 'user=*, method:*, latency := *' as user, method, latency",
        "parse @message /user=(?<user>.*?), method:(?<method>\\w+), latency := (?P<latency>[0-9.]+)/",
    ],
)
def test_parse_takes_texts_out_of_messages(parse: str) -> None:
    given = events("[x] user=bob|#, method:GET, latency := 12.5", "nothing of it")

    found = evaluate(given, f"{parse} | display user, method, latency * 2 as twice | sort user desc")

    assert found == [{"user": "bob|#", "method": "GET", "twice": "25"}, {}]


def test_display_says_what_is_shown_and_comments_say_nothing() -> None:
    query = "fields n, 'x' as y # | limit 1\n| DISPLAY y # the end\n"

    assert evaluate(events({"n": 1}), query) == [{"y": "x"}]


@pytest.mark.parametrize(
    "hostile",
    ["{}", "{base}", "'); DROP TABLE log_events; --", "\x00", "{0}", "\\", "é\U0001f600", '"', "`"],
)
def test_texts_of_a_query_stay_texts(hostile: str) -> None:
    literal = "'" + hostile.replace("\\", "\\\\").replace("'", "\\'") + "'"
    query = f"filter w = {literal} or w like {literal} | fields concat({literal}, w) as c | display c"

    assert evaluate(events({"w": hostile}), query) == [{"c": hostile * 2}]


def test_names_of_a_query_stay_names() -> None:
    name = "a'); DROP TABLE log_events; --/~\""

    assert evaluate(events({name: 1}), f"fields `{name}`") == [{name: "1"}]
    assert evaluate(events({"a": 1}), f"fields a as `{name}` | stats sum(`{name}`) as `{name}`") == [{name: "1"}]


def test_messages_that_are_no_object_have_no_fields() -> None:
    given = events("[1, 2]", '{"a": 1', "{}", '"text"', '  {"a": 2}')

    assert [row.get("a") for row in evaluate(given, "fields a | sort @timestamp")] == [None, None, None, None, "2"]


def test_expressions_that_name_a_column_twice_do_not_double_with_each_command() -> None:
    doubled = " | ".join(f"fields c{at} + c{at} as c{at + 1}" for at in range(40))
    nested = "n"
    for _ in range(35):
        nested = f"abs({nested})"

    began = time.process_time()
    [row] = evaluate(events({"n": 1}), f"fields n as c0 | {doubled} | filter c40 > 5 | display c40")
    [other] = evaluate(events({"n": -1}), f"fields {nested} as v | filter v = 1 | display v")

    assert row == {"c40": str(2**40)}
    assert other == {"v": "1"}
    assert time.process_time() - began < 20


def test_conditions_as_long_as_a_query_may_be_are_judged() -> None:
    either = " or ".join(f"n = {at}" for at in range(650))

    assert len(evaluate(events({"n": 649}, {"n": 650}), f"filter {either}")) == 1
    assert len(evaluate(events({"n": 649}), f"filter {' and '.join(['n > 5'] * 700)}")) == 1


def a_row(query: str) -> Row:
    return evaluate(events({"n": 1}), query)[0]


def test_unaliased_expressions_are_named_by_their_text() -> None:
    assert a_row("stats count(*), max(n) by bin(5m) | sort count(*) desc") == {
        "bin(5m)": "2025-11-21 00:00:00.000",
        "count(*)": "1",
        "max(n)": "1",
    }
    assert a_row("fields strlen(n), n+1 as m") == {"strlen(n)": "1", "m": "2"}


def test_columns_say_which_are_numbers() -> None:
    compiled = compile_query("stats count(*) as c by eventName", ORIGIN, NOW)

    assert [(column.label, column.is_number) for column in compiled.columns] == [("eventName", False), ("c", True)]
    assert compiled.is_grouped
