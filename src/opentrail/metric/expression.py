"""Metric math: an expression over time series, read and worked out (reference: CloudWatch's metric math).

Here are arithmetic, comparisons, AND and OR, and the functions ABS, AVG, CEIL, FILL, FLOOR, IF, MAX, METRICS, MIN and
SUM; others are refused by name. A series holds values by the first second of a period; an operation of two series is
made where both have a value.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite

MAX_CHARACTERS = 2048
MAX_DEPTH = 50

Series = Mapping[int, float]
Value = float | Series | Sequence[Series]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r'|(?P<text>"[^"]*"|\'[^\']*\')|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]]))'
)
_COMPARING: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FILLS = ("REPEAT", "LINEAR")


class InvalidExpression(ValueError):
    """An expression that cannot be read or worked out; the message says why."""


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str
    text: str = ""
    parts: "tuple[_Node, ...]" = ()


@dataclass(frozen=True, slots=True)
class Span:
    """The periods that a query is about: from ``start`` to before ``end``, of ``period`` seconds each."""

    start: int
    end: int
    period: int

    def times(self) -> range:
        return range(self.start, self.end, self.period)


@dataclass(frozen=True, slots=True)
class Expression:
    """A metric math expression, read."""

    text: str
    root: _Node

    def names(self) -> frozenset[str]:
        """Return the ids of the queries that it names."""
        return frozenset(_names(self.root))

    @property
    def names_all(self) -> bool:
        """Say whether it is about all metrics of the request (METRICS())."""
        return "METRICS" in self.text

    def evaluate(self, series: Mapping[str, Series], metrics: Sequence[tuple[str, Series]], span: Span) -> list[Series]:
        """Return the time series that it makes: of ``series`` by id, ``metrics`` being those that METRICS() gives.

        A number becomes one value in every period. Raises InvalidExpression.
        """
        found = _Work(series, metrics, span).value(self.root)
        if isinstance(found, float):
            return [dict.fromkeys(span.times(), found)]
        return [found] if isinstance(found, Mapping) else list(found)


def read_expression(text: str) -> Expression:
    """Read an expression. Raises InvalidExpression."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidExpression(f"the expression is longer than {MAX_CHARACTERS} characters")
    reader = _Reader(_tokens(text))
    root = reader.either(0)
    if reader.peek() != ("end", ""):
        raise InvalidExpression(f"unexpected '{reader.peek()[1]}'")
    return Expression(text, root)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while place < len(text.rstrip()):
        token = _TOKEN.match(text, place)
        if token is None or token.lastgroup is None:
            raise InvalidExpression(f"unexpected '{text[place:].strip()[:20]}'")
        found.append((token.lastgroup, token[token.lastgroup]))
        place = token.end()
    return [*found, ("end", "")]


class _Reader:
    """Precedence, lowest first: OR, AND, comparisons, + -, * /, unary -, ^."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._place]

    def _take(self) -> tuple[str, str]:
        token = self.peek()
        self._place += token[0] != "end"
        return token

    def _accept(self, *signs: str) -> str:
        kind, text = self.peek()
        folded = text.upper() if kind == "name" else text
        if kind in ("sign", "name") and folded in signs:
            self._take()
            return folded
        return ""

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise InvalidExpression(f"'{sign}' is missing")

    def either(self, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise InvalidExpression("the expression is nested too deep")
        left = self._both(depth)
        while self._accept("OR", "||"):
            left = _Node("or", "", (left, self._both(depth)))
        return left

    def _both(self, depth: int) -> _Node:
        left = self._compared(depth)
        while self._accept("AND", "&&"):
            left = _Node("and", "", (left, self._compared(depth)))
        return left

    def _compared(self, depth: int) -> _Node:
        left = self._sum(depth)
        while sign := self._accept(*_COMPARING):
            left = _Node("compare", sign, (left, self._sum(depth)))
        return left

    def _sum(self, depth: int) -> _Node:
        left = self._product(depth)
        while sign := self._accept("+", "-"):
            left = _Node("arithmetic", sign, (left, self._product(depth)))
        return left

    def _product(self, depth: int) -> _Node:
        left = self._signed(depth)
        while sign := self._accept("*", "/"):
            left = _Node("arithmetic", sign, (left, self._signed(depth)))
        return left

    def _signed(self, depth: int) -> _Node:
        if self._accept("-"):
            if depth > MAX_DEPTH:
                raise InvalidExpression("the expression is nested too deep")
            return _Node("arithmetic", "-", (_Node("number", "0"), self._signed(depth + 1)))
        left = self._term(depth)
        if self._accept("^"):
            return _Node("arithmetic", "^", (left, self._signed(depth + 1)))
        return left

    def _term(self, depth: int) -> _Node:
        kind, text = self._take()
        if kind == "number":
            return _Node("number", text)
        if text in ("(", "["):
            if text == "[":
                return _Node("array", "", self._list("]", depth))
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        if kind == "text":
            return _Node("text", text[1:-1])
        if kind != "name":
            raise InvalidExpression(f"unexpected '{text}'" if text else "the expression ends too early")
        if not self._accept("("):
            return _Node("id", text) if text not in _FILLS else _Node("word", text)
        name = text.upper()
        if name not in _FUNCTIONS:
            raise InvalidExpression(f"the function {text} is not supported")
        return _Node("call", name, self._list(")", depth))

    def _list(self, close: str, depth: int) -> tuple[_Node, ...]:
        parts: list[_Node] = []
        if self._accept(close):
            return ()
        while True:
            parts.append(self.either(depth + 1))
            if self._accept(close):
                return tuple(parts)
            self._expect(",")


def _names(node: _Node) -> Iterable[str]:
    if node.kind == "id":
        yield node.text
    for part in node.parts:
        yield from _names(part)


@dataclass(frozen=True, slots=True)
class _Work:
    series: Mapping[str, Series]
    metrics: Sequence[tuple[str, Series]]
    span: Span

    def value(self, node: _Node) -> Value:
        match node.kind:
            case "number":
                return float(node.text)
            case "id":
                if node.text not in self.series:
                    raise InvalidExpression(f"{node.text} is the id of no query")
                return self.series[node.text]
            case "call":
                return _FUNCTIONS[node.text](self, node.parts)
            case "array":
                return [one for part in node.parts for one in _all(self.value(part))]
            case "text" | "word":
                raise InvalidExpression(f"unexpected '{node.text}'")
        left, right = map(self.value, node.parts)
        return self.combined(node, left, right)

    def combined(self, node: _Node, left: Value, right: Value) -> Value:
        """Return an operation of two values, element by element."""
        if not isinstance(left, float | Mapping):
            return [one for each in left for one in _all(self.combined(node, each, right))]
        if not isinstance(right, float | Mapping):
            return [one for each in right for one in _all(self.combined(node, left, each))]
        if isinstance(left, float) and isinstance(right, float):
            made = _operate(node, left, right)
            if made is None:
                raise InvalidExpression("a constant part has no value")
            return made
        times = _times(left, right)
        values = ((time, _operate(node, _at(left, time), _at(right, time))) for time in times)
        return {time: value for time, value in values if value is not None}

    def chosen(self, parts: Sequence[_Node]) -> Value:
        """IF(condition, then, else): the else may be left out, and then nothing stands there."""
        if len(parts) not in (2, 3):
            raise InvalidExpression("IF takes two or three arguments")
        condition, then = _one(self.value(parts[0])), _one(self.value(parts[1]))
        other: float | Series = _one(self.value(parts[2])) if len(parts) == 3 else {}
        if isinstance(condition, float):
            return then if condition else other
        found: dict[int, float] = {}
        for time, value in condition.items():
            branch = then if value else other
            if isinstance(branch, float) or time in branch:
                found[time] = _at(branch, time)
        return found

    def filled(self, parts: Sequence[_Node]) -> Value:
        """FILL(series, number or series or REPEAT or LINEAR) over the periods of the query."""
        if len(parts) != 2:
            raise InvalidExpression("FILL takes two arguments")
        given = self.value(parts[0])
        if isinstance(given, float):
            raise InvalidExpression("FILL takes a time series")
        filling = parts[1].text if parts[1].kind == "word" else _one(self.value(parts[1]))
        filled = [_filled(series, filling, self.span) for series in _all(given)]
        return filled[0] if isinstance(given, Mapping) else filled

    def reduced(self, parts: Sequence[_Node], reduce: Callable[[Sequence[float]], float]) -> Value:
        """SUM and its like: of one series a number, of several a series."""
        if len(parts) != 1:
            raise InvalidExpression("SUM, AVG, MIN and MAX take one argument")
        given = self.value(parts[0])
        if isinstance(given, float):
            return given
        if isinstance(given, Mapping):
            return reduce(list(given.values())) if given else {}
        times = sorted({time for series in given for time in series})
        return {time: reduce([series[time] for series in given if time in series]) for time in times}

    def mapped(self, parts: Sequence[_Node], function: Callable[[float], float]) -> Value:
        if len(parts) != 1:
            raise InvalidExpression("ABS, CEIL and FLOOR take one argument")
        given = self.value(parts[0])
        if isinstance(given, float):
            return function(given)
        mapped = [{time: function(value) for time, value in series.items()} for series in _all(given)]
        return mapped[0] if isinstance(given, Mapping) else mapped

    def all_metrics(self, parts: Sequence[_Node]) -> Value:
        """METRICS() or METRICS("text in the id")."""
        if len(parts) > 1 or any(part.kind != "text" for part in parts):
            raise InvalidExpression("METRICS takes nothing or a text")
        wanted = parts[0].text if parts else ""
        return [series for name, series in self.metrics if wanted in name]


def _operate(node: _Node, left: float, right: float) -> float | None:
    """Return an operation of two numbers, None where there is none (a division by zero, an overflow)."""
    match node.kind:
        case "and":
            return float(bool(left) and bool(right))
        case "or":
            return float(bool(left) or bool(right))
        case "compare":
            return float(_COMPARING[node.text](left, right))
    try:
        made = _ARITHMETIC[node.text](left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return made if isinstance(made, float) and isfinite(made) else None


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}


def _filled(series: Series, filling: str | float | Series, span: Span) -> Series:
    if isinstance(filling, float | Mapping):
        rest = {time: _at(filling, time) for time in span.times() if isinstance(filling, float) or time in filling}
        return rest | dict(series)
    known = sorted(series)
    found: dict[int, float] = {}
    for time in span.times():
        before = max((each for each in known if each <= time), default=None)
        after = min((each for each in known if each >= time), default=None)
        if before is None or (after is None and filling == "LINEAR"):
            continue
        if filling == "REPEAT" or after is None or after == before:
            found[time] = series[before]
        else:
            found[time] = series[before] + (series[after] - series[before]) * (time - before) / (after - before)
    return found


def _all(value: Value) -> Sequence[Series]:
    if isinstance(value, float):
        raise InvalidExpression("a number stands where a time series must")
    return [value] if isinstance(value, Mapping) else value


def _one(value: Value) -> float | Series:
    if isinstance(value, float | Mapping):
        return value
    raise InvalidExpression("several time series stand where one must")


def _times(left: float | Series, right: float | Series) -> Iterable[int]:
    if isinstance(left, float):
        return right if not isinstance(right, float) else ()
    return left if isinstance(right, float) else (time for time in left if time in right)


def _at(value: float | Series, time: int) -> float:
    return value if isinstance(value, float) else value[time]


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_FUNCTIONS: Mapping[str, Callable[[_Work, Sequence[_Node]], Value]] = {
    "ABS": lambda work, parts: work.mapped(parts, abs),
    "AVG": lambda work, parts: work.reduced(parts, _average),
    "CEIL": lambda work, parts: work.mapped(parts, lambda value: float(ceil(value))),
    "FILL": _Work.filled,
    "FLOOR": lambda work, parts: work.mapped(parts, lambda value: float(floor(value))),
    "IF": _Work.chosen,
    "MAX": lambda work, parts: work.reduced(parts, max),
    "METRICS": _Work.all_metrics,
    "MIN": lambda work, parts: work.reduced(parts, min),
    "SUM": lambda work, parts: work.reduced(parts, sum),
}
