"""Which times of a table a WHERE leaves, so that whole days of it need not be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from opentrail.lakesql.casts import moment_literal
from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.expressions import dotted_parts
from opentrail.lakesql.scope import Scope

EVENT_TIME = "eventtime"
_BEGIN, _END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_STEPS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MIRRORED: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.GT: exp.LT,
    exp.LT: exp.GT,
    exp.GTE: exp.LTE,
    exp.LTE: exp.GTE,
    exp.EQ: exp.EQ,
}


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """Events from ``since`` to ``until`` are of interest, both included."""

    since: datetime
    until: datetime

    def within(self, other: "TimeBounds") -> "TimeBounds":
        return TimeBounds(max(self.since, other.since), min(self.until, other.until))


EVER = TimeBounds(_BEGIN, _END)


def bounds_by_use(where: exp.Expression, scope: Scope, now: datetime) -> dict[int, TimeBounds]:
    """Return what the conditions that must all hold say about eventTime of each table that ``scope`` reads directly.

    What is not understood narrows nothing.
    """
    found: dict[int, TimeBounds] = {}
    for condition in conditions(where):
        for column, bounds in _read(condition, now):
            use = _use_of(column, scope)
            if use is not None:
                found[use] = found.get(use, EVER).within(bounds)
    return found


def conditions(where: exp.Expression) -> Iterator[exp.Expression]:
    """Return the conditions of a WHERE that must all hold."""
    rest = [where]
    while rest:
        node = rest.pop()
        if isinstance(node, exp.And):
            rest += [node.this, node.expression]
        elif isinstance(node, exp.Paren):
            rest.append(node.this)
        else:
            yield node


def _read(condition: exp.Expression, now: datetime) -> Iterator[tuple[exp.Expression, TimeBounds]]:
    if isinstance(condition, exp.Between) and not condition.args.get("symmetric"):
        low, high = _moment(condition.args["low"], now), _moment(condition.args["high"], now)
        yield condition.this, TimeBounds(low or _BEGIN, high or _END)
    kind = type(condition)
    if kind not in _MIRRORED:
        return
    for column, other, operator in (
        (condition.this, condition.expression, kind),
        (condition.expression, condition.this, _MIRRORED[kind]),
    ):
        moment = _moment(other, now)
        if moment is not None:
            since = moment if operator in (exp.GT, exp.GTE, exp.EQ) else _BEGIN
            yield column, TimeBounds(since, moment if operator in (exp.LT, exp.LTE, exp.EQ) else _END)


def _use_of(column: exp.Expression, scope: Scope) -> int | None:
    parts = [part.lower() for part in dotted_parts(column) or ()]
    if parts == [EVENT_TIME]:
        with_it = [relation for relation in scope.relations if relation.find(EVENT_TIME)]
        return with_it[0].table_use if len(with_it) == 1 else None
    if len(parts) == 2 and parts[1] == EVENT_TIME:
        relation = scope.relation(parts[0])
        return relation.table_use if relation is not None else None
    return None


def _moment(node: exp.Expression, now: datetime) -> datetime | None:
    try:
        return _known_moment(node, now)
    except (InvalidStatement, OverflowError, ValueError):
        return None


def _known_moment(node: exp.Expression, now: datetime) -> datetime | None:
    if isinstance(node, exp.Paren):
        return _known_moment(node.this, now)
    if isinstance(node, exp.Literal) and node.is_string:
        return moment_literal(node.name)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
        return moment_literal(node.this.name)
    if isinstance(node, exp.CurrentTimestamp | exp.Localtimestamp):
        return now
    if isinstance(node, exp.Anonymous):
        return _called(node, now)
    if isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression, exp.Interval):
        moment = _known_moment(node.this, now)
        unit = node.expression.args.get("unit")
        step = _STEPS.get(unit.name.lower()) if unit is not None else None
        if moment is None or step is None:
            return None
        span = int(node.expression.this.name) * step
        return moment + span if isinstance(node, exp.Add) else moment - span
    return None


def _called(node: exp.Anonymous, now: datetime) -> datetime | None:
    name, arguments = node.name.lower(), node.expressions
    if name == "now" and not arguments:
        return now
    if name in ("date_add",) and len(arguments) == 3:
        step, moment = _STEPS.get(arguments[0].name.lower()), _known_moment(arguments[2], now)
        count = int(arguments[1].sql())
        return moment + count * step if step is not None and moment is not None else None
    if name in ("from_iso8601_timestamp", "date", "timestamp") and len(arguments) == 1:
        return _known_moment(arguments[0], now)
    return None
