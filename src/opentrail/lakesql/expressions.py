"""Expressions: each node that is allowed has an emitter here; a node without one is refused by its name."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from opentrail.lakesql import casts, operators
from opentrail.lakesql.calls import call_function
from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.collections import element_at_map
from opentrail.lakesql.functions.signature import Typed
from opentrail.lakesql.functions.times import UNITS
from opentrail.lakesql.scope import Scope, read_fields
from opentrail.lakesql.types import (
    BOOLEAN,
    DATE,
    INTERVAL,
    JSON,
    LAKE_MAP,
    TIMESTAMP,
    TIMESTAMP_TZ,
    UNKNOWN,
    VARCHAR,
    SqlType,
    array,
    common_type,
    row,
)

if TYPE_CHECKING:
    from opentrail.lakesql.translation import Translator

Emit = Callable[["Expressions", exp.Expression, Scope], Typed]


class Expressions:
    """Turns expressions of one statement into typed DuckDB text.

    ``is_lenient`` is set inside TRY, where an element that is not there is NULL rather than an error.
    """

    def __init__(self, translator: "Translator") -> None:
        self.translator = translator
        self.is_lenient = False

    def emit(self, node: exp.Expression | None, scope: Scope) -> Typed:
        """Return the text and type of ``node``; raises InvalidStatement with the place of what is wrong."""
        if node is None:
            raise InvalidStatement("An expression is missing.")
        emitter = _EMITTERS.get(type(node).__name__, _refused)
        try:
            _refuse_unread(node)
            return emitter(self, node, scope)
        except InvalidStatement as error:
            raise self.translator.placed(error, node) from error

    def condition(self, node: exp.Expression, scope: Scope, clause: str) -> str:
        """Return the text of a condition; raises InvalidStatement when it is no boolean."""
        value = self.emit(node, scope)
        if value.kind not in (BOOLEAN, UNKNOWN):
            raise self.translator.placed(
                InvalidStatement(f"{clause} must evaluate to a boolean: actual type {value.kind}"), node
            )
        return value.text


def _name_of(node: exp.Expression) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(node).__name__).upper()


def dotted_parts(node: exp.Expression) -> list[str] | None:
    """Return the names of ``a.b.c``, None when the node is something else."""
    if isinstance(node, exp.Identifier):
        return [node.name]
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
        return [part.name for part in node.parts]
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        before = dotted_parts(node.this)
        return None if before is None else [*before, node.expression.name]
    return None


def _refuse_unread(node: exp.Expression) -> None:
    """Refuse what the parser noted of a node and no emitter reads, so that no word of a statement is passed over."""
    known = _READ.get(type(node).__name__, frozenset({"this", "expression"}))
    unread = [name for name, value in node.args.items() if value and name not in known]
    if unread:
        raise InvalidStatement(f"{_name_of(node)} with {unread[0].strip('_').upper()} is not supported")


_READ: dict[str, frozenset[str]] = {
    name: frozenset(members.split())
    for name, members in {
        "Column": "this table db catalog", "Identifier": "this quoted", "Literal": "this is_string",
        "Like": "this expression negate", "Div": "this expression typed safe", "DPipe": "this expression safe",
        "Between": "this low high symmetric", "In": "this expressions query unnest field", "Case": "this ifs default",
        "If": "this true false", "Cast": "this to safe format default action",
        "TryCast": "this to safe format default action",
        "Trim": "this position expression collation", "Substring": "this start length", "StrPosition": "this substr",
        "ParseJSON": "this is_literal", "Array": "expressions value_constructor", "Tuple": "expressions",
        "Bracket": "this expressions", "Interval": "this unit", "AtTimeZone": "this zone",
        "Anonymous": "this expressions", "Window": "this partition_by order spec alias over first",
        "GroupConcat": "this separator on_overflow", "HexString": "this", "CurrentTimestamp": "this",
    }.items()
}  # fmt: skip
"""The members of each kind of node that are read; of all others, ``this`` and ``expression``."""


def _refused(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    raise InvalidStatement(f"{_name_of(node)} is not supported")


def _column(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    parts = dotted_parts(node)
    if parts is None:
        if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
            return read_fields(self.emit(node.this, scope), [node.expression.name])
        raise InvalidStatement(f"{_name_of(node)} is not supported here")
    found = scope.resolve(parts)
    if found is None:
        raise InvalidStatement(f"Column '{'.'.join(parts)}' cannot be resolved")
    return found


def _literal(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return casts.literal_text(str(node.this)) if node.args["is_string"] else casts.literal_number(str(node.this))


def _boolean(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed("true" if node.this else "false", BOOLEAN)


def _null(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed("NULL", UNKNOWN)


def _paren(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    inner = self.emit(node.this, scope)
    return Typed(f"({inner.text})", inner.kind, inner.literal)


def _chain(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    """AND and OR: a chain of thousands is one level here, whatever the parser made of it."""
    kind = type(node)
    operands: list[exp.Expression] = []
    rest: exp.Expression = node
    while type(rest) is kind:
        operands.append(rest.expression)
        rest = rest.this
    operands.append(rest)
    word = "AND" if kind is exp.And else "OR"
    texts = [self.condition(operand, scope, f"Logical expression term ({word})") for operand in reversed(operands)]
    return Typed("(" + f" {word} ".join(texts) + ")", BOOLEAN)


def _not(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed(f"(NOT {self.condition(node.this, scope, 'Value of logical NOT expression')})", BOOLEAN)


def _comparison(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    operator = operators.COMPARISONS[type(node).__name__]
    if isinstance(node.expression, exp.Any | exp.All):
        return _quantified(self, node, scope, operator)
    if _is_all_values(node.expression):  # which the parser takes for a function's call
        rows = exp.All(this=node.expression.expressions[0])
        return _quantified(self, type(node)(this=node.this, expression=rows), scope, operator)
    return operators.compare(operator, self.emit(node.this, scope), self.emit(node.expression, scope))


def _is_all_values(node: exp.Expression) -> bool:
    if not isinstance(node, exp.Anonymous) or node.name.upper() != "ALL":
        return False
    return len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Values)


def _quantified(self: Expressions, node: exp.Expression, scope: Scope, operator: str) -> Typed:
    value = self.emit(node.this, scope)
    word = "ANY" if isinstance(node.expression, exp.Any) else "ALL"
    inner = node.expression.this
    text, kind = self.translator.column_query(inner, scope)
    left, right = operators.comparable([value, Typed("c1", kind)], operator)
    return Typed(f"({left.text} {operator} {word} (SELECT {right.text} FROM ({text}) AS q))", BOOLEAN)


def _distinct_from(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    operator = "IS DISTINCT FROM" if isinstance(node, exp.NullSafeNEQ) else "IS NOT DISTINCT FROM"
    return operators.compare(operator, self.emit(node.this, scope), self.emit(node.expression, scope))


def _arithmetic(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    operator = operators.ARITHMETIC[type(node).__name__]
    return operators.calculate(operator, self.emit(node.this, scope), self.emit(node.expression, scope))


def _negation(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return operators.negate(self.emit(node.this, scope))


def _concatenation(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    left, right = self.emit(node.this, scope), self.emit(node.expression, scope)
    if left.kind.is_array != right.kind.is_array and UNKNOWN not in (left.kind, right.kind):  # an element and an array
        left, right = (value if value.kind.is_array else _in_array(value) for value in (left, right))
    kind = common_type([left.kind, right.kind])
    if kind is None or not (kind.is_text or kind.is_array):
        raise InvalidStatement(f"Cannot apply operator: {left.kind} || {right.kind}")
    return Typed(f"({left.text} || {right.text})", VARCHAR if kind.is_text else kind)


def _in_array(value: Typed) -> Typed:
    return Typed(f"[{value.text}]", array(value.kind))


def _between(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    if node.args.get("symmetric"):
        raise InvalidStatement("BETWEEN SYMMETRIC is not supported")
    parts = [self.emit(part, scope) for part in (node.this, node.args["low"], node.args["high"])]
    value, low, high = operators.comparable(parts, "BETWEEN")
    return Typed(f"({value.text} BETWEEN {low.text} AND {high.text})", BOOLEAN)


def _in(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    value = self.emit(node.this, scope)
    query = node.args.get("query")
    if query is not None:
        text, kind = self.translator.column_query(query, scope)
        left, right = operators.comparable([value, Typed("c1", kind)], "IN")
        return Typed(f"({left.text} IN (SELECT {right.text} FROM ({text}) AS q))", BOOLEAN)
    if node.args.get("unnest") or node.args.get("field") or not node.expressions:
        raise InvalidStatement("IN needs a list of values or a query")
    values = operators.comparable([value, *(self.emit(part, scope) for part in node.expressions)], "IN")
    return Typed(f"({values[0].text} IN ({', '.join(one.text for one in values[1:])}))", BOOLEAN)


def _like(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    escape = ""
    if isinstance(node, exp.Escape):
        if not isinstance(node.this, exp.Like):
            raise InvalidStatement("ESCAPE is only supported with LIKE")
        mark = self.emit(node.expression, scope).literal
        if not isinstance(mark, str) or len(mark) != 1:
            raise InvalidStatement("Escape string must be a single character")
        escape, node = f" ESCAPE {casts.literal_text(mark).text}", node.this
    value, pattern = self.emit(node.this, scope), self.emit(node.expression, scope)
    if not (value.kind.is_text and pattern.kind.is_text):
        raise InvalidStatement(f"Left and right side of LIKE expression must evaluate to a varchar: {value.kind}")
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return Typed(f"({value.text} {word} {pattern.text}{escape})", BOOLEAN)


def _is(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    if not isinstance(node.expression, exp.Null):
        raise InvalidStatement("IS is only supported with NULL and DISTINCT FROM")
    return Typed(f"({self.emit(node.this, scope).text} IS NULL)", BOOLEAN)


def _case(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    subject = self.emit(node.this, scope) if node.this is not None else None
    conditions = []
    for branch in node.args["ifs"]:
        if subject is None:
            conditions.append(self.condition(branch.this, scope, "CASE WHEN clause"))
        else:
            conditions.append(operators.compare("=", subject, self.emit(branch.this, scope)).text)
    values = [self.emit(branch.args["true"], scope) for branch in node.args["ifs"]]
    default = node.args.get("default")
    values.append(self.emit(default, scope) if default is not None else Typed("NULL", UNKNOWN))
    kind = _one_type(values, "All CASE results must be the same type")
    whens = (
        f"WHEN {condition} THEN {casts.as_type(value, kind).text}"
        for condition, value in zip(conditions, values[:-1], strict=True)
    )
    return Typed(f"(CASE {' '.join(whens)} ELSE {casts.as_type(values[-1], kind).text} END)", kind)


def _if(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    condition = self.condition(node.this, scope, "IF condition")
    otherwise = node.args.get("false")
    values = [
        self.emit(node.args["true"], scope),
        self.emit(otherwise, scope) if otherwise is not None else Typed("NULL", UNKNOWN),
    ]
    kind = _one_type(values, "Result types for IF must be the same")
    yes, no = (casts.as_type(value, kind).text for value in values)
    return Typed(f"(CASE WHEN {condition} THEN {yes} ELSE {no} END)", kind)


def _one_type(values: Sequence[Typed], complaint: str) -> SqlType:
    kind = common_type([value.kind for value in values])
    if kind is None:
        raise InvalidStatement(f"{complaint}: {', '.join(str(value.kind) for value in values)}")
    return kind


def _cast(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    if node.args.get("format") or node.args.get("default") or node.args.get("action"):
        raise InvalidStatement("CAST takes a type alone")
    target: exp.Expression = node.args["to"]
    kind = casts.type_named(target)
    result = casts.cast(self.emit(node.this, scope), kind, is_try=isinstance(node, exp.TryCast))
    length = target.expressions[0].name if kind == VARCHAR and target.expressions else ""
    return Typed(f"left({result.text}, {int(length)})", kind) if length.isdecimal() else result


def _extract(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return call_function(self, node.this.name.lower(), [self.emit(node.expression, scope)])


def _trim(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    if node.args.get("collation"):
        raise InvalidStatement("TRIM with a collation is not supported")
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or ""), "trim")
    arguments = [node.this] if node.expression is None else [node.this, node.expression]
    return call_function(self, name, [self.emit(argument, scope) for argument in arguments])


def _substring(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    parts = (node.this, node.args.get("start"), node.args.get("length"))
    return call_function(self, "substring", [self.emit(part, scope) for part in parts if part is not None])


def _position(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return call_function(self, "position", [self.emit(node.args["substr"], scope), self.emit(node.this, scope)])


def _json_literal(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return call_function(self, "json_parse", [self.emit(node.this, scope)])


def _array(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    values = [self.emit(part, scope) for part in node.expressions]
    kind = _one_type(values, "All ARRAY elements must be the same type")
    return Typed(f"[{', '.join(casts.as_type(value, kind).text for value in values)}]", array(kind))


def _row(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    values = [self.emit(part, scope) for part in node.expressions]
    members = ", ".join(f'"f{at}" := {value.text}' for at, value in enumerate(values, 1))
    return Typed(f"struct_pack({members})", row([("", value.kind) for value in values]))


def _bracket(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    value = self.emit(node.this, scope)
    if len(node.expressions) != 1 or isinstance(node.expressions[0], exp.Slice):
        raise InvalidStatement("A subscript is one number or one key")
    place = self.emit(node.expressions[0], scope)
    if value.kind.is_map:
        return _map_subscript(self, value, place)
    if value.kind == JSON or not value.kind.is_array:
        raise InvalidStatement(f"Cannot use {place.kind} for subscript of {value.kind}")
    element = Typed(f"list_extract({value.text}, {place.text})", value.kind.parts[0])
    if self.is_lenient:
        return element
    beyond = f"({place.text} < 1 OR {place.text} > len({value.text}))"
    return Typed(
        f"(CASE WHEN {beyond} THEN error('Array subscript is out of bounds: ' || {place.text}) "
        f"ELSE {element.text} END)",
        element.kind,
    )


def _map_subscript(self: Expressions, value: Typed, key: Typed) -> Typed:
    kind = value.kind.parts[1]
    found = element_at_map((value, key))
    if self.is_lenient:
        return Typed(found, kind)
    error = f"error('Key not present in map: ' || {key.text})"
    if value.kind == LAKE_MAP:  # the text is read once more only where nothing was found
        missing = f"CASE WHEN NOT lake_has_key({value.text}, {key.text}) THEN {error} END"
        return Typed(f"coalesce({found}, {missing})", kind)
    return Typed(
        f"(CASE WHEN NOT list_contains(map_keys({value.text}), {key.text}) THEN {error} ELSE {found} END)", kind
    )


def _subquery(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    text, kind = self.translator.column_query(node, scope)
    return Typed(f"({text})", kind)


def _exists(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed(f"EXISTS ({self.translator.query(node.this, scope).text})", BOOLEAN)


def _interval(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    unit = str(node.args["unit"].name if node.args.get("unit") is not None else "").lower()
    amount = str(node.this.name) if isinstance(node.this, exp.Literal) else ""
    if unit not in UNITS or not re.fullmatch(r"-?\d{1,9}", amount):
        raise InvalidStatement("An interval is written as INTERVAL '7' DAY, with a unit from SECOND to YEAR")
    return Typed(f"({amount} * {UNITS[unit]})", INTERVAL)


def _at_time_zone(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return call_function(self, "at_timezone", [self.emit(node.this, scope), self.emit(node.args["zone"], scope)])


def _now(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed(casts.timestamp_text(self.translator.now), TIMESTAMP_TZ)


def _local_now(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed(casts.timestamp_text(self.translator.now), TIMESTAMP)


def _today(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed(casts.date_text(self.translator.now.date()), DATE)


def _call(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return self.translator.calls.emit(node, scope)


def _bytes(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return call_function(self, "from_hex", [casts.literal_text(str(node.this))])


_EMITTERS: dict[str, Emit] = {
    "Column": _column, "Identifier": _column, "Dot": _column, "Literal": _literal, "Boolean": _boolean, "Null": _null,
    "Paren": _paren, "And": _chain, "Or": _chain, "Not": _not, **dict.fromkeys(operators.COMPARISONS, _comparison),
    "NullSafeEQ": _distinct_from, "NullSafeNEQ": _distinct_from, **dict.fromkeys(operators.ARITHMETIC, _arithmetic),
    "Neg": _negation, "DPipe": _concatenation, "Between": _between, "In": _in, "Like": _like, "Escape": _like,
    "Is": _is, "Case": _case, "If": _if, "Cast": _cast, "TryCast": _cast, "Extract": _extract, "Trim": _trim,
    "Substring": _substring, "StrPosition": _position, "ParseJSON": _json_literal, "Array": _array, "Tuple": _row,
    "Bracket": _bracket, "Subquery": _subquery, "Exists": _exists, "Interval": _interval, "AtTimeZone": _at_time_zone,
    "CurrentTimestamp": _now, "Localtimestamp": _local_now, "CurrentDate": _today, "Anonymous": _call,
    "Window": _call, "Filter": _call, "IgnoreNulls": _call, "RespectNulls": _call, "GroupConcat": _call,
    "HexString": _bytes,
}  # fmt: skip
"""Every kind of node that a statement may contain, and what becomes of it."""
