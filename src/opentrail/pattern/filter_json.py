"""JSON filter patterns: ``{ $.eventName = "StopLogging" && $.errorCode NOT EXISTS }``.

A selector goes through objects by name and into arrays by index; one step of it may be ``*``, which stands for every
element and every member's value. ``!=`` wants a string or a number that is not the operand: a missing field, null, a
boolean or an object passes neither ``=`` nor ``!=``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.filter_operands import (
    GENERIC,
    MAX_EXPRESSIONS,
    Lexeme,
    equality,
    invalid_term,
    lexemes,
    ordering,
)
from opentrail.pattern.ir import And, AnyChild, AnyElement, Field, Not, Or, Path, Predicate, all_of, any_of, exists
from opentrail.pattern.values import AllTests, Compare, Is, NoTest, OfKind, SomeTest, Test

MAX_DEPTH = 100
"""Parentheses within parentheses; 1,024 characters could hold more."""

_STEPS = re.compile(r"\.\['([^']*)'\]|\.(\*)|\.([\w-]+)|\[(\*)\]|\[(\d+)\]")
_COMPARABLE = OfKind(frozenset(("string", "number")))
_ORDERED = SomeTest((OfKind(frozenset(("string",))), Compare("<", 0.0), Compare(">=", 0.0)))
"""What a number can differ from: not from a number beyond a double, which is above none and below none."""

_LITERALS = {"null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Selector:
    """A place in the message: ``holder``, then, with a wildcard, ``rest`` below each child of it."""

    holder: Path
    rest: Path | None = None

    def at(self, make: "_Make") -> Predicate:
        """Return the predicate that ``make`` gives for the place, of any child where there is a wildcard."""
        return make(self.holder) if self.rest is None else AnyChild(self.holder, make(self.rest))


class _Make:
    """From a path to a predicate: what a test asks of the place a selector ends at."""

    def __init__(self, test: Test) -> None:
        self._test = test

    def __call__(self, path: Path) -> Predicate:
        return Field(path, self._test)


class _MakeNull(_Make):
    """Null, or an array that holds one directly."""

    def __init__(self) -> None:
        super().__init__(Is(value=None))

    def __call__(self, path: Path) -> Predicate:
        return Or((Field(path, self._test), AnyElement(path, Field((), self._test))))


def parse_json_filter(inside: str) -> Predicate:
    """Return the predicate of what stands between a JSON filter pattern's braces. Raises InvalidFilterPattern."""
    pieces = list(lexemes(inside))
    if sum(piece.kind == "expression" for piece in pieces) > MAX_EXPRESSIONS:
        raise InvalidFilterPattern(
            f"Your input has exceeded the maximum of {MAX_EXPRESSIONS} regular expressions per filter pattern."
        )
    reader = _Reader(pieces)
    predicate = reader.disjunction()
    reader.end()
    return predicate


def parse_selector(spelled: str) -> Selector:
    """Return the place that ``$.a.b[0]`` names. Raises InvalidFilterPattern."""
    if not spelled.startswith("$."):
        raise invalid_term(spelled[:2])
    steps: list[str | int | None] = []
    for found in _STEPS.finditer(spelled, 1):
        quoted, member, name, element, index = found.groups()
        if member or element:
            steps.append(None)
        elif index is not None:
            steps.append(int(index))
        else:
            steps.append(name if quoted is None else quoted)
    if steps.count(None) > 1:
        raise InvalidFilterPattern(
            "Your filter pattern has a JSON path selector that exceeds the maximum of 1 wildcard allowed per json "
            "selector."
        )
    place = steps.index(None) if None in steps else len(steps)
    holder = tuple(step for step in steps[:place] if step is not None)
    rest = tuple(step for step in steps[place + 1 :] if step is not None)
    return Selector(holder, rest if None in steps else None)


class _Reader:
    """Recursive descent over the lexemes: ``||`` binds least, then ``&&``, then parentheses and tests."""

    def __init__(self, pieces: Sequence[Lexeme]) -> None:
        self._pieces = pieces
        self._place = 0
        self._depth = 0

    def end(self) -> None:
        if self._place < len(self._pieces):
            raise InvalidFilterPattern(GENERIC)

    def disjunction(self) -> Predicate:
        parts = [self._conjunction()]
        while self._takes("||"):
            parts.append(self._conjunction())
        return any_of(parts)

    def _conjunction(self) -> Predicate:
        parts = [self._unit()]
        while self._takes("&&"):
            parts.append(self._unit())
        return all_of(parts)

    def _unit(self) -> Predicate:
        if not self._takes("("):
            return self._test()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidFilterPattern(GENERIC)
        inner = self.disjunction()
        if not self._takes(")"):
            raise InvalidFilterPattern(GENERIC)
        self._depth -= 1
        return inner

    def _test(self) -> Predicate:
        piece = self._next()
        if piece.kind != "selector":
            raise InvalidFilterPattern(GENERIC)
        selector = parse_selector(piece.text)
        operator = self._next()
        match operator.text.lower() if operator.kind == "word" else operator.text:
            case "is":
                return self._literal(selector)
            case "not":
                self._expect_word("exists")
                return Not(_exists(selector))
            case "=":
                return selector.at(_Make(equality(self._next())))
            case "!=":
                operand = self._next()
                comparable = _ORDERED if operand.kind == "number" else _COMPARABLE
                return _differs(selector, equality(operand), comparable)
            case "<" | "<=" | ">" | ">=" as symbol:
                return selector.at(_Make(ordering(symbol, self._next())))
        raise InvalidFilterPattern(GENERIC)

    def _literal(self, selector: Selector) -> Predicate:
        piece = self._next()
        word = piece.text.lower()
        if piece.kind != "word" or word not in _LITERALS:
            raise invalid_term(piece.text)
        is_entered = word == "null" and selector.rest is None
        return selector.at(_MakeNull() if is_entered else _Make(Is(_LITERALS[word])))

    def _expect_word(self, word: str) -> None:
        piece = self._next()
        if piece.text.lower() != word:
            raise invalid_term(piece.text)

    def _takes(self, symbol: str) -> bool:
        if self._place < len(self._pieces) and self._pieces[self._place] == Lexeme("symbol", symbol):
            self._place += 1
            return True
        return False

    def _next(self) -> Lexeme:
        if self._place >= len(self._pieces):
            raise InvalidFilterPattern(GENERIC)
        self._place += 1
        return self._pieces[self._place - 1]


def _exists(selector: Selector) -> Predicate:
    return exists(selector.holder) if selector.rest is None else AnyChild(selector.holder, exists(selector.rest))


def _differs(selector: Selector, equal: Test, comparable: Test) -> Predicate:
    if selector.rest is None:
        return Field(selector.holder, AllTests((comparable, NoTest(equal))))
    return And((exists(selector.holder), Not(AnyChild(selector.holder, Field(selector.rest, equal)))))
