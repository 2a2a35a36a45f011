"""What CloudWatch Logs compares with in filter patterns: words, quoted texts, numbers, regular expressions.

Shared by the JSON and the space-delimited grammar: the lexer, and the tests that an operand means. A ``*`` at either
end of a text is a wildcard, one strictly inside is itself.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.value_matcher import InvalidExpression, compile_expression
from opentrail.pattern.values import (
    NOTHING,
    Compare,
    CompareInteger,
    Contains,
    EndsWith,
    NumbersAsText,
    OfKind,
    Operator,
    Search,
    SomeTest,
    StartsWith,
    Test,
    text_in,
)

MAX_EXPRESSIONS = 2
"""Regular expressions of one filter pattern."""

GENERIC = "Invalid metric filter pattern"

TokenKind = Literal["selector", "string", "expression", "number", "word", "symbol"]

_MAX_EXPONENT = 2**31 - 1
"""A number beyond a double equals only itself as a text; one beyond this exponent is no number."""

_EXPRESSION_CHARACTERS = re.compile(r"[A-Za-z0-9:_#=@/;,\- ^$?\[\]{}|\\*+.]")
_EXPRESSION_ESCAPES = re.compile(r"\\(?:[dDsSwW]|x[0-9A-Fa-f]{2}|[:_#=@/;,\- ^$?\[\]{}|\\*+.])")
_POSSESSIVE = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\+")
_DIGITS_THEN_LETTERS = re.compile(r"\d+[^\W\d]", re.ASCII)
_LEXEMES = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<selector>\$(?:\.(?:\*|\['[^']*'\]|[\w-]+)|\[(?:\d+|\*)\])+)
    | (?P<string>"(?:\\.|[^"\\])*")
    | (?P<expression>%[^%]*%)
    | (?P<symbol>&&|\|\||!=|<=|>=|[=<>(),])
    | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.*]))
    | (?P<word>\.\.\.|[+-]?[\w.*]+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A piece of a filter pattern, as spelled."""

    kind: TokenKind
    text: str


def lexemes(text: str) -> Iterator[Lexeme]:
    """Yield the pieces of the inside of a filter pattern's braces or brackets. Raises InvalidFilterPattern."""
    place = 0
    while place < len(text):
        found = _LEXEMES.match(text, place)
        if found is None:
            raise invalid_term(_lexeme_at(text, place))
        place = found.end()
        kind, spelled = found.lastgroup, found.group()
        if kind == "space":
            continue
        if kind == "word" and (spelled[0] in "+-" or _DIGITS_THEN_LETTERS.match(spelled)):
            raise invalid_term(spelled)
        yield Lexeme(kind, spelled)  # type: ignore[arg-type]  # the groups are the kinds


def _lexeme_at(text: str, place: int) -> str:
    """Return the part that CloudWatch Logs would name: what stands together with the first impossible character."""
    if text.startswith("$[", place):
        return "$["
    if text[place] in "$[%":
        found = re.compile(r"\$\s|[^\s\w]+").match(text, place)
        return found.group() if found else text[place]
    return text[place]


def invalid_term(spelled: str) -> InvalidFilterPattern:
    """Return the refusal of a term."""
    return InvalidFilterPattern(f"Invalid character(s) in term '{spelled}'")


def equality(lexeme: Lexeme) -> Test:
    """Return what ``= operand`` asks of a JSON value. Raises InvalidFilterPattern."""
    match lexeme.kind:
        case "number":
            return _number_equality(lexeme.text)
        case "string":
            return _text_equality(unquoted(lexeme.text))
        case "word":
            return _word_equality(lexeme.text)
        case "expression":
            return NumbersAsText(Search(checked_expression(lexeme.text[1:-1])))
    raise InvalidFilterPattern(GENERIC)


def ordering(symbol: Operator, lexeme: Lexeme) -> Test:
    """Return what ``< operand`` and the like ask: a JSON number that compares so. Raises InvalidFilterPattern."""
    if lexeme.kind == "string":
        raise invalid_term(lexeme.text)
    if lexeme.kind != "number":
        raise InvalidFilterPattern(GENERIC)
    return _comparison(symbol, lexeme.text)


def unquoted(text: str) -> str:
    """Return a quoted text's value."""
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def checked_expression(expression: str) -> str:
    """Return a regular expression that CloudWatch Logs takes. Raises InvalidFilterPattern."""
    if not expression:
        raise invalid_term("%%")
    place = 0
    while place < len(expression):
        escape = _EXPRESSION_ESCAPES.match(expression, place)
        if escape is None and expression[place] == "\\":
            raise _bad_escape(expression, place)
        if not _EXPRESSION_CHARACTERS.match(expression, place):
            raise invalid_term(f"%{expression[: place + 1]}")
        place = escape.end() if escape else place + 1
    try:
        compile_expression(expression)
    except InvalidExpression as error:
        raise InvalidFilterPattern("Failed to compile regular expression.") from error
    if _POSSESSIVE.search(_EXPRESSION_ESCAPES.sub("x", expression)):
        raise InvalidFilterPattern("Failed to compile regular expression.")
    return expression


def _bad_escape(expression: str, place: int) -> InvalidFilterPattern:
    """Return the refusal of a backslash: before a letter or digit no escape, before a symbol no term."""
    escaped = expression[place + 1 : place + 2]
    if escaped.isascii() and escaped.isalnum():
        return InvalidFilterPattern("Failed to compile regular expression.")
    return invalid_term(f"%{expression[: place + 2]}")


def _word_equality(word: str) -> Test:
    if word.lower() == "null":
        raise InvalidFilterPattern(GENERIC)
    return _text_equality(word)


def _text_equality(text: str) -> Test:
    if text == "*":
        return OfKind(frozenset(("string", "number")))
    starts_open, ends_open = text.startswith("*"), text.endswith("*")
    if starts_open and ends_open:
        return NumbersAsText(Contains((text[1:-1],)))
    if ends_open:
        return NumbersAsText(StartsWith((text[:-1],)))
    if starts_open:
        return NumbersAsText(EndsWith((text[1:],)))
    return NumbersAsText(text_in(text))


def _number_equality(text: str) -> Test:
    if math.isinf(float(text)) and abs(int(text.lower().partition("e")[2] or 0)) <= _MAX_EXPONENT:
        return text_in(text)
    number = _comparison("=", text)
    return number if number is NOTHING else SomeTest((number, text_in(text)))


def _comparison(symbol: Operator, text: str) -> Test:
    try:
        return CompareInteger(symbol, int(text))
    except ValueError:
        bound = float(text)
    if math.isinf(bound):
        raise InvalidFilterPattern(GENERIC)
    is_lost = bound == 0 and any(digit in text.lower().partition("e")[0] for digit in "123456789")
    return NOTHING if is_lost and symbol == "=" else Compare(symbol, bound)
