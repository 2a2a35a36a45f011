"""Value tests as functions: from a JSON value in memory to yes or no. They never raise, and keep no state.

Regular expressions are RE2's, here as in the SQL engine, so that no expression can be slow on a hostile value.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from math import isfinite
from typing import Any

import re2

from opentrail.pattern.values import (
    COMPARISONS,
    AllTests,
    AnythingAsText,
    Compare,
    CompareInteger,
    Contains,
    EndsWith,
    Folded,
    Glob,
    InNetwork,
    Is,
    NoTest,
    NumbersAsText,
    OfKind,
    Search,
    SomeTest,
    StartsWith,
    Test,
    TextIn,
    Wild,
    address_of,
    as_double,
    fold,
    kind_of,
    number_text,
    text_of,
)

ValueMatcher = Callable[[Any], bool]

MAX_EXPRESSION_STEPS = 2_000
"""Steps of a compiled expression: each character of a text may meet every one, 5 ns a step where none is left out, so
that the largest event takes two or three seconds at worst."""

MAX_EXPRESSION_BYTES = 8 << 20
"""What RE2 may use for one expression; one that needs more is refused when it is compiled."""


class InvalidExpression(ValueError):
    """A regular expression that RE2 does not take."""


def compile_test(test: Test) -> ValueMatcher:
    """Return the function that says whether a value passes ``test``. Raises InvalidExpression."""
    match test:
        case TextIn(values):
            return _text_in(values)
        case StartsWith(prefixes):
            return lambda value: type(value) is str and value.startswith(prefixes)
        case EndsWith(suffixes):
            return lambda value: type(value) is str and value.endswith(suffixes)
        case Contains(texts):
            return lambda value: type(value) is str and any(text in value for text in texts)
        case Glob(pieces):
            return _glob(pieces)
        case Search(expression):
            return _search(compile_expression(expression))
        case Folded(part):
            return _folded(compile_test(part))
        case NumbersAsText(part):
            return _numbers_as_text(compile_test(part))
        case AnythingAsText(part):
            return _anything_as_text(compile_test(part))
        case Is(literal):
            return lambda value: value is literal
        case OfKind(kinds):
            return lambda value: kind_of(value) in kinds
        case Compare(symbol, bound):
            return _compare(COMPARISONS[symbol], bound)
        case CompareInteger(symbol, integer):
            return _compare_integer(COMPARISONS[symbol], integer)
        case InNetwork(version, first, last):
            return _in_network(version, first, last)
        case AllTests(parts):
            return _all([compile_test(part) for part in parts])
        case SomeTest(parts):
            return _some([compile_test(part) for part in parts])
        case NoTest(part):
            return _none(compile_test(part))


def compile_expression(expression: str) -> Any:
    """Return RE2's compiled form of a regular expression. Raises InvalidExpression."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_EXPRESSION_BYTES
    try:
        compiled = re2.compile(expression, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise InvalidExpression(str(error)) from error
    if compiled.programsize > MAX_EXPRESSION_STEPS:
        raise InvalidExpression(f"the expression takes more than {MAX_EXPRESSION_STEPS} steps")
    return compiled


def _text_in(values: frozenset[str]) -> ValueMatcher:
    if len(values) == 1:
        (only,) = values
        return lambda value: type(value) is str and value == only
    return lambda value: type(value) is str and value in values


def _search(expression: Any) -> ValueMatcher:
    def holds(value: Any) -> bool:
        if type(value) is not str:
            return False
        return expression.search(value.encode("utf-8", "replace").decode()) is not None

    return holds


def _folded(part: ValueMatcher) -> ValueMatcher:
    return lambda value: part(fold(value)) if type(value) is str else False


def _numbers_as_text(part: ValueMatcher) -> ValueMatcher:
    def holds(value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return part(value)
        return part(number_text(value)) if kind is int or kind is float else False

    return holds


def _anything_as_text(part: ValueMatcher) -> ValueMatcher:
    return lambda value: value is not None and part(text_of(value))


def _compare(symbol: Callable[[Any, Any], bool], bound: float) -> ValueMatcher:
    def holds(value: Any) -> bool:
        kind = type(value)
        if kind is not int and kind is not float:
            return False
        double = as_double(value)
        return isfinite(double) and symbol(double, bound)

    return holds


def _compare_integer(symbol: Callable[[Any, Any], bool], bound: int) -> ValueMatcher:
    double = as_double(bound)

    def holds(value: Any) -> bool:
        kind = type(value)
        if kind is int:
            return symbol(value, bound)
        return kind is float and isfinite(value) and symbol(value, double)

    return holds


def _in_network(version: int, first: int, last: int) -> ValueMatcher:
    def holds(value: Any) -> bool:
        if type(value) is not str:
            return False
        address = address_of(value)
        return address is not None and address[0] == version and first <= address[1] <= last

    return holds


def _all(parts: list[ValueMatcher]) -> ValueMatcher:
    def holds(value: Any) -> bool:
        for part in parts:  # noqa: SIM110 - a generator inside all() doubles the cost
            if not part(value):
                return False
        return True

    return holds


def _some(parts: list[ValueMatcher]) -> ValueMatcher:
    def holds(value: Any) -> bool:
        for part in parts:  # noqa: SIM110 - a generator inside any() doubles the cost
            if part(value):
                return True
        return False

    return parts[0] if len(parts) == 1 else holds


def _none(part: ValueMatcher) -> ValueMatcher:
    return lambda value: not part(value)


def _glob(pieces: Sequence[str | Wild]) -> ValueMatcher:
    """Match from both ends inwards; between two runs the first place where a stretch fits is as good as any."""
    stretches = [tuple(group) for is_run, group in groupby(pieces, lambda piece: piece is Wild.RUN) if not is_run]
    if Wild.RUN not in pieces:
        whole = stretches[0] if stretches else ()
        return lambda value: type(value) is str and len(value) == _width(whole) and _fits(value, 0, whole)
    head = stretches.pop(0) if pieces[0] is not Wild.RUN else ()
    tail = stretches.pop() if pieces[-1] is not Wild.RUN else ()
    head_width, tail_width = _width(head), _width(tail)

    def holds(value: Any) -> bool:
        if type(value) is not str:
            return False
        end = len(value) - tail_width
        if end < head_width or not _fits(value, 0, head) or not _fits(value, end, tail):
            return False
        place = head_width
        for stretch in stretches:
            place = _find(value, place, end, stretch)
            if place < 0:
                return False
        return True

    return holds


def _width(stretch: Sequence[str | Wild]) -> int:
    return sum(1 if isinstance(piece, Wild) else len(piece) for piece in stretch)


def _fits(text: str, place: int, stretch: Sequence[str | Wild]) -> bool:
    for piece in stretch:
        if isinstance(piece, Wild):
            place += 1
        elif text.startswith(piece, place):
            place += len(piece)
        else:
            return False
    return True


def _find(text: str, start: int, end: int, stretch: Sequence[str | Wild]) -> int:
    """Return where a stretch that begins at ``start`` or later and ends by ``end`` ends, -1 when there is none."""
    if len(stretch) == 1 and isinstance(stretch[0], str):
        found = text.find(stretch[0], start, end)
        return found if found < 0 else found + len(stretch[0])
    width = _width(stretch)
    for place in range(start, end - width + 1):
        if _fits(text, place, stretch):
            return place + width
    return -1
