import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.policy.wildcards import Template

NARROW = st.text("ab*?", max_size=12)
VALUES = st.text("ab", max_size=16)


def naively_matches(pattern: str, value: str) -> bool:
    """Decide by the definition, one table row per pattern character."""
    reached = {0}
    for sign in pattern:
        if sign == "*":
            reached = set(range(min(reached), len(value) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(value) and sign in ("?", value[at])}
    return len(value) in reached


def matches(pattern: str, value: str) -> bool:
    return Template(pattern, has_wildcards=True, has_variables=False).matches(value, {})


@settings(max_examples=1_000)
@given(NARROW, VALUES)
def test_matching_agrees_with_the_definition(pattern: str, value: str) -> None:
    assert matches(pattern, value) is naively_matches(pattern, value)


@given(st.text(max_size=30), st.data())
def test_a_text_matches_itself_with_any_part_replaced_by_wildcards(value: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, len(value)))
    escaped = value.replace("*", "?")

    assert matches(f"{escaped[:start]}*{escaped[end:]}", value)
    assert matches(escaped[:start] + "?" * (end - start) + escaped[end:], value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_without_wildcards_only_the_same_text_matches(pattern: str, value: str) -> None:
    template = Template(pattern, has_wildcards=False, has_variables=False)

    assert template.matches(value, {}) is (pattern == value)
    assert template.text({}) == pattern


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_template(pattern: str, value: str) -> None:
    template = Template(pattern, has_wildcards=True, has_variables=True)

    assert template.matches(value, {"aws:username": (value,)}) in (True, False)


@given(st.text(max_size=20))
def test_a_variable_stands_for_its_value_literally(value: str) -> None:
    template = Template("home/${aws:username}/*", has_wildcards=True, has_variables=True)

    assert template.matches(f"home/{value}/file", {"aws:username": (value,)})
    assert not template.matches("home/", {"aws:username": (value,)})


@pytest.mark.parametrize("text", ["${", "${}", "${ }", "${a", "$a}", "${a b}", "${a, b}", "${a,'b'c}"])
def test_what_is_no_variable_stays_as_it_is_written(text: str) -> None:
    assert Template(text, has_wildcards=False, has_variables=True).text({"a": ("x",)}) == text


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("*a" * 2_000 + "b", "a" * 4_000),
        ("*?a" * 2_000 + "b", "a" * 8_000),
        ("*" + "?a" * 2_000 + "b*", "a" * 8_000),
        ("*" * 10_000 + "b", "a" * 8_000),
        ("*" + "a" * 3_000 + "?b*", "a" * 8_000),
    ],
)
def test_no_pattern_takes_long(pattern: str, value: str) -> None:
    started = time.perf_counter()

    assert not matches(pattern, value)

    # The slowest takes 20 ms; a matcher that tries every way would not come back.
    assert time.perf_counter() - started < 5
