"""The predicate algebra that every pattern language is read into.

Three readings of it agree: the compiled matcher (``matcher``), the index over many rules (``rule_set``) and the SQL
condition (``sql``). A predicate finds fields of an event; a test (``values``) judges the value found. Where languages
differ on how a field is found, the difference is another node, never a flag:

- ``Field`` walks objects only, and arrays by index. A field is *missing* when a member on the way is absent or what
  holds it is not an object. No test holds for a missing field, so negative operators that hold for it are ``Not``.
- ``AnyElement`` and ``AnyChild`` go one level into an array, or into an array or an object.
- ``Leaves`` reads an event as EventBridge does: flat, dotted, through arrays at any depth, one element for all.
- ``AnyLeaf`` looks at every scalar wherever it stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from opentrail.pattern.values import ANYTHING, Test

Path = tuple[str | int, ...]
"""Member names, and indexes of elements, from the event (inside ``AnyElement``: from the element); the empty path is
that value itself."""

DottedPath = tuple[str, ...]
"""Names between dots; neighbours may stand joined by a dot in one member's name."""


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; with no parts it always does."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds; with no parts it never does."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Predicate"


@dataclass(frozen=True, slots=True)
class Field:
    """The field is there and passes ``test``."""

    path: Path
    test: Test


@dataclass(frozen=True, slots=True)
class AnyElement:
    """The field is an array and ``element`` holds for one element of it: all tests on the same element."""

    path: Path
    element: "Predicate"


@dataclass(frozen=True, slots=True)
class AnyChild:
    """The field is an array or an object and ``child`` holds for one element, or one member's value, of it."""

    path: Path
    child: "Predicate"


@dataclass(frozen=True, slots=True)
class LeafCondition:
    """A leaf at ``path`` passes ``test``; with ``or_absent``, or there is no leaf at ``path``.

    A leaf is a scalar reached by the names joined by dots, in whatever way members' names split them, through arrays at
    any depth (the value itself may be one). Objects and empty arrays are not leaves.
    """

    path: DottedPath
    test: Test
    or_absent: bool = False


@dataclass(frozen=True, slots=True)
class Leaves:
    """Each condition holds, with one element of each array for all of them (EventBridge's array consistency).

    An array's own scalars bind nothing: only what stands inside an element's object or array does.
    """

    conditions: tuple[LeafCondition, ...]


@dataclass(frozen=True, slots=True)
class AnyLeaf:
    """Some scalar of the value, at any depth, passes ``test``."""

    test: Test


@dataclass(frozen=True, slots=True)
class SameText:
    """Both fields are strings and equal but for case."""

    left: Path
    right: Path


Predicate = And | Or | Not | Field | AnyElement | AnyChild | Leaves | AnyLeaf | SameText

ALWAYS = And(())
NEVER = Or(())


def exists(path: Path) -> Field:
    """Return the predicate that the field is there, whatever it holds (null too)."""
    return Field(path, ANYTHING)


def all_of(parts: Iterable[Predicate]) -> Predicate:
    """Return the conjunction of ``parts``, without a node around a single one."""
    kept = tuple(parts)
    return kept[0] if len(kept) == 1 else And(kept)


def any_of(parts: Iterable[Predicate]) -> Predicate:
    """Return the disjunction of ``parts``, without a node around a single one."""
    kept = tuple(parts)
    return kept[0] if len(kept) == 1 else Or(kept)
