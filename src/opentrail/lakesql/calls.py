"""Calls of functions: looked up in the allow-list, arguments checked, aggregates with FILTER and OVER around them."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sqlglot import exp

from opentrail.lakesql import casts, operators
from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions import FORMS, Function
from opentrail.lakesql.functions.signature import LambdaForm, Typed
from opentrail.lakesql.scope import Scope
from opentrail.lakesql.text import quoted_text
from opentrail.lakesql.types import (
    BIGINT,
    LAKE_MAP,
    TIMESTAMP_TZ,
    VARCHAR,
    SqlType,
    common_type,
    map_of,
    row,
)

if TYPE_CHECKING:
    from opentrail.lakesql.expressions import Expressions

MAX_ARGUMENTS = 127
"""Trino's own bound."""

SPECIAL_FORMS = ("coalesce", "nullif", "greatest", "least", "try", "typeof", "row", "now", "if", "grouping")
"""Functions whose arguments or results no signature describes."""


class Calls:
    """Emits the calls of one statement."""

    def __init__(self, expressions: "Expressions") -> None:
        self._expressions = expressions
        self._is_in_aggregate = False

    def emit(self, node: exp.Expression, scope: Scope) -> Typed:
        """Return the text of a call, with what FILTER, IGNORE NULLS and OVER say about it."""
        over = filtered = nulls = ""
        call = node
        if isinstance(call, exp.Window):
            over, call = self._over(call, scope), call.this
        if isinstance(call, exp.Filter):
            condition = self._expressions.condition(call.expression.this, scope, "FILTER clause")
            filtered, call = f" FILTER (WHERE {condition})", call.this
        if isinstance(call, exp.IgnoreNulls | exp.RespectNulls):
            nulls, call = (" IGNORE NULLS" if isinstance(call, exp.IgnoreNulls) else ""), call.this
        if isinstance(call, exp.GroupConcat):
            return self._listagg(call, scope, filtered + over)
        if not isinstance(call, exp.Anonymous):
            raise InvalidStatement("FILTER, IGNORE NULLS and OVER belong to a function")
        return self._call(call, scope, nulls, filtered, over)

    def _call(self, node: exp.Anonymous, scope: Scope, nulls: str, filtered: str, over: str) -> Typed:
        name = node.name.lower()
        if name in SPECIAL_FORMS:
            if nulls or filtered or over:
                raise InvalidStatement(f"'{name}' is not a window or aggregate function")
            return self._special(name, node, scope)
        if name not in FORMS:
            raise unknown_function(name)
        if not (FORMS[name][0].is_aggregate or FORMS[name][0].is_window):
            if nulls or filtered or over:
                raise InvalidStatement(f"'{name}' is not a window or aggregate function")
            return call_function(self._expressions, name, self._arguments(name, node.expressions, scope))
        return self._group_call(name, node.expressions, scope, nulls, filtered, over)

    def _arguments(self, name: str, nodes: Sequence[exp.Expression], scope: Scope) -> list[Typed]:
        if len(nodes) > MAX_ARGUMENTS:
            raise InvalidStatement(f"Too many arguments for function call {name}()")
        arguments: list[Typed] = []
        for node in nodes:
            if isinstance(node, exp.Lambda):
                arguments.append(self._lambda(name, node, arguments, len(nodes), scope))
            else:
                arguments.append(self._expressions.emit(node, scope))
        return arguments

    def _lambda(self, name: str, node: exp.Lambda, before: list[Typed], count: int, scope: Scope) -> Typed:
        form = _lambda_form(name, before, count)
        if form is None:
            raise InvalidStatement(f"Function {name} takes no lambda there")
        kinds = form.binds(before)
        names = [part.name.lower() for part in node.expressions]
        if len(names) != len(kinds):
            raise InvalidStatement(f"Expected a lambda that takes {len(kinds)} argument(s) but got {len(names)}")
        variables = [self._expressions.translator.new_name("v") for _ in range(form.variables)]
        bound = {
            known: Typed(spelling.format(*variables), kind)
            for known, spelling, kind in zip(names, form.spelling, kinds, strict=True)
        }
        body = self._expressions.emit(node.this, scope.with_variables(bound))
        return Typed(f"lambda {', '.join(variables)}: {body.text}", SqlType("function", "", (body.kind,)))

    def _special(self, name: str, node: exp.Anonymous, scope: Scope) -> Typed:
        if name == "try":
            return self._try(node, scope)
        values = [self._expressions.emit(part, scope) for part in node.expressions]
        _check_count(name, len(values))
        match name:
            case "now":
                return Typed(casts.timestamp_text(self._expressions.translator.now), TIMESTAMP_TZ)
            case "typeof":
                return Typed(quoted_text(str(values[0].kind)), VARCHAR)
            case "row":
                members = ", ".join(f'"f{at}" := {value.text}' for at, value in enumerate(values, 1))
                return Typed(f"struct_pack({members})", row([("", value.kind) for value in values]))
            case "nullif":
                one, other = operators.comparable(values, "=")
                return Typed(f"nullif({one.text}, {other.text})", values[0].kind)
            case "grouping":
                return Typed(f"grouping({', '.join(value.text for value in values)})", BIGINT)
            case "if":
                raise InvalidStatement("IF takes a condition and one or two values")
        return _extreme(name, values)

    def _try(self, node: exp.Anonymous, scope: Scope) -> Typed:
        _check_count("try", len(node.expressions))
        outside, self._expressions.is_lenient = self._expressions.is_lenient, True
        try:
            value = self._expressions.emit(node.expressions[0], scope)
        finally:
            self._expressions.is_lenient = outside
        return Typed(f"TRY({value.text})", value.kind)

    def _group_call(
        self, name: str, nodes: Sequence[exp.Expression], scope: Scope, nulls: str, filtered: str, over: str
    ) -> Typed:
        is_distinct, order = False, ""
        parts = list(nodes)
        if parts and isinstance(parts[-1], exp.Order):
            ordered = parts.pop()
            order = " " + self._order_by(ordered, scope)
            parts.append(ordered.this)
        if len(parts) == 1 and isinstance(parts[0], exp.Distinct):
            is_distinct, parts = True, list(parts[0].expressions)
        if name == "count" and len(parts) == 1 and isinstance(parts[0], exp.Star):
            parts = []
        if self._is_in_aggregate:
            raise InvalidStatement("Cannot nest aggregations or window functions inside an aggregation")
        self._is_in_aggregate = FORMS[name][0].is_aggregate and not over
        try:
            arguments = self._arguments(name, parts, scope)
        finally:
            self._is_in_aggregate = False
        form = _fitting_form(name, arguments)
        if form.is_window and not over:
            raise InvalidStatement(f"Window function {name} requires an OVER clause")
        if form.is_window and (filtered or is_distinct):
            raise InvalidStatement(f"'{name}' takes neither FILTER nor DISTINCT")
        texts = _coerced(form, arguments)
        joined = ("DISTINCT " if is_distinct else "") + ", ".join(value.text for value in texts) + order + nulls
        if "DISTINCT {args}" in str(form.template):
            joined = joined.removeprefix("DISTINCT ")
        call = str(form.template).replace("{args}", joined)
        return Typed(form.wrap.format(call=call + filtered + over), form.result_of(arguments))

    def _listagg(self, node: exp.GroupConcat, scope: Scope, around: str) -> Typed:
        inner, order = node.this, ""
        if isinstance(inner, exp.Order):
            inner, order = inner.this, " " + self._order_by(inner, scope)
        is_distinct = isinstance(inner, exp.Distinct)
        value = self._expressions.emit(inner.expressions[0] if is_distinct else inner, scope)
        separator = node.args.get("separator")
        mark = self._expressions.emit(separator, scope) if separator is not None else casts.literal_text("")
        if not (value.kind.is_text and mark.kind.is_text) or node.args.get("on_overflow"):
            raise InvalidStatement("LISTAGG takes a varchar and a separator")
        distinct = "DISTINCT " if is_distinct else ""
        return Typed(f"string_agg({distinct}{value.text}, {mark.text}{order}){around}", VARCHAR)

    def _order_by(self, node: exp.Expression, scope: Scope) -> str:
        return "ORDER BY " + ", ".join(
            self._expressions.emit(part.this, scope).text + direction(part) for part in node.expressions
        )

    def _over(self, node: exp.Expression, scope: Scope) -> str:
        name = node.args.get("alias")
        if name is not None:
            return f" OVER {self._expressions.translator.window_name(name.name)}"
        return f" OVER ({self.window(node, scope)})"

    def window(self, node: exp.Expression, scope: Scope) -> str:
        """Return the inside of OVER (...)."""
        if node.args.get("first") is not None:
            raise InvalidStatement("A window built on another one is not supported")
        pieces = []
        partition = [self._expressions.emit(part, scope).text for part in node.args.get("partition_by") or ()]
        if partition:
            pieces.append(f"PARTITION BY {', '.join(partition)}")
        if node.args.get("order") is not None:
            pieces.append(self._order_by(node.args["order"], scope))
        if node.args.get("spec") is not None:
            pieces.append(self._frame(node.args["spec"], scope))
        return " ".join(pieces)

    def _frame(self, spec: exp.Expression, scope: Scope) -> str:
        kind = str(spec.args.get("kind") or "").upper()
        if kind not in ("ROWS", "RANGE", "GROUPS") or spec.args.get("exclude"):
            raise InvalidStatement("A window frame is ROWS, RANGE or GROUPS")
        start = self._bound(spec.args.get("start"), spec.args.get("start_side"), scope)
        end = spec.args.get("end")
        if end is None:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {self._bound(end, spec.args.get('end_side'), scope)}"

    def _bound(self, bound: object, side: object, scope: Scope) -> str:
        if isinstance(bound, str) and bound.upper() == "CURRENT ROW":
            return "CURRENT ROW"
        where = str(side or "").upper()
        if where not in ("PRECEDING", "FOLLOWING"):
            raise InvalidStatement("A frame bound is PRECEDING, FOLLOWING or CURRENT ROW")
        if isinstance(bound, str):
            return f"UNBOUNDED {where}"
        assert isinstance(bound, exp.Expression)
        return f"{self._expressions.emit(bound, scope).text} {where}"


def direction(ordered: exp.Expression) -> str:
    """Return how one key of an ORDER BY runs: NULLs come last either way unless it says otherwise."""
    if ordered.args.get("with_fill"):
        raise InvalidStatement("WITH FILL is not supported")
    way = " DESC" if ordered.args.get("desc") else " ASC"
    return way + (" NULLS FIRST" if ordered.args.get("nulls_first") else " NULLS LAST")


def call_function(expressions: "Expressions", name: str, arguments: list[Typed]) -> Typed:
    """Return a call of one scalar function; raises InvalidStatement when it is not allowed, or not with these."""
    if name not in FORMS:
        raise unknown_function(name)
    form = _fitting_form(name, arguments)
    values = _coerced(form, arguments)
    return Typed(form.text_of(values), form.result_of(values))


def unknown_function(name: str) -> InvalidStatement:
    """Return the refusal of a function that is not on the allow-list, naming one that may have been meant."""
    near = get_close_matches(name, FORMS, n=1, cutoff=0.85)
    return InvalidStatement(f"Function '{name}' not registered" + (f"; did you mean '{near[0]}'?" if near else ""))


def _lambda_form(name: str, before: list[Typed], count: int) -> LambdaForm | None:
    for form in FORMS.get(name, ()):
        if form.takes(count) and all(form.fits(at, argument) for at, argument in enumerate(before)):
            kind = form.kind_at(len(before))
            if isinstance(kind, LambdaForm):
                return kind
    return None


def _fitting_form(name: str, arguments: list[Typed]) -> Function:
    forms = [form for form in FORMS[name] if form.takes(len(arguments))]
    for form in forms:
        if all(form.fits(at, argument) for at, argument in enumerate(arguments)):
            return form
    given = ", ".join(str(argument.kind) for argument in arguments)
    expected = ", ".join(str(form) for form in FORMS[name])
    raise InvalidStatement(f"Unexpected parameters ({given}) for function {name}. Expected: {expected}")


def _coerced(form: Function, arguments: list[Typed]) -> list[Typed]:
    values = []
    for at, argument in enumerate(arguments):
        kind = form.kind_at(at)
        if argument.kind == LAKE_MAP and kind == "map" and form.name != "element_at":
            values.append(casts.as_type(argument, map_of(VARCHAR, VARCHAR)))
        elif argument.kind == LAKE_MAP and kind == "text":
            values.append(Typed(argument.text, VARCHAR))
        else:
            values.append(argument)
    return values


def _check_count(name: str, count: int) -> None:
    bounds = {"now": (0, 0), "typeof": (1, 1), "try": (1, 1), "nullif": (2, 2)}
    low, high = bounds.get(name, (1, MAX_ARGUMENTS))
    if not low <= count <= high:
        raise InvalidStatement(f"Unexpected number of parameters ({count}) for function {name}")


def _extreme(name: str, values: list[Typed]) -> Typed:
    if name == "coalesce":
        kind = common_type([value.kind for value in values])
        if kind is None:
            raise InvalidStatement("All COALESCE operands must be the same type")
        return Typed(f"coalesce({', '.join(casts.as_type(value, kind).text for value in values)})", kind)
    brought = operators.comparable(values, name)
    texts = [value.text for value in brought]
    is_null = " OR ".join(f"{text} IS NULL" for text in texts)
    return Typed(f"(CASE WHEN NOT ({is_null}) THEN {name}({', '.join(texts)}) END)", brought[0].kind)
