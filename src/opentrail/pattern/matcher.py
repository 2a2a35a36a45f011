"""Matching events in memory: a predicate becomes one function from an event to yes or no.

A predicate is compiled once into nested closures, each specialised for its path's length and its number of parts, so
that an event costs a few dictionary look-ups. The functions keep no state and may be called from any thread.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opentrail.event import Event
from opentrail.pattern.ir import (
    And,
    AnyElement,
    EndsWith,
    EqualsLiteral,
    EqualsText,
    Exists,
    Not,
    Or,
    Path,
    Predicate,
    StartsWith,
)

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
        case AnyElement(path, element):
            return _any_element(_reader(path), compile_predicate(element))
        case Exists(path):
            return _exists(_reader(path))
        case EqualsText(path, values):
            return _equals_text(_reader(path), values)
        case EqualsLiteral(path, value):
            return _equals_literal(_reader(path), value)
        case StartsWith(path, prefixes):
            return _starts_with(_reader(path), prefixes)
        case EndsWith(path, suffixes):
            return _ends_with(_reader(path), suffixes)


_compiled = lru_cache(maxsize=_CACHED_PREDICATES)(compile_predicate)


def _reader(path: Path) -> _Reader:
    """Return the function that walks ``path`` and gives the field or _MISSING."""
    match path:
        case ():
            return lambda value: value
        case (name,):
            return lambda value: value.get(name, _MISSING) if type(value) is dict else _MISSING
        case (outer, inner):
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
        for name in path:
            if type(value) is not dict or name not in value:
                return _MISSING
            value = value[name]
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


def _exists(read: _Reader) -> Matcher:
    return lambda value: read(value) is not _MISSING


def _equals_text(read: _Reader, values: frozenset[str]) -> Matcher:
    if len(values) == 1:
        (only,) = values
        return lambda value: bool(read(value) == only)

    def holds(value: Any) -> bool:
        field = read(value)
        return type(field) is str and field in values

    return holds


def _equals_literal(read: _Reader, literal: bool | None) -> Matcher:
    return lambda value: read(value) is literal


def _starts_with(read: _Reader, prefixes: tuple[str, ...]) -> Matcher:
    def holds(value: Any) -> bool:
        field = read(value)
        return type(field) is str and field.startswith(prefixes)

    return holds


def _ends_with(read: _Reader, suffixes: tuple[str, ...]) -> Matcher:
    def holds(value: Any) -> bool:
        field = read(value)
        return type(field) is str and field.endswith(suffixes)

    return holds
