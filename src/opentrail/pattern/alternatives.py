"""A predicate as alternatives, each a conjunction of tests on dotted paths: what ``rule_set`` can index.

An alternative may ask less than its predicate, never more: what has no such form is left out, and the alternative then
says that a match must be verified. Every alternative of an event's rule that holds makes the rule a candidate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from opentrail.pattern.ir import And, AnyElement, DottedPath, Field, Leaves, Not, Or, Path, Predicate
from opentrail.pattern.values import (
    ANYTHING,
    AllTests,
    AnythingAsText,
    NoTest,
    OfKind,
    SomeTest,
    Test,
    some_test,
)

MAX_ALTERNATIVES = 64
"""Alternatives of one rule; a predicate with more is asked for fewer conditions."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A test on the leaf at ``path``. ``is_leaf``: the language reads leaves; otherwise it reads a field, and where an
    array or a dotted name is in the way the condition tells nothing."""

    path: DottedPath
    test: Test
    or_absent: bool
    is_leaf: bool


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way for a rule to match: all ``conditions``, one for each path, and more where ``needs_proof``."""

    conditions: tuple[Condition, ...]
    needs_proof: bool = False


_UNKNOWN = [Alternative((), needs_proof=True)]


def alternatives_of(predicate: Predicate) -> list[Alternative]:
    """Return alternatives at least one of which holds whenever ``predicate`` does."""
    match predicate:
        case And(parts):
            return _conjunction([alternatives_of(part) for part in parts])
        case Or(parts):
            return _disjunction([alternatives_of(part) for part in parts])
        case Leaves(conditions):
            kept = [Condition(one.path, one.test, one.or_absent, is_leaf=True) for one in conditions]
            return [_merged(kept, needs_proof=False)]
        case Field(path, test) if is_scalar_test(test):
            return _field(path, test, or_absent=False)
        case Not(Field(path, test)):
            return _field(path, NoTest(test), or_absent=True)
        case AnyElement(path, element):
            return [_below(path, one) for one in alternatives_of(element)]
    return _UNKNOWN


def is_scalar_test(test: Test) -> bool:
    """Say whether only a scalar can pass ``test``."""
    match test:
        case NoTest() | AnythingAsText():
            return False
        case OfKind(kinds):
            return not kinds & {"array", "object"}
        case AllTests(parts):
            return any(is_scalar_test(part) for part in parts)
        case SomeTest(parts):
            return all(is_scalar_test(part) for part in parts)
    return True


def _field(path: Path, test: Test, *, or_absent: bool) -> list[Alternative]:
    names = tuple(step for step in path if isinstance(step, str))
    if not path or len(names) != len(path):
        return _UNKNOWN
    dotted = tuple(part for name in names for part in name.split("."))
    needs_proof = dotted != names
    if needs_proof and or_absent:
        return _UNKNOWN  # what is at the path of the parts says nothing of a member with dots in its name
    return [Alternative((Condition(dotted, test, or_absent, is_leaf=False),), needs_proof)]


def _below(path: Path, alternative: Alternative) -> Alternative:
    """Return what an alternative for one element asks of the whole: only what a leaf of it must pass."""
    names = [step for step in path if isinstance(step, str)]
    if len(names) != len(path) or any("." in name for name in names):
        return _UNKNOWN[0]
    kept = [
        Condition((*names, *one.path), one.test, or_absent=False, is_leaf=True)
        for one in alternative.conditions
        if not one.or_absent
    ]
    return _merged(kept, needs_proof=True)


def _conjunction(parts: Sequence[list[Alternative]]) -> list[Alternative]:
    result = [Alternative(())]
    for part in sorted(parts, key=len):
        if len(result) * len(part) > MAX_ALTERNATIVES:
            result = [replace(one, needs_proof=True) for one in result]
            continue
        result = [
            _merged((*one.conditions, *other.conditions), needs_proof=one.needs_proof or other.needs_proof)
            for one, other in product(result, part)
        ]
    return result


def _disjunction(parts: Sequence[list[Alternative]]) -> list[Alternative]:
    """Join single conditions on one path into one, and give up on what is still too many."""
    result: list[Alternative] = []
    joined: dict[tuple[DottedPath, bool], list[Test]] = {}
    for alternative in (one for part in parts for one in part):
        match alternative:
            case Alternative((Condition(path, test, False, is_leaf),), False):
                joined.setdefault((path, is_leaf), []).append(test)
            case _:
                result.append(alternative)
    for (path, is_leaf), tests in joined.items():
        result.append(Alternative((Condition(path, some_test(tests), or_absent=False, is_leaf=is_leaf),)))
    return result if len(result) <= MAX_ALTERNATIVES else list(_UNKNOWN)


def _merged(conditions: Iterable[Condition], *, needs_proof: bool) -> Alternative:
    """Keep one condition for each path: the first, or both as one test where absence is no way out of either."""
    kept: dict[DottedPath, Condition] = {}
    for condition in conditions:
        if condition.test == ANYTHING and condition.or_absent:
            continue
        before = kept.get(condition.path)
        if before is None:
            kept[condition.path] = condition
        else:
            needs_proof = True
            if before.or_absent and not condition.or_absent:
                kept[condition.path] = condition
    return Alternative(tuple(kept.values()), needs_proof)
