"""Why a rule picks an event: each condition that holds, with what stands there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from opentrail.pattern.explanation import describe
from opentrail.pattern.ir import And, AnyChild, AnyElement, AnyLeaf, Field, LeafCondition, Leaves, Not, Or, Predicate
from opentrail.pattern.leaves import dotted_edges, leaf_values
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.value_matcher import compile_test
from opentrail.pattern.values import Test

MAX_REASONS = 40
MAX_FOUND_CHARACTERS = 200
_MAX_ALTERNATIVES = 3
"""Alternatives of one choice that are told, when more of them hold."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition that holds: where in the event, what stands there, and what was wanted of it."""

    path: str
    found: str
    wanted: str


def reasons(predicate: Predicate, subject: Any) -> list[Reason]:
    """Return what of ``predicate`` made it hold for ``subject``, in the rule's order, nothing when it does not."""
    if not compile_predicate(predicate)(subject):
        return []
    return list(islice(dict.fromkeys(_reasons(predicate, subject)), MAX_REASONS))


def _reasons(predicate: Predicate, subject: Any) -> Iterator[Reason]:
    match predicate:
        case And(parts):
            for part in parts:
                yield from _reasons(part, subject)
        case Or(parts):
            held = (part for part in parts if compile_predicate(part)(subject))
            for part in islice(held, _MAX_ALTERNATIVES):
                yield from _reasons(part, subject)
        case Field(path, test):
            yield _at(path, subject, test)
        case Leaves(conditions):
            for condition in conditions:
                yield _leaf(condition, subject)
        case Not(Field(path, test)):
            yield Reason(_dotted(path), _shown(_value(subject, path)), f"not {describe(test)}")
        case AnyElement(path, element):
            yield from _of_element(path, _value(subject, path), element)
        case AnyChild(path, child):
            yield from _of_element(path, _value(subject, path), child)
        case AnyLeaf(test):
            yield Reason("any field", "", describe(test))
        case _:
            yield Reason("the event", "", "what the rule excludes is not there")


def _at(path: tuple[str | int, ...], subject: Any, test: Test) -> Reason:
    return Reason(_dotted(path), _shown(_value(subject, path)), describe(test))


def _leaf(condition: LeafCondition, subject: Any) -> Reason:
    is_met = compile_test(condition.test)
    found = next((value for value in leaf_values(subject, dotted_edges(condition.path)) if is_met(value)), _MISSING)
    wanted = "no such field" if found is _MISSING and condition.or_absent else describe(condition.test)
    return Reason(_dotted(condition.path), _shown(found), wanted)


def _of_element(path: tuple[str | int, ...], held: Any, inner: Predicate) -> Iterator[Reason]:
    items = list(held.values()) if isinstance(held, dict) else held if isinstance(held, list) else []
    matcher = compile_predicate(inner)
    for item in items:
        if matcher(item):
            for reason in _reasons(inner, item):
                yield Reason(f"{_dotted(path)}[*]{f'.{reason.path}' * bool(reason.path)}", reason.found, reason.wanted)
            return


_MISSING: Any = object()


def _value(subject: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(step, int):
            if not isinstance(subject, list) or step >= len(subject):
                return _MISSING
        elif not isinstance(subject, dict) or step not in subject:
            return _MISSING
        subject = subject[step]
    return subject


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    try:
        text = orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, TypeError):
        text = repr(value)
    return text if len(text) <= MAX_FOUND_CHARACTERS else f"{text[:MAX_FOUND_CHARACTERS]}..."
