"""Tests on one JSON value: the leaves of the predicate algebra (``ir``), and what text, number, address mean.

A test that asks for a text does not hold for anything else; where a language reads numbers or whole objects as text,
that is a wrapper (``NumbersAsText``, ``AnythingAsText``), and where it ignores case another (``Folded``). So no test
has flags, and each back end says once what each of them means.
"""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Literal

import orjson

Kind = Literal["string", "number", "boolean", "null", "array", "object"]
Operator = Literal["=", "<", "<=", ">", ">="]

_CACHED_ADDRESSES = 65_536
"""Parsed addresses kept: a source address comes back with most calls."""

MAX_ADDRESS_CHARACTERS = 39

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KINDS: dict[type, Kind] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}


class Wild(Enum):
    """What stands between the literal pieces of a ``Glob``."""

    RUN = "*"
    """Any number of characters, none too."""
    ONE = "?"
    """Exactly one character."""


@dataclass(frozen=True, slots=True)
class TextIn:
    """A string, one of ``values``, case-sensitive."""

    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class StartsWith:
    """A string that begins with one of ``prefixes``."""

    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndsWith:
    """A string that ends with one of ``suffixes``."""

    suffixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """A string that has one of ``parts`` somewhere."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Glob:
    """A string that is ``pieces`` from its first character to its last."""

    pieces: tuple[str | Wild, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A string in which the regular expression, in RE2's syntax, is found somewhere; ``.`` is no newline."""

    expression: str


@dataclass(frozen=True, slots=True)
class Folded:
    """The string, folded (``fold``), passes ``part``, whose own texts are folded already."""

    part: "Test"


@dataclass(frozen=True, slots=True)
class NumbersAsText:
    """The string, or the number as it is written shortest (1, 1.0), passes ``part``."""

    part: "Test"


@dataclass(frozen=True, slots=True)
class AnythingAsText:
    """The value's text passes ``part``: a string itself, else its compact JSON. Null has no text."""

    part: "Test"


@dataclass(frozen=True, slots=True)
class Is:
    """Exactly this JSON literal: true, false or null. The string "true" is not, nor is the number 1."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class OfKind:
    """A value of one of these JSON kinds."""

    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class Compare:
    """A number that compares so to ``bound``, both as IEEE doubles; one that is no finite double does not."""

    operator: Operator
    bound: float


@dataclass(frozen=True, slots=True)
class CompareInteger:
    """A number that compares so to ``bound``: an integer exactly, any other as an IEEE double."""

    operator: Operator
    bound: int


@dataclass(frozen=True, slots=True)
class InNetwork:
    """A string that spells an IP address of this version between ``first`` and ``last``, inclusive, as integers."""

    version: Literal[4, 6]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class AllTests:
    """Every part holds; with no parts every value passes."""

    parts: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class SomeTest:
    """Some part holds; with no parts no value passes."""

    parts: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class NoTest:
    """The part does not hold."""

    part: "Test"


Test = (
    TextIn
    | StartsWith
    | EndsWith
    | Contains
    | Glob
    | Search
    | Folded
    | NumbersAsText
    | AnythingAsText
    | Is
    | OfKind
    | Compare
    | CompareInteger
    | InNetwork
    | AllTests
    | SomeTest
    | NoTest
)

ANYTHING = AllTests(())
NOTHING = SomeTest(())


def text_in(*values: str) -> TextIn:
    """Return the test for one of ``values``."""
    return TextIn(frozenset(values))


def some_test(parts: Iterable[Test]) -> Test:
    """Return the disjunction of ``parts``: texts, prefixes, suffixes and parts of texts gathered in one test each, so
    that a list of values is asked at once, and without a node around a single one."""
    kept = tuple(parts)
    if len(kept) > 1:
        kept = tuple(_gathered(kept))
    return kept[0] if len(kept) == 1 else SomeTest(kept)


def _gathered(parts: Iterable[Test]) -> Iterator[Test]:
    like: dict[type, list[Any]] = {}
    for part in parts:
        if isinstance(part, TextIn | StartsWith | EndsWith | Contains | Folded | NumbersAsText | AnythingAsText):
            like.setdefault(type(part), []).append(part)
        elif isinstance(part, SomeTest):
            yield from part.parts
        else:
            yield part
    for kind, same in like.items():
        yield same[0] if len(same) == 1 else _joined(kind, same)


def _joined(kind: type, same: Sequence[Any]) -> Test:
    if kind is TextIn:
        return TextIn(frozenset().union(*(part.values for part in same)))
    if kind is StartsWith:
        return StartsWith(tuple(text for part in same for text in part.prefixes))
    if kind is EndsWith:
        return EndsWith(tuple(text for part in same for text in part.suffixes))
    if kind is Contains:
        return Contains(tuple(text for part in same for text in part.parts))
    joined: Test = kind(some_test(part.part for part in same))
    return joined


def fold(text: str) -> str:
    """Return ``text`` with each letter lower-case, never changing its length (Java's and RE2's simple case mapping)."""
    if text.isascii():
        return text.lower()
    return "".join(_fold_one(character) for character in text)


def _fold_one(character: str) -> str:
    lower = character.lower()
    return lower[0] if len(lower) > 1 else lower


def number_text(value: float) -> str:
    """Return how a number is written shortest: integers without a point, doubles with one or with an exponent."""
    return str(value)


def kind_of(value: Any) -> Kind | None:
    """Return the JSON kind of a value."""
    return _KINDS.get(type(value))


def text_of(value: Any) -> str:
    """Return a value's text: a string itself, a number as written shortest, anything else as compact JSON."""
    if type(value) is str:
        return value
    if type(value) in (int, float):
        return number_text(value)
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, RecursionError):
        return ""


def as_double(value: float) -> float:
    """Return a JSON number as an IEEE double; one too big is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@lru_cache(maxsize=_CACHED_ADDRESSES)
def address_of(text: str) -> tuple[Literal[4, 6], int] | None:
    """Return the version and the number of an IP address, None when ``text`` is none.

    IPv4 is four decimals; IPv6 has no zone and no dotted tail.
    """
    if len(text) > MAX_ADDRESS_CHARACTERS:
        return None
    try:
        if ":" in text:
            return None if "." in text or "%" in text else (6, int(IPv6Address(text)))
        return (4, int(IPv4Address(text))) if text.count(".") == 3 else None
    except AddressValueError:
        return None


def same_address(text: str) -> InNetwork | None:
    """Return the test for every spelling of the address that ``text`` is, None when it is none."""
    found = address_of(text)
    return InNetwork(found[0], found[1], found[1]) if found else None
