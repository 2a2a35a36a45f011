"""Hostile rules and events: refused, or answered in bounded time and memory, never with another error."""

import json
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.pattern.correlation import CorrelationStream
from opentrail.pattern.errors import InvalidEventPattern, InvalidPattern
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.filter_pattern import parse_filter_pattern
from opentrail.pattern.ir import Field, LeafCondition, Leaves
from opentrail.pattern.languages import LANGUAGES, InvalidEvent, Language, read_rule
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.rule_set import RuleSet
from opentrail.pattern.sigma_correlations import parse_sigma_correlations
from opentrail.pattern.value_matcher import InvalidExpression, compile_expression
from opentrail.pattern.values import Glob, Search, Wild, text_in

SIGMA = "title: t\nlogsource: {product: aws}\ndetection:\n  s:\n    %s\n  condition: %s\n"

SECONDS = 5.0
"""Far beyond what any of these needs, and far below what a quadratic or exponential reading would take."""

PIECES: dict[Language, tuple[str, ...]] = {
    "event-pattern": (
        *'{}[],:"',
        *('"a"', '"$or"', '"prefix"', '"numeric"', '"anything-but"', '"wildcard"', '"cidr"', '"exists"'),
        *("1", "-1e400", "true", "null", '">"', '"*a*"', '"10.0.0.0/8"', "\\", "\x00", "é", "\ud800", " "),
    ),
    "filter-pattern": (
        *"{}[]()%\"'*?-,=<>!&|$. ",
        *("$.a", "$.a[*]", "$.*", "IS", "NOT", "EXISTS", "NULL", "&&", "||", "1", "1e999", "...", "%a+%", "\x00", "é"),
    ),
    "filter-policy": (*'{}[],:"', '"a"', '"exists"', "true", '"numeric"', '"="', "1", '"$or"', "\ud800"),
    "selector": (*'{}[],:"', '"FieldSelectors"', '"Field"', '"Equals"', '"eventCategory"', '"Data"', "1", "null"),
    "sigma": (
        "title: t\n",
        "logsource: {product: aws}\n",
        "detection:\n",
        "  s: {a|re: '(x+)+y'}\n",
        "  s: {a|cidr: 10.0.0.0/8}\n",
        "  condition: s\n",
        "  condition: not 1 of them\n",
        "  condition: ((s\n",
        "&a [*a]\n",
        "- ",
        "é",
        "\x00",
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_text_is_read_or_refused(language: Language, data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from(PIECES[language]), max_size=25))
    try:
        rule = read_rule(language, "".join(parts))
    except InvalidPattern:
        return
    for event in ({}, {"a": "x"}, {"a": [{"a": 1}]}, "text", '{"a": 1e400}'):
        try:
            assert rule.matches(event) in (True, False)
            rule.explain(event)
        except InvalidEvent:
            assert isinstance(event, str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=100, deadline=None)
@given(pattern=json_values)
def test_any_json_value_is_read_or_refused(language: Language, pattern: Any) -> None:
    with suppress(InvalidPattern):
        read_rule(language, pattern)


def quick(work: Callable[[], Any]) -> Any:
    start = time.process_time()
    result = work()
    assert time.process_time() - start < SECONDS
    return result


@pytest.mark.parametrize(
    "pattern",
    [
        '{"a":' * 800 + "1" + "}" * 800,
        "[" * 4000,
        json.dumps({"a": ["x" * 10] * 10_000}),
        json.dumps(
            {"$or": [{"$or": [{"$or": [{f"f{i}{j}{k}": [1]} for k in range(9)]} for j in range(9)]} for i in range(9)]}
        ),
        json.dumps({f"g{i}": {"$or": [{"x": [1]}, {"y": [1]}]} for i in range(12)}),
        json.dumps({"a": [{"wildcard": "*" + "a*" * 40}]}),
        '{"a": [' + "9" * 4000 + "]}",
    ],
)
def test_big_and_deep_patterns_are_refused_or_read_at_once(pattern: str) -> None:
    def read() -> None:
        with suppress(InvalidEventPattern):
            parse_event_pattern(pattern)

    quick(read)


def test_multiplied_alternatives_are_refused() -> None:
    doubled = {f"g{number}": {"$or": [{"x": [1]}, {"y": [1]}]} for number in range(10)}

    with pytest.raises(InvalidEventPattern, match="Rule is too complex"):
        parse_event_pattern(json.dumps(doubled))


def test_expressions_that_backtrack_elsewhere_take_linear_time() -> None:
    text = "x" * 200_000

    assert quick(lambda: compile_predicate(Field((), Search("(x+x+)+y")))(text)) is False
    pattern = parse_filter_pattern("{ $.a = %x*x*x*x*x*x*y% }")
    assert quick(lambda: pattern.match(json.dumps({"a": text}))) is None


def test_an_expression_that_would_need_much_memory_is_refused() -> None:
    with pytest.raises(InvalidExpression):
        compile_expression("((a{100}){100}){100}")
    with pytest.raises(InvalidExpression):
        compile_expression("\ud800")


@pytest.mark.parametrize("expression", ["a{900}" * 100, "a{0,1000}" * 5 + "b", r"\d{1000}" * 5])
def test_an_expression_of_so_many_steps_that_a_long_text_would_take_minutes_is_refused(expression: str) -> None:
    with pytest.raises(InvalidExpression, match="more than 2000 steps"):
        compile_expression(expression)
    with pytest.raises(InvalidPattern, match="Failed to compile"):
        parse_filter_pattern(f"%{expression[:1_000]}%")


@pytest.mark.slow
@pytest.mark.parametrize("expression", ["a{1000}b", "(a|b)*a(a|b){600}c", "a{0,400}" * 2 + "b", ".{200}c"])
def test_the_costliest_expressions_read_the_longest_event_in_bounded_time(expression: str) -> None:
    matcher = compile_predicate(Field((), Search(expression)))
    start = time.process_time()

    assert matcher("a" * (256 << 10)) is False
    assert time.process_time() - start < 4 * SECONDS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "pattern", "event"),
    [
        (
            "event-pattern",
            {"a": [{"wildcard": "*" + "*".join("bcdefghijklmnopqrstuvwxyz")}]},
            "bcdefghijklmnopqrstuvwxy" * 8_000,
        ),
        ("event-pattern", {"a": [{"anything-but": {"wildcard": [f"*{n}x*y" for n in range(200)]}}]}, "a" * 200_000),
        ("event-pattern", {"a": [{"suffix": {"equals-ignore-case": "ß" * 1_000}}]}, "ẞ" * 100_000),
        ("event-pattern", {"a": [{"equals-ignore-case": "İıſK" * 200}]}, "i̇ıſK" * 50_000),
        ("sigma", SIGMA % (f"a|contains: {[f'v{n}q' for n in range(3_000)]}", "s"), "a" * 50_000),
        ("sigma", SIGMA % (f"a|re: {[f'(x+x+)+y{n}' for n in range(300)]}", "s"), "x" * 20_000),
        ("sigma", SIGMA % (f"a: {[f'*{n}?a*b' for n in range(500)]}", "s"), "a" * 200_000),
        ("sigma", SIGMA % (f"a: '{'*a' * 2_000}*b'", "s"), "a" * 200_000),
        ("filter-pattern", "{ " + " || ".join(["$.a[*] = 1"] * 70) + " }", [2] * 10_000),
        ("filter-pattern", f"{{ $.a = {'9' * 900} }}", 10**4_000),
    ],
)
def test_costly_rules_take_bounded_time_and_memory(language: Language, pattern: Any, event: Any) -> None:
    tracemalloc.start()
    start = time.process_time()
    rule = read_rule(language, pattern)
    index: RuleSet[int] = RuleSet()
    index.add(1, rule.predicate)

    assert rule.matches({"a": event}) == bool(index.match({"a": event}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - start < 12 * SECONDS
    assert peak < 64 << 20


def test_arrays_within_arrays_are_searched_for_one_element_of_each_in_bounded_time() -> None:
    rule = read_rule("event-pattern", {"a": {"b": [1], "c": [2], "d": [3]}})
    crossed = read_rule("event-pattern", {"a": {"x": {"b": [1]}, "y": {"c": [2]}, "z": {"d": [3]}}})
    wide = [{"b": 1, "c": 0, "d": 3}] * 3_000 + [{"c": 2, "d": 0}] * 3_000
    inner = {"x": [{"b": 1}] * 50, "y": [{"c": 2}] * 50, "z": [{"d": 0}] * 50}

    assert quick(lambda: rule.matches({"a": wide})) is False
    assert quick(lambda: crossed.matches({"a": [inner] * 50})) is False


def test_a_number_of_a_hundred_thousand_digits_is_infinite() -> None:
    digits = "9" * 100_000

    assert quick(lambda: read_rule("filter-pattern", '{ $.b = "x" }').matches(f'{{"a": {digits}, "b": "x"}}')) is True
    assert quick(lambda: read_rule("filter-pattern", "{ $.a > 1 }").matches(f'{{"a": {digits}}}')) is False


def test_many_wildcards_take_no_time_to_speak_of() -> None:
    glob = Glob((Wild.RUN, *[piece for _ in range(200) for piece in ("a", Wild.RUN)], "b"))

    assert quick(lambda: compile_predicate(Field((), glob))("a" * 200_000)) is False


def test_spellings_of_dotted_names_are_tried_within_bounds() -> None:
    names = [f"n{number}" for number in range(20)]
    event: dict[str, Any] = {}
    for name in names:
        event[f"a.{name}"] = "no"
    event["a"] = [dict.fromkeys(names[:-1], "x"), dict.fromkeys(names, "no")]
    rule = Leaves(tuple(LeafCondition(("a", name), text_in("x")) for name in names))

    assert quick(lambda: compile_predicate(rule)(event)) is False


def test_numbers_of_any_size_are_compared_without_fail() -> None:
    rule = compile_predicate(parse_event_pattern('{"a": [{"numeric": [">", 1e300]}]}'))
    logs = parse_filter_pattern("{ $.a > " + "9" * 400 + " }")

    assert rule({"a": 10**4000}) is False
    assert rule({"a": 10**301}) is True
    assert logs.match(json.dumps({"a": 1})) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '["]",' * 40_000,
        "{a: " * 50_000,
        "- " * 100_000,
        "? " * 100_000,
        '"' * 200_000,
        SIGMA % ("a: x", "not " * 450 + "s"),
        SIGMA % ("a: x", f"[{', '.join(['s'] * 51)}]"),
        SIGMA % ("a: " + "9" * 5_000, "s"),
        SIGMA % ("a: 2026-99-99 99:99:99", "t"),
    ],
)
def test_yaml_that_is_deep_or_odd_is_refused_at_once(text: str) -> None:
    def read() -> None:
        with pytest.raises(InvalidPattern):
            read_rule("sigma", text)

    quick(read)


def test_a_list_of_ten_thousand_values_is_asked_at_once() -> None:
    values = ", ".join(f"v{number}" for number in range(9_990))
    exact = read_rule("sigma", SIGMA % (f"a: [{values}]", "s"))
    pattern = read_rule("event-pattern", {"a": [f"{number:05}" for number in range(400)]})

    assert quick(lambda: exact.matches({"a": ["x"] * 30_000})) is False
    assert quick(lambda: exact.matches({"a": ["x", "V9989"]})) is True
    assert quick(lambda: pattern.matches({"a": ["x"] * 30_000})) is False


def test_thousands_of_rules_on_one_field_are_added_and_taken_out_in_linear_time() -> None:
    index: RuleSet[int] = RuleSet()
    shapes = ("prefix", "suffix", "wildcard")

    def fill() -> None:
        for number in range(3_000):
            operand = f"{'a' * (number % 50)}{number}{'*' if number % 3 == 2 else ''}"
            index.add(number, parse_event_pattern(json.dumps({"a": [{shapes[number % 3]: operand}]})))

    def empty() -> None:
        for number in range(3_000):
            index.remove(number)

    quick(fill)
    assert index.match({"a": "aaa3"}) == [3]
    quick(empty)
    assert index.match({"a": "aaa3"}) == []


CORRELATION_PIECES = (
    *("title: t\n", "name: n\n", "detection: {s: {a: x}, condition: s}\n", "logsource: {product: aws}\n", "---\n"),
    *("correlation:\n", "  type: event_count\n", "  type: temporal_ordered\n", "  rules: [n]\n", "  rules: n\n"),
    *("  timespan: 1m\n", "  condition: {gte: 1}\n", "  condition: {field: a, lt: 3}\n", "  group-by: [a]\n"),
    *("  aliases: {a: {n: b}}\n", "  rules: [[]]\n", "  condition: 5\n", "  aliases: {a: [1]}\n", "é", "\x00"),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(CORRELATION_PIECES), max_size=25).map("".join))
def test_any_text_is_read_as_correlations_or_refused(text: str) -> None:
    try:
        stream = CorrelationStream(parse_sigma_correlations(text))
    except InvalidPattern:
        return
    for at in range(3):
        stream.observe({"a": "x", "b": [1, {"c": None}]}, at)
    stream.finish()
    assert stream.cells >= 0


@pytest.mark.parametrize(
    ("language", "pattern"),
    [
        ("event-pattern", '{"' + ".".join(["a"] * 2_000) + '": ["x"]}'),
        (
            "filter-policy",
            {"FilterPolicyScope": "MessageBody", "FilterPolicy": '{"' + ".".join(["a"] * 120_000) + '": ["x"]}'},
        ),
        (
            "sigma",
            "detection: {s: {" + ".".join(["a"] * 32) + ": x}, condition: s}\nlogsource: {product: aws}\ntitle: t\n",
        ),
        ("sigma", "detection: {s: {" + "a" * 600 + ": x}, condition: s}\nlogsource: {product: aws}\ntitle: t\n"),
    ],
)
def test_field_names_of_too_many_parts_are_refused_before_their_spellings_are_made(
    language: Language, pattern: Any
) -> None:
    with pytest.raises(InvalidPattern, match=r"too many parts|too long"):
        quick(lambda: read_rule(language, pattern))


@pytest.mark.parametrize(
    "detection", ["{s: {a: x}, condition: 7}", "{1: {a: x}, condition: 1 of them}", "{1: [x], condition: 1 of s*}"]
)
def test_sigma_rules_with_numbers_for_names_or_conditions_are_refused(detection: str) -> None:
    with pytest.raises(InvalidPattern, match=r"texts?$"):
        read_rule("sigma", f"title: t\nlogsource: {{product: aws}}\ndetection: {detection}\n")


def test_a_sigma_expression_that_yaml_reads_as_a_number_is_its_digits() -> None:
    rule = read_rule("sigma", "title: t\nlogsource: {product: aws}\ndetection: {s: {a|re: 88}, condition: s}\n")

    assert rule.matches({"a": "1881"})
    assert not rule.matches({"a": "18"})
