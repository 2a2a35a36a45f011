"""Expressions: or, and, not, comparisons, sums, products, powers, signs, then names, literals and calls.

Each function reads one level of precedence and asks the next one for its operands.
"""

import math
import re
from collections.abc import Callable

from opentrail.logsql.errors import MalformedQuery
from opentrail.logsql.syntax import (
    Duration,
    Expression,
    Field,
    Function,
    Membership,
    Number,
    Operation,
    Regex,
    Span,
    Text,
)
from opentrail.logsql.tokens import Token, TokenKind, Tokens

MAX_DEPTH = 40
"""How deep expressions may be in one another."""

MAX_TERMS = 100
"""Terms of one sum, or factors of one product."""

MAX_OPTIONS = 1_000
"""Values of one list behind ``in``."""

_UNITS = {
    **dict.fromkeys(("ms", "msec"), "ms"),
    **dict.fromkeys(("s", "sec"), "s"),
    **dict.fromkeys(("m", "min"), "m"),
    **dict.fromkeys(("h", "hr"), "h"),
    "d": "d",
    "w": "w",
    **dict.fromkeys(("mo", "mon"), "mo"),
    **dict.fromkeys(("q", "qtr"), "q"),
    **dict.fromkeys(("y", "yr"), "y"),
}
_MAX_COUNT = 1_000_000
_DURATION = re.compile(r"(\d+)([a-z]+)", re.ASCII)
_COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
RESERVED = frozenset({"and", "or", "not", "in", "like", "as", "by", "asc", "desc"})
"""Words that are no field's name unless they stand in backticks."""


class ExpressionParser:
    """Reads expressions off ``tokens``. Raises MalformedQuery."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._depth = 0

    def expression(self) -> Expression:
        """Read one expression."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            token = self.tokens.peek()
            raise MalformedQuery(f"expressions are more than {MAX_DEPTH} deep in one another", token.start, token.end)
        found = self._chain("or", lambda: self._chain("and", self._negation))
        self._depth -= 1
        return found

    def is_word(self, *words: str) -> bool:
        """Say whether one of ``words`` stands next."""
        token = self.tokens.peek()
        return token.kind is TokenKind.NAME and not token.is_quoted and token.value.lower() in words

    def is_symbol(self, *symbols: str) -> bool:
        """Say whether one of ``symbols`` stands next."""
        token = self.tokens.peek()
        return token.kind is TokenKind.SYMBOL and token.value in symbols

    def take_symbol(self, symbol: str) -> Token:
        """Go past ``symbol``, which must stand next."""
        if not self.is_symbol(symbol):
            raise self.tokens.unexpected(self.tokens.peek())
        return self.tokens.next()

    def field(self) -> Field:
        """Read a field's name."""
        token = self.tokens.next()
        if token.kind is not TokenKind.NAME or (token.value.lower() in RESERVED and not token.is_quoted):
            raise self.tokens.unexpected(token)
        return Field(token.value, token.segments, Span(token.start, token.end))

    def _chain(self, word: str, operand: Callable[[], Expression]) -> Expression:
        found = [operand()]
        while self.is_word(word):
            self.tokens.next()
            found.append(operand())
        return found[0] if len(found) == 1 else self._operation(word, *found)

    def _operation(self, operator: str, *operands: Expression) -> Operation:
        return Operation(operator, operands, Span(operands[0].span.start, self.tokens.last_end))

    def _negation(self) -> Expression:
        count, start = 0, self.tokens.peek().start
        while self.is_word("not"):
            self.tokens.next()
            count += 1
        found = self._comparison()
        return Operation("not", (found,), Span(start, self.tokens.last_end)) if count % 2 else found

    def _comparison(self) -> Expression:
        left = self._sum()
        token = self.tokens.peek()
        if token.kind is TokenKind.SYMBOL and token.value in _COMPARISONS:
            self.tokens.next()
            return self._operation(token.value, left, self._sum())
        if self.is_symbol("=~"):
            self.tokens.next()
            return self._operation("like", left, self._regex_or_text())
        is_negated = self.is_word("not")
        if is_negated:
            self.tokens.next()
            if not self.is_word("like", "in"):
                raise self.tokens.unexpected(self.tokens.peek())
        if self.is_word("like"):
            self.tokens.next()
            found: Expression = self._operation("like", left, self._regex_or_text())
        elif self.is_word("in"):
            self.tokens.next()
            options = self._options()
            found = Membership(left, options, Span(left.span.start, self.tokens.last_end))
        else:
            return left
        return Operation("not", (found,), found.span) if is_negated else found

    def _regex_or_text(self) -> Expression:
        return self.take_regex() or self._sum()

    def take_regex(self) -> Regex | None:
        """Read a regular expression where one stands next."""
        token = self.tokens.take_regex()
        return None if token is None else Regex(token.value, Span(token.start, token.end))

    def _options(self) -> tuple[Expression, ...]:
        self.take_symbol("[")
        options = [self._sum()]
        while self.is_symbol(","):
            self.tokens.next()
            options.append(self._sum())
        closed = self.take_symbol("]")
        if len(options) > MAX_OPTIONS:
            raise MalformedQuery(f"a list has more than {MAX_OPTIONS} values", options[0].span.start, closed.end)
        return tuple(options)

    def _sum(self) -> Expression:
        return self._binary(("+", "-"), self._product)

    def _product(self) -> Expression:
        return self._binary(("*", "/", "%"), self._power)

    def _power(self) -> Expression:
        return self._binary(("^",), self._sign)

    def _binary(self, symbols: tuple[str, ...], operand: Callable[[], Expression]) -> Expression:
        found = operand()
        for _ in range(MAX_TERMS):
            if not self.is_symbol(*symbols):
                return found
            operator = self.tokens.next().value
            found = self._operation(operator, found, operand())
        raise MalformedQuery(f"an expression has more than {MAX_TERMS} terms", found.span.start, found.span.end)

    def _sign(self) -> Expression:
        if not self.is_symbol("-", "+"):
            return self._primary()
        sign = self.tokens.next()
        found = self._primary()
        span = Span(sign.start, self.tokens.last_end)
        if isinstance(found, Number):
            return Number(-found.value if sign.value == "-" else found.value, span)
        return Operation("neg", (found,), span) if sign.value == "-" else found

    def _primary(self) -> Expression:
        token = self.tokens.peek()
        span = Span(token.start, token.end)
        if token.kind is TokenKind.NAME:
            return self.field_or_call()
        self.tokens.next()
        if token.kind is TokenKind.TEXT:
            return Text(token.value, span)
        if token.kind is TokenKind.NUMBER:
            return Number(self._number(token), span)
        if token.kind is TokenKind.DURATION:
            return self._duration(token)
        if token.value == "(" and token.kind is TokenKind.SYMBOL:
            found = self.expression()
            self.take_symbol(")")
            return found
        raise self.tokens.unexpected(token)

    def _number(self, token: Token) -> float:
        value = float(token.value)
        if not math.isfinite(value):
            raise MalformedQuery("the number is too large", token.start, token.end)
        return value

    def _duration(self, token: Token) -> Duration:
        found = _DURATION.fullmatch(token.value.lower())
        unit = _UNITS.get(found[2]) if found else None
        if found is None or unit is None or not 0 < int(found[1]) <= _MAX_COUNT:
            raise self.tokens.unexpected(token)
        return Duration(int(found[1]), unit, Span(token.start, token.end))

    def field_or_call(self) -> Expression:
        """Read a name, or a function's call."""
        field = self.field()
        if not self.is_symbol("(") or len(field.segments) > 1:
            return field
        self.tokens.next()
        name, arguments, is_star = field.name.lower(), list[Expression](), False
        if self.is_symbol("*") and name == "count":
            self.tokens.next()
            is_star = True
        elif not self.is_symbol(")"):
            arguments.append(self.expression())
            while self.is_symbol(","):
                self.tokens.next()
                arguments.append(self.expression())
        closed = self.take_symbol(")")
        return Function(name, tuple(arguments), Span(field.span.start, closed.end), is_star)
