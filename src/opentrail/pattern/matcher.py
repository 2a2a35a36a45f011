"""Matching events in memory: a predicate becomes one function from an event to yes or no.

A predicate is compiled once into nested closures, each specialised for its path's length and its number of parts, so
that an event costs a few dictionary look-ups. The functions keep no state and may be called from any thread. For many
rules at once, ``rule_set`` asks only those that can match.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opentrail.event import Event
from opentrail.pattern.ir import And, AnyChild, AnyElement, AnyLeaf, Field, Leaves, Not, Or, Path, Predicate, SameText
from opentrail.pattern.leaves import compile_leaves
from opentrail.pattern.value_matcher import ValueMatcher, compile_test
from opentrail.pattern.values import fold

Matcher = Callable[[Any], bool]
_Reader = Callable[[Any], Any]

_MISSING: Any = object()

_CACHED_PREDICATES = 1024
"""Compiled predicates that ``matches`` keeps: 5 trails in each of some 40 Regions, five times over."""


def matches(predicate: Predicate, event: Event) -> bool:
    """Say whether ``event`` is what ``predicate`` picks.

    Compiles on first sight and remembers; in a loop, ``compile_predicate`` once saves hashing the predicate.
    """
    return _compiled(predicate)(event)


def compile_predicate(predicate: Predicate) -> Matcher:
    """Return the function that says whether an event is what ``predicate`` picks. It never raises on any JSON value."""
    match predicate:
        case And(parts):
            return _conjunction([compile_predicate(part) for part in parts])
        case Or(parts):
            return _disjunction([compile_predicate(part) for part in parts])
        case Not(part):
            return _negation(compile_predicate(part))
        case Field(path, test):
            return _field(_reader(path), compile_test(test))
        case AnyElement(path, element):
            return _any_element(_reader(path), compile_predicate(element))
        case AnyChild(path, child):
            return _any_child(_reader(path), compile_predicate(child))
        case Leaves(conditions):
            return compile_leaves(conditions)
        case AnyLeaf(test):
            return _any_leaf(compile_test(test))
        case SameText(left, right):
            return _same_text(_reader(left), _reader(right))


_compiled = lru_cache(maxsize=_CACHED_PREDICATES)(compile_predicate)


def _reader(path: Path) -> _Reader:
    """Return the function that walks ``path`` and gives the field or _MISSING."""
    match path:
        case ():
            return lambda value: value
        case (str() as name,):
            return lambda value: value.get(name, _MISSING) if type(value) is dict else _MISSING
        case (str() as outer, str() as inner):
            return _two_step_reader(outer, inner)
    return _long_reader(path)


def _two_step_reader(outer: str, inner: str) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            return _MISSING
        held = value.get(outer)
        return held.get(inner, _MISSING) if type(held) is dict else _MISSING

    return read


def _long_reader(path: Path) -> _Reader:
    def read(value: Any) -> Any:
        for step in path:
            if type(step) is int:
                if type(value) is not list or not 0 <= step < len(value):
                    return _MISSING
            elif type(value) is not dict or step not in value:
                return _MISSING
            value = value[step]
        return value

    return read


def _conjunction(parts: list[Matcher]) -> Matcher:
    match parts:
        case []:
            return lambda value: True
        case [only]:
            return only
        case [first, second]:
            return lambda value: first(value) and second(value)

    def holds(value: Any) -> bool:
        for part in parts:  # noqa: SIM110 - a generator inside all() doubles the cost
            if not part(value):
                return False
        return True

    return holds


def _disjunction(parts: list[Matcher]) -> Matcher:
    match parts:
        case []:
            return lambda value: False
        case [only]:
            return only
        case [first, second]:
            return lambda value: first(value) or second(value)

    def holds(value: Any) -> bool:
        for part in parts:  # noqa: SIM110 - a generator inside any() doubles the cost
            if part(value):
                return True
        return False

    return holds


def _negation(part: Matcher) -> Matcher:
    return lambda value: not part(value)


def _any_element(read: _Reader, element: Matcher) -> Matcher:
    def holds(value: Any) -> bool:
        array = read(value)
        if type(array) is not list:
            return False
        for item in array:  # noqa: SIM110 - a generator inside any() doubles the cost
            if element(item):
                return True
        return False

    return holds


def _field(read: _Reader, is_met: ValueMatcher) -> Matcher:
    def holds(value: Any) -> bool:
        field = read(value)
        return field is not _MISSING and is_met(field)

    return holds


def _any_child(read: _Reader, child: Matcher) -> Matcher:
    def holds(value: Any) -> bool:
        holder = read(value)
        if type(holder) is dict:
            return any(map(child, holder.values()))
        return type(holder) is list and any(map(child, holder))

    return holds


def _any_leaf(is_met: ValueMatcher) -> Matcher:
    def holds(value: Any) -> bool:
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if type(item) is dict:
                waiting.extend(item.values())
            elif type(item) is list:
                waiting.extend(item)
            elif is_met(item):
                return True
        return False

    return holds


def _same_text(left: _Reader, right: _Reader) -> Matcher:
    def holds(value: Any) -> bool:
        first, second = left(value), right(value)
        return type(first) is str and type(second) is str and fold(first) == fold(second)

    return holds
