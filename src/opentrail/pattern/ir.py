"""The predicate algebra that every pattern language is read into.

Two back ends take it: a matcher over events in memory and, later, a SQL condition over stored ones. A leaf tests one
field; where languages differ on missing fields, arrays or numbers, the difference is another leaf or an explicit
combination of leaves, never a flag on one.

What a leaf sees: ``path`` is walked through JSON objects only, member by member. A field is *missing* when a member on
the way is absent or what holds it is not an object; arrays are entered by ``AnyElement`` alone. A leaf does not hold
for a missing field, so that negative operators, which hold for it, are ``Not`` of the positive one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str, ...]
"""Member names from the event (inside ``AnyElement``: from the element); the empty path is that value itself."""


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
class Exists:
    """The field is there, whatever it holds (null too)."""

    path: Path


@dataclass(frozen=True, slots=True)
class EqualsText:
    """The field is a string, one of ``values``, case-sensitive."""

    path: Path
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class EqualsLiteral:
    """The field is exactly this JSON literal: true, false or null. The string "true" is not, nor is the number 1."""

    path: Path
    value: bool | None


@dataclass(frozen=True, slots=True)
class StartsWith:
    """The field is a string that begins with one of ``prefixes``, case-sensitive."""

    path: Path
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndsWith:
    """The field is a string that ends with one of ``suffixes``, case-sensitive."""

    path: Path
    suffixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyElement:
    """The field is an array and ``element`` holds for one element of it: all tests on the same element."""

    path: Path
    element: "Predicate"


Predicate = And | Or | Not | Exists | EqualsText | EqualsLiteral | StartsWith | EndsWith | AnyElement

ALWAYS = And(())
NEVER = Or(())


def all_of(parts: Iterable[Predicate]) -> Predicate:
    """Return the conjunction of ``parts``, without a node around a single one."""
    kept = tuple(parts)
    return kept[0] if len(kept) == 1 else And(kept)


def any_of(parts: Iterable[Predicate]) -> Predicate:
    """Return the disjunction of ``parts``, without a node around a single one."""
    kept = tuple(parts)
    return kept[0] if len(kept) == 1 else Or(kept)
