"""Why an event does not match: a line for each condition that failed, with what stood in its place."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from opentrail.pattern.ir import And, AnyChild, AnyElement, AnyLeaf, Field, LeafCondition, Leaves, Not, Or, Predicate
from opentrail.pattern.leaves import dotted_edges, leaf_values
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.values import (
    ANYTHING,
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
)

MAX_SHOWN_VALUES = 10
MAX_SHOWN_CHARACTERS = 200
MAX_LINES = 100


def failures(predicate: Predicate, event: Any) -> list[str]:
    """Return what keeps ``event`` from matching, in the rule's order; nothing when it matches."""
    if compile_predicate(predicate)(event):
        return []
    lines: list[str] = []
    for line in _failures(predicate, event):
        if len(lines) == MAX_LINES:
            return [*lines, "..."]
        lines.append(line)
    return lines


def _failures(predicate: Predicate, event: Any) -> Iterator[str]:
    if compile_predicate(predicate)(event):
        return
    match predicate:
        case And(parts):
            for part in parts:
                yield from _failures(part, event)
        case Or(parts):
            yield from _alternatives(parts, event)
        case Leaves(conditions):
            yield from _leaves(conditions, event)
        case Field(path, test):
            yield f"{_dotted(path)} {_found(event, tuple(map(str, path)))}, wanted {describe(test)}"
        case Not(Field(path, test)):
            yield f"{_dotted(path)} {_found(event, tuple(map(str, path)))}, wanted anything but {describe(test)}"
        case AnyElement(path, _) | AnyChild(path, _):
            yield f"no element of {_dotted(path)} has all that is wanted of one"
        case AnyLeaf(test):
            yield f"nothing in the event is {describe(test)}"
        case _:
            yield "a part of the rule that must not hold does"


def _alternatives(parts: Iterable[Predicate], event: Any) -> Iterator[str]:
    for number, part in enumerate(parts, 1):
        for line in _failures(part, event):
            yield f"alternative {number}: {line}"


def _leaves(conditions: tuple[LeafCondition, ...], event: Any) -> Iterator[str]:
    is_any = False
    for condition in conditions:
        if not compile_predicate(Leaves((condition,)))(event):
            is_any = True
            wanted = " or no such field" if condition.or_absent else ""
            yield (
                f"{_dotted(condition.path)} {_found(event, condition.path)}, wanted {describe(condition.test)}{wanted}"
            )
    if not is_any:
        yield "every condition is met, but by different elements of one array"


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path)) or "the message"


def _found(event: Any, path: tuple[str, ...]) -> str:
    if not path:
        return f"is {_shown(event)}"
    values = list(leaf_values(event, dotted_edges(path)))
    if not values:
        return "is missing"
    more = ", ..." if len(values) > MAX_SHOWN_VALUES else ""
    return f"is {', '.join(map(_shown, values[:MAX_SHOWN_VALUES]))}{more}"


def _shown(value: Any) -> str:
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."


def describe(test: Test) -> str:
    """Return a test in words."""
    if test == ANYTHING:
        return "any value"
    match test:
        case TextIn(values):
            return _listed(sorted(values))
        case StartsWith(texts):
            return f"a text that begins with {_listed(texts)}"
        case EndsWith(texts):
            return f"a text that ends with {_listed(texts)}"
        case Contains(texts):
            return f"a text that contains {_listed(texts)}"
        case Glob(pieces):
            return f"a text like {''.join(piece.value if isinstance(piece, Wild) else piece for piece in pieces)}"
        case Search(expression):
            return f"a text in which /{expression}/ is found"
        case Folded(part):
            return f"{describe(part)} (whatever case)"
        case NumbersAsText(part) | AnythingAsText(part):
            return describe(part)
        case Is(value):
            return _shown(value)
        case OfKind(kinds):
            return f"a {' or '.join(sorted(kinds))}"
        case Compare(operator, bound):
            return f"a number {operator} {_shown(bound)}"
        case CompareInteger(operator, integer):
            return f"a number {operator} {integer}"
        case InNetwork(_, first, last):
            return "an address of the network" if last > first else "that address"
        case AllTests(parts):
            return " and ".join(map(describe, parts))
        case SomeTest(parts):
            return " or ".join(map(describe, parts)) or "no value"
        case NoTest(part):
            return f"anything but {describe(part)}"


def _listed(texts: Iterable[str]) -> str:
    given = list(texts)
    more = " ..." if len(given) > MAX_SHOWN_VALUES else ""
    return " or ".join(map(_shown, given[:MAX_SHOWN_VALUES])) + more
