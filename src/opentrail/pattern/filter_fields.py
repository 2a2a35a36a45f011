"""Space-delimited filter patterns: ``[ip, user, ..., status >= 400, size]``, over a message cut into fields.

The view of a message is the list of its fields, each an object with its ``text`` and, where the text is a number, the
``number``. Quotes and brackets around a field hold it together and are taken off.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.filter_operands import (
    GENERIC,
    MAX_EXPRESSIONS,
    Lexeme,
    checked_expression,
    lexemes,
    ordering,
    unquoted,
)
from opentrail.pattern.ir import Field, Not, Or, Predicate, all_of, any_of
from opentrail.pattern.values import ANYTHING, Compare, Contains, EndsWith, Operator, Search, StartsWith, Test, text_in

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_TOKEN = re.compile(r'"([^"]*)"|\[([^\]]*)\]|(\S+)')
_SPACE = re.compile(r"\s*")
_REST = "..."

_COMPARISONS: dict[str, Operator] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """How a message is cut: the fields' names, in order, before and after ``...`` (None: there is none)."""

    before: tuple[str, ...]
    after: tuple[str, ...] | None

    def cut(self, message: str) -> list[tuple[str, str]] | None:
        """Return the message's fields as name (``$name`` or ``$position``) and text, None when it has too few."""
        if self.after is None:
            texts = _cut_remainder(message, len(self.before)) if self.before else _cut_all(message)
            names: Sequence[str] = self.before
        else:
            texts = _cut_all(message)
            absorbed = len(texts) - len(self.before) - len(self.after)
            names = (*self.before, *("" for _ in range(absorbed)), *self.after)
            if absorbed < 0:
                return None
        if texts is None:
            return None
        padded = [*names, *("" for _ in texts[len(names) :])]
        return [(f"${name or place}", text) for place, (name, text) in enumerate(zip(padded, texts, strict=True), 1)]

    def view(self, fields: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the fields of the pattern as the predicate sees them, without those that ``...`` took."""
        texts = [text for _, text in fields]
        if self.after is not None:
            texts = texts[: len(self.before)] + texts[len(texts) - len(self.after) :]
        return {"fields": [_view(text) for text in texts]}


def parse_field_filter(inside: str) -> tuple[FieldLayout, Predicate]:
    """Return the layout and the predicate (over the view) of what stands between a pattern's brackets.

    Raises InvalidFilterPattern.
    """
    fields = _split(list(lexemes(inside)))
    names: list[str] = []
    tests: list[Predicate] = []
    rest_at: int | None = None
    for field in fields:
        if [piece.text for piece in field] == [_REST]:
            if rest_at is not None:
                raise InvalidFilterPattern(f"Duplicate field '{_REST}'")
            rest_at = len(names)
            continue
        name, test = _field(field, len(names))
        if name and name in names:
            raise InvalidFilterPattern(f"Duplicate field '{name}'")
        names.append(name)
        tests += [test] if test else []
    if rest_at is None:
        return FieldLayout(tuple(names), None), all_of(tests)
    return FieldLayout(tuple(names[:rest_at]), tuple(names[rest_at:])), all_of(tests)


def _split(pieces: Sequence[Lexeme]) -> list[list[Lexeme]]:
    if sum(piece.kind == "expression" for piece in pieces) > MAX_EXPRESSIONS:
        raise InvalidFilterPattern(
            f"Your input has exceeded the maximum of {MAX_EXPRESSIONS} regular expressions per filter pattern."
        )
    if not pieces:
        return []
    fields: list[list[Lexeme]] = [[]]
    for piece in pieces:
        if piece == Lexeme("symbol", ","):
            fields.append([])
        else:
            fields[-1].append(piece)
    return fields


def _field(pieces: Sequence[Lexeme], place: int) -> tuple[str, Predicate | None]:
    if not pieces:
        return "", None
    name = _name(pieces[0])
    if len(pieces) == 1:
        return name, None
    ways: list[list[Predicate]] = [[]]
    for start in range(0, len(pieces), 4):
        term = pieces[start : start + 3]
        if len(term) < 3:
            raise InvalidFilterPattern(GENERIC)
        if _name(term[0]) != name:
            raise InvalidFilterPattern(
                f"Multiple variables used in a single filter. Var1 : {name}, Var2 : {term[0].text}"
            )
        ways[-1].append(_term(place, term[1].text, term[2]))
        joint = pieces[start + 3 : start + 4]
        if joint and joint[0].text == "||":
            ways.append([])
        elif joint and joint[0].text != "&&":
            raise InvalidFilterPattern(GENERIC)
    if len(pieces) % 4 != 3:
        raise InvalidFilterPattern(GENERIC)
    return name, any_of(all_of(way) for way in ways)


def _name(piece: Lexeme) -> str:
    if piece.kind != "word" or not _NAME.fullmatch(piece.text):
        raise InvalidFilterPattern(GENERIC)
    return piece.text


def _term(place: int, symbol: str, operand: Lexeme) -> Predicate:
    if symbol in ("=", "!="):
        equal = _equality(place, operand)
        return equal if symbol == "=" else Not(equal)
    if symbol in _COMPARISONS and operand.kind != "string":
        return Field(("fields", place, "number"), ordering(_COMPARISONS[symbol], operand))
    raise InvalidFilterPattern(GENERIC)


def _equality(place: int, operand: Lexeme) -> Predicate:
    path = ("fields", place, "text")
    match operand.kind:
        case "number":
            number = Field(("fields", place, "number"), Compare("=", float(operand.text)))
            return Or((number, Field(path, text_in(operand.text))))
        case "string":
            return Field(path, _text_test(unquoted(operand.text)))
        case "word":
            return Field(path, _text_test(operand.text))
        case "expression":
            return Field(path, Search(checked_expression(operand.text[1:-1])))
    raise InvalidFilterPattern(GENERIC)


def _text_test(text: str) -> Test:
    if text == "*":
        return ANYTHING
    if text.startswith("*") and text.endswith("*"):
        return Contains((text[1:-1],))
    if text.endswith("*"):
        return StartsWith((text[:-1],))
    return EndsWith((text[1:],)) if text.startswith("*") else text_in(text)


def _view(text: str) -> dict[str, Any]:
    if not _NUMBER.fullmatch(text):
        return {"text": text}
    try:
        return {"text": text, "number": int(text)}
    except ValueError:
        return {"text": text, "number": float(text)}


def _cut_all(message: str) -> list[str]:
    return [_clean(found) for found in _TOKEN.finditer(message)]


def _cut_remainder(message: str, count: int) -> list[str] | None:
    """Return ``count`` fields, the last of which is all that is left, as it stands; a lone token is cleaned."""
    texts: list[str] = []
    place = 0
    while len(texts) < count - 1:
        found = _TOKEN.search(message, place)
        if found is None:
            return None
        texts.append(_clean(found))
        place = found.end()
    start = _SPACE.match(message, place)
    remainder = message[start.end() if start else place :]
    if not remainder:
        return None
    alone = _TOKEN.fullmatch(remainder.rstrip())
    return [*texts, _clean(alone) if alone else remainder]


def _clean(found: re.Match[str]) -> str:
    quoted, bracketed, plain = found.groups()
    return next(text for text in (quoted, bracketed, plain) if text is not None)
