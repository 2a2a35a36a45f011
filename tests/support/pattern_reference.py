"""A second reading of the predicate algebra, as plain as can be: what every back end must agree with.

Nothing here is fast or shared with the product, but for the algebra itself and for how an address is spelled.
"""

import json
import math
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from opentrail.pattern.ir import And, AnyChild, AnyElement, AnyLeaf, Field, Leaves, Not, Or, Path, Predicate, SameText
from opentrail.pattern.values import (
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
    fold,
)


def holds(predicate: Predicate, value: Any) -> bool:
    """Say whether ``predicate`` holds for ``value``."""
    match predicate:
        case And(parts):
            return all(holds(part, value) for part in parts)
        case Or(parts):
            return any(holds(part, value) for part in parts)
        case Not(part):
            return not holds(part, value)
        case Field(path, test):
            return any(passes(test, field) for field in found(value, path))
        case AnyElement(path, element):
            return any(
                holds(element, item) for field in found(value, path) if isinstance(field, list) for item in field
            )
        case AnyChild(path, child):
            return any(holds(child, item) for field in found(value, path) for item in children(field))
        case Leaves(conditions):
            return _leaves_hold(conditions, value)
        case AnyLeaf(test):
            return any(passes(test, leaf) for _, leaf, _ in flat(value))
        case SameText(left, right):
            pairs = product(found(value, left), found(value, right))
            return any(isinstance(a, str) and isinstance(b, str) and fold(a) == fold(b) for a, b in pairs)


def found(value: Any, path: Path) -> list[Any]:
    """The field as a list of one, or of none when it is missing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return []
        elif not isinstance(value, dict) or step not in value:
            return []
        value = value[step]
    return [value]


def children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


Membership = tuple[tuple[tuple[Any, ...], int], ...]


def flat(
    value: Any, name: str | None = None, membership: Membership = (), place: tuple[Any, ...] = ()
) -> Iterator[tuple[str | None, Any, Membership]]:
    """Every scalar with its dotted name and, for each array around the object or array it stands in, which element.

    A scalar that no object holds has no name.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            dotted = key if name is None else f"{name}.{key}"
            yield from flat(inner, dotted, membership, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            is_scalar = not isinstance(inner, (dict, list))
            inside = membership if is_scalar else (*membership, (place, index))
            yield from flat(inner, name, inside, (*place, index))
    else:
        yield name, value, membership


def _leaves_hold(conditions: Any, value: Any) -> bool:
    leaves = list(flat(value))
    choices = []
    for condition in conditions:
        at_path = [(leaf, membership) for name, leaf, membership in leaves if name == ".".join(condition.path)]
        if not at_path and condition.or_absent:
            continue
        choices.append([membership for leaf, membership in at_path if passes(condition.test, leaf)])
    return any(_agree(choice) for choice in product(*choices))


def _agree(memberships: tuple[Membership, ...]) -> bool:
    elements: dict[Any, int] = {}
    return all(elements.setdefault(array, index) == index for each in memberships for array, index in each)


def passes(test: Test, value: Any) -> bool:
    """Say whether a value passes ``test``."""
    text = value if isinstance(value, str) else None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match test:
        case TextIn(values):
            return text is not None and text in values
        case StartsWith(prefixes):
            return text is not None and any(text[: len(prefix)] == prefix for prefix in prefixes)
        case EndsWith(suffixes):
            return text is not None and any(text.endswith(suffix) for suffix in suffixes)
        case Contains(parts):
            return text is not None and any(text.find(part) >= 0 for part in parts)
        case Glob(pieces):
            return text is not None and re.fullmatch(_glob_expression(pieces), text, re.DOTALL) is not None
        case Search(expression):
            return text is not None and re.search(expression, text, re.ASCII) is not None
        case Folded(part):
            return text is not None and passes(part, fold(text))
        case NumbersAsText(part):
            return passes(part, str(value) if is_number else value) if is_number or text is not None else False
        case AnythingAsText(part):
            return value is not None and passes(part, plain_text(value))
        case Is(literal):
            return type(value) is type(literal) and value == literal
        case OfKind(kinds):
            return kind(value) in kinds
        case Compare(operator, bound):
            return is_number and math.isfinite(value) and compares(float(value), operator, bound)
        case CompareInteger(operator, integer):
            bound = integer if isinstance(value, int) else float(integer)
            return is_number and math.isfinite(value) and compares(value, operator, bound)
        case InNetwork(version, first, last):
            address = address_of(text) if text is not None else None
            return address is not None and address[0] == version and first <= address[1] <= last
        case AllTests(parts):
            return all(passes(part, value) for part in parts)
        case SomeTest(parts):
            return any(passes(part, value) for part in parts)
        case NoTest(part):
            return not passes(part, value)


def plain_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def kind(value: Any) -> str:
    kinds = {str: "string", int: "number", float: "number", bool: "boolean", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def compares(value: float, operator: str, bound: float) -> bool:
    return {
        "=": value == bound,
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
    }[operator]


def _glob_expression(pieces: Any) -> str:
    written = {Wild.RUN: ".*", Wild.ONE: "."}
    return "".join(written[piece] if isinstance(piece, Wild) else re.escape(piece) for piece in pieces)
