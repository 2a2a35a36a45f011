"""Expressions as SQL of the engine."""

from collections.abc import Sequence
from datetime import datetime

from opentrail.logsql import aggregates
from opentrail.logsql.errors import MalformedQuery
from opentrail.logsql.functions import FUNCTIONS
from opentrail.logsql.literals import quoted_text
from opentrail.logsql.patterns import read_expression
from opentrail.logsql.periods import rounded
from opentrail.logsql.scope import PLACE, Scope
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
from opentrail.logsql.values import (
    Kind,
    Value,
    condition_value,
    equal,
    negated,
    number_literal,
    number_value,
    ordered,
    text_literal,
)

_ARITHMETIC = {
    "+": "({} + {})",
    "-": "({} - {})",
    "*": "({} * {})",
    "/": "({} / nullif({}, 0))",
    "%": "fmod({}, nullif({}, 0))",
    "^": "pow({}, {})",
}
_PERIODS = {"bin": (0, 1), "datefloor": (1, 2), "dateceil": (1, 2)}
"""Functions that take a period, with how many arguments stand before it at least and one more than at most."""

MAX_STATEMENT_CHARACTERS = 200_000
"""Of the SQL of one expression: values that are named several times grow with each level."""


class Expressions:
    """Compiles expressions at one place of a query. Raises MalformedQuery."""

    def __init__(self, text: str, scope: Scope, now: datetime, *, is_grouping: bool = False) -> None:
        self._text = text
        self._scope = scope
        self._now = now
        self._is_grouping = is_grouping
        self._is_inside = False

    def compile(self, expression: Expression) -> Value:
        """Return an expression's value."""
        value = self._compile(expression)
        if len(value.sql) > MAX_STATEMENT_CHARACTERS:
            raise _error("the expression is too complex", expression.span)
        return value

    def _compile(self, expression: Expression) -> Value:
        match expression:
            case Text(value):
                return text_literal(value)
            case Number(value):
                return number_literal(value)
            case Field():
                return self._field(expression)
            case Function():
                return self._call(expression)
            case Operation():
                return self._operation(expression)
            case Membership(operand, options, _):
                return self._membership(operand, options)
            case Duration() | Regex():
                raise _error("a period or a regular expression cannot stand here", expression.span)

    def _field(self, field: Field) -> Value:
        if self._is_grouping and not self._is_inside:
            raise _error(f"the field {field.name} is in no aggregate function", field.span)
        return self._scope.find(field)

    def _membership(self, operand: Expression, options: Sequence[Expression]) -> Value:
        value = self.compile(operand)
        if len(value.sql) * len(options) > MAX_STATEMENT_CHARACTERS:
            raise _error("the expression is too complex", operand.span)
        tests = [equal(value, self.compile(option)).sql for option in options]
        return condition_value(f"({' OR '.join(tests)})")

    def _operation(self, operation: Operation) -> Value:
        operator, operands = operation.operator, operation.operands
        if operator == "like":
            return self._like(*operands)
        values = [self.compile(operand) for operand in operands]
        if operator == "not":
            return negated(values[0])
        if operator in ("and", "or"):
            joined = f" {operator.upper()} ".join(value.condition for value in values)
            return Value(f"({joined})", Kind.CONDITION)
        if operator == "neg":
            return number_value(f"(-{values[0].number})")
        if operator == "=":
            return equal(*values)
        if operator == "!=":
            return negated(equal(*values))
        if operator in _ARITHMETIC:
            return number_value(_ARITHMETIC[operator].format(*(value.number for value in values)))
        return ordered(operator, *values)

    def _like(self, left: Expression, pattern: Expression) -> Value:
        value = self.compile(left)
        if isinstance(pattern, Regex):
            expression, _ = read_expression(pattern.value, pattern.span)
            return condition_value(f"regexp_matches({value.text}, {quoted_text(expression)})")
        return condition_value(f"contains({value.text}, {self.compile(pattern).text})")

    def _call(self, call: Function) -> Value:
        label = self._text[call.span.start : call.span.end]
        if label in self._scope.made:
            return self._scope.made[label]
        if call.name in aggregates.NAMES:
            return self._aggregate(call)
        if call.name == "now":
            self._expect(call, 0, 0)
            return number_literal(float(int(self._now.timestamp())))
        if call.name in _PERIODS:
            return self._rounded(call)
        if call.name not in FUNCTIONS:
            raise _error(f"unknown function {call.name}", call.span)
        function = FUNCTIONS[call.name]
        self._expect(call, function.least, function.most)
        return function.build([self.compile(argument) for argument in call.arguments])

    def _expect(self, call: Function, least: int, most: int) -> None:
        count = len(call.arguments)
        if not least <= count <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise _error(f"{call.name} takes {wanted} argument(s), not {count}", call.span)

    def _rounded(self, call: Function) -> Value:
        least, most = _PERIODS[call.name]
        self._expect(call, least + 1, most + (call.name == "bin"))
        period = call.arguments[-1]
        if not isinstance(period, Duration):
            raise _error(f"{call.name} takes a period such as 5m or 1d", period.span)
        time = Field("@timestamp", ("@timestamp",), call.span)
        moment = self.compile(call.arguments[0]) if len(call.arguments) == 2 else self._field(time)
        return rounded(moment, period, is_up=call.name == "dateceil")

    def _aggregate(self, call: Function) -> Value:
        if not self._is_grouping or self._is_inside:
            raise _error(f"the aggregate function {call.name} can stand in stats alone, not in another one", call.span)
        self._is_inside = True
        try:
            given = [self.compile(argument) for argument in call.arguments]
        finally:
            self._is_inside = False
        if call.name in ("earliest", "latest") and self._scope.is_grouped:
            raise _error(f"{call.name} needs @timestamp, which stats left out", call.span)
        return aggregates.aggregate(call, given, PLACE)


def _error(message: str, span: Span) -> MalformedQuery:
    return MalformedQuery(message, span.start, span.end)
