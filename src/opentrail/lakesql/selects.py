"""Queries: SELECT with its clauses, WITH, and UNION, INTERSECT and EXCEPT of queries.

Every query gives its columns the names c1, c2 ... in DuckDB; the labels of the statement stay on this side.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlglot import exp

from opentrail.lakesql import casts
from opentrail.lakesql.bounds import bounds_by_use
from opentrail.lakesql.calls import direction
from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.expressions import dotted_parts
from opentrail.lakesql.functions.signature import Typed
from opentrail.lakesql.grouping import check_grouped, has_aggregate
from opentrail.lakesql.needles import sought_by_use
from opentrail.lakesql.scope import Scope
from opentrail.lakesql.sources import Sources
from opentrail.lakesql.text import quoted_name
from opentrail.lakesql.types import UNKNOWN, VARCHAR, SqlType, common_type

if TYPE_CHECKING:
    from opentrail.lakesql.translation import Translator

Columns = tuple[tuple[str, SqlType], ...]

MAX_COLUMNS = 1600

_SELECT_CLAUSES = {
    "expressions", "distinct", "from_", "joins", "where", "group", "having", "windows", "order", "limit", "offset",
    "with_",
}  # fmt: skip
_SET_CLAUSES = {"this", "expression", "distinct", "order", "limit", "offset", "with_"}
_SET_WORDS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}


@dataclass(frozen=True, slots=True)
class Emitted:
    """A query's text, and its columns' labels and types."""

    text: str
    columns: Columns


class CommonQuery(NamedTuple):
    """A query of a WITH: its name in DuckDB and its columns."""

    name: str
    columns: Columns


class _Item(NamedTuple):
    """One column that a SELECT gives out, and the node it was made of (None where ``*`` was)."""

    label: str
    alias: str
    value: Typed
    node: exp.Expression | None


class Selects:
    """Emits the queries of one statement."""

    def __init__(self, translator: "Translator") -> None:
        self.translator = translator
        self._common: list[dict[str, CommonQuery]] = []
        self._sources = Sources(self)

    def common_query(self, name: str) -> CommonQuery | None:
        """Return the WITH query of that name, the innermost first; None when there is none."""
        key = name.lower()
        return next((known[key] for known in reversed(self._common) if key in known), None)

    def query(self, node: exp.Expression, scope: Scope) -> Emitted:
        """Return a query. ``scope`` holds the names of the queries around it."""
        self._common.append({})
        try:
            before = self._with(node, scope)
            match node:
                case exp.Select():
                    emitted = self._select(node, scope)
                case exp.SetOperation():
                    emitted = self._set_operation(node, scope)
                case exp.Subquery():
                    emitted = self._parenthesised(node, scope)
                case _:
                    raise self.translator.placed(InvalidStatement(f"{node.key.upper()} is not supported"), node)
            return Emitted(before + emitted.text, emitted.columns)
        finally:
            self._common.pop()

    def _with(self, node: exp.Expression, scope: Scope) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        if clause.args.get("recursive") or clause.args.get("search"):
            raise self.translator.placed(InvalidStatement("WITH RECURSIVE is not supported"), node)
        texts = []
        for part in clause.expressions:
            emitted = self.query(part.this, scope)
            alias = part.args["alias"]
            labels = [column.name for column in alias.args.get("columns") or ()]
            if labels and len(labels) != len(emitted.columns):
                raise InvalidStatement(f"Column alias list has {len(labels)} entries for '{alias.name}'")
            columns = tuple((labels[at] if labels else label, kind) for at, (label, kind) in enumerate(emitted.columns))
            name = self.translator.new_name("w")
            self._common[-1][alias.name.lower()] = CommonQuery(name, columns)
            texts.append(f"{name} AS ({emitted.text})")
        return f"WITH {', '.join(texts)} "

    def _parenthesised(self, node: exp.Subquery, scope: Scope) -> Emitted:
        if node.args.get("alias") or node.args.get("joins"):
            raise InvalidStatement("A query in parentheses takes no alias here")
        inner = self.query(node.this, scope)
        return self._ordered(node, inner, scope)

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> Emitted:
        _refuse_others(node, _SET_CLAUSES)
        word = _SET_WORDS[type(node)]
        left, right = self.query(node.this, scope), self.query(node.expression, scope)
        if len(left.columns) != len(right.columns):
            raise self.translator.placed(
                InvalidStatement(
                    f"{word} query has different number of fields: {len(left.columns)}, {len(right.columns)}"
                ),
                node,
            )
        columns = []
        for at, ((label, mine), (_, theirs)) in enumerate(zip(left.columns, right.columns, strict=True), 1):
            kind = common_type([mine, theirs])
            if kind is None:
                raise self.translator.placed(
                    InvalidStatement(f"column {at} in {word} query has incompatible types: {mine}, {theirs}"), node
                )
            columns.append((label, kind))
        quantity = "" if node.args.get("distinct") else " ALL"
        text = f"{_brought(left, columns)} {word}{quantity} {_brought(right, columns)}"
        return self._ordered(node, Emitted(text, tuple(columns)), scope, is_set=True)

    def _ordered(self, node: exp.Expression, inner: Emitted, scope: Scope, *, is_set: bool = False) -> Emitted:
        """Add ORDER BY, OFFSET and LIMIT of a set operation or parenthesised query."""
        if not any(node.args.get(name) for name in ("order", "limit", "offset")):
            return inner
        outputs = Scope(parent=scope)
        outputs.outputs = {label.lower(): Typed(f"c{at}", kind) for at, (label, kind) in enumerate(inner.columns, 1)}
        text = f"SELECT * FROM ({inner.text}) AS {self.translator.new_name('r')}"
        order = node.args.get("order")
        if order is not None:
            keys = (self._order_key(part, outputs, len(inner.columns)) for part in order.expressions)
            text += f" ORDER BY {', '.join(keys)}"
        return Emitted(text + _limit(node), inner.columns)

    def _order_key(self, part: exp.Expression, scope: Scope, count: int) -> str:
        place = _ordinal(part.this, count, "ORDER BY")
        text = str(place) if place else self.translator.expressions.emit(part.this, scope).text
        return text + direction(part)

    def _select(self, node: exp.Select, outer: Scope) -> Emitted:
        _refuse_others(node, _SELECT_CLAUSES)
        scope = Scope(parent=outer)
        source = self._sources.emit(node, scope)
        where = self._where(node, scope)
        self.translator.enter_windows({})
        try:
            self._define_windows(node, scope)
            items = self._items(node, scope)
            group, keys = self._group(node, scope, items)
            having = self._having(node, scope)
            self._check_groups(node, scope, items, keys)
            order = self._order(node, scope, items, keys)
        finally:
            self.translator.leave_windows()
        listed = ", ".join(f"{item.value.text} AS c{at}" for at, item in enumerate(items, 1))
        distinct = "DISTINCT " if node.args.get("distinct") else ""
        text = f"SELECT {distinct}{listed}{source}{where}{group}{having}{order}{_limit(node)}"
        return Emitted(text, tuple((item.label, item.value.kind) for item in items))

    def _where(self, node: exp.Select, scope: Scope) -> str:
        where = node.args.get("where")
        if where is None:
            return ""
        if has_aggregate([where.this]):
            raise self.translator.placed(InvalidStatement("WHERE clause cannot contain aggregations"), where.this)
        text = self.translator.expressions.condition(where.this, scope, "WHERE clause")
        for use, bounds in bounds_by_use(where.this, scope, self.translator.now).items():
            self.translator.narrow(use, bounds)
        for use, sought in sought_by_use(where.this, scope).items():
            self.translator.seek(use, sought)
        return f" WHERE {text}"

    def _define_windows(self, node: exp.Select, scope: Scope) -> None:
        names: dict[str, str] = {}
        for window in node.args.get("windows") or ():
            names[window.this.name.lower()] = self.translator.calls.window(window, scope)
        self.translator.leave_windows()
        self.translator.enter_windows(names)

    def _items(self, node: exp.Select, scope: Scope) -> list[_Item]:
        if node.args.get("distinct") is not None and node.args["distinct"].args.get("on"):
            raise InvalidStatement("DISTINCT ON is not supported")
        items: list[_Item] = []
        for part in node.expressions:
            items += self._item(part, scope, len(items))
        if not items:
            raise InvalidStatement("SELECT gives out no column")
        if len(items) > MAX_COLUMNS:
            raise InvalidStatement(f"SELECT gives out more than {MAX_COLUMNS} columns")
        return items

    def _item(self, part: exp.Expression, scope: Scope, count: int) -> list[_Item]:
        if isinstance(part, exp.Star):
            if any(part.args.values()):
                raise InvalidStatement("* takes no EXCLUDE, REPLACE or RENAME")
            if not scope.relations:
                raise InvalidStatement("SELECT * not allowed in queries without FROM clause")
            return [_Item(column.label, "", Typed(column.text, column.kind), None) for column in scope.star()]
        if isinstance(part, exp.Column) and isinstance(part.this, exp.Star):
            return self._qualified_star(part, scope)
        alias = part.alias if isinstance(part, exp.Alias) else ""
        node = part.this if isinstance(part, exp.Alias) else part
        names = dotted_parts(node)
        label = alias or (names[-1] if names else f"_col{count}")
        return [
            _Item(label, alias or (names[-1] if names else ""), self.translator.expressions.emit(node, scope), node)
        ]

    def _qualified_star(self, part: exp.Column, scope: Scope) -> list[_Item]:
        names = [name.name for name in part.parts[:-1]]
        relation = scope.relation(names[0]) if len(names) == 1 else None
        if relation is not None:
            return [_Item(column.label, "", Typed(column.text, column.kind), None) for column in relation.columns]
        value = scope.resolve(names)
        if value is None or not value.kind.is_row:
            raise self.translator.placed(InvalidStatement(f"Table '{'.'.join(names)}' not found"), part)
        return [
            _Item(label, "", Typed(f"{value.text}.{quoted_name(label)}", kind), None)
            for label, kind in value.kind.fields
        ]

    def _group(self, node: exp.Select, scope: Scope, items: list[_Item]) -> tuple[str, frozenset[str] | None]:
        """Return GROUP BY and the texts of its keys; None for keys when nothing is grouped."""
        group = node.args.get("group")
        if group is None:
            nodes = [item.node for item in items if item.node is not None]
            having = node.args.get("having")
            is_grouped = having is not None or has_aggregate(nodes)
            return "", frozenset() if is_grouped else None
        if {name for name, value in group.args.items() if value} - {"expressions", "grouping_sets", "rollup", "cube"}:
            raise InvalidStatement("GROUP BY takes expressions, GROUPING SETS, ROLLUP and CUBE")
        keys: set[str] = set()
        parts = [self._group_part(part, scope, items, keys) for part in group.expressions]
        for name in ("grouping_sets", "rollup", "cube"):
            parts += [self._group_part(part, scope, items, keys) for part in group.args.get(name) or ()]
        return f" GROUP BY {', '.join(parts)}", frozenset(keys)

    def _group_part(self, part: exp.Expression, scope: Scope, items: list[_Item], keys: set[str]) -> str:
        word = {exp.GroupingSets: "GROUPING SETS", exp.Rollup: "ROLLUP", exp.Cube: "CUBE"}.get(type(part))
        if word is not None:
            inner = (self._group_part(one, scope, items, keys) for one in part.expressions)
            return f"{word} ({', '.join(inner)})"
        if isinstance(part, exp.Tuple):
            return f"({', '.join(self._group_part(one, scope, items, keys) for one in part.expressions)})"
        if isinstance(part, exp.Paren):
            return f"({self._group_part(part.this, scope, items, keys)})"
        if has_aggregate([part]):
            raise self.translator.placed(InvalidStatement("GROUP BY clause cannot contain aggregations"), part)
        place = _ordinal(part, len(items), "GROUP BY")
        text = items[place - 1].value.text if place else self.translator.expressions.emit(part, scope).text
        keys.add(text)
        return text

    def _having(self, node: exp.Select, scope: Scope) -> str:
        having = node.args.get("having")
        if having is None:
            return ""
        return f" HAVING {self.translator.expressions.condition(having.this, scope, 'HAVING clause')}"

    def _check_groups(self, node: exp.Select, scope: Scope, items: list[_Item], keys: frozenset[str] | None) -> None:
        if keys is None:
            return
        for item in items:
            if item.node is not None:
                self._check_grouped(item.node, scope, keys)
            elif item.value.text not in keys:
                raise InvalidStatement(f"'{item.label}' must be an aggregate expression or appear in GROUP BY clause")
        having = node.args.get("having")
        if having is not None:
            self._check_grouped(having.this, scope, keys)

    def _check_grouped(self, node: exp.Expression, scope: Scope, keys: frozenset[str]) -> None:
        try:
            check_grouped(node, keys, lambda part: self.translator.expressions.emit(part, scope).text)
        except InvalidStatement as error:
            raise self.translator.placed(error, node) from error

    def _order(self, node: exp.Select, scope: Scope, items: list[_Item], keys: frozenset[str] | None) -> str:
        order = node.args.get("order")
        if order is None:
            return ""
        places = {item.alias.lower(): at for at, item in reversed(list(enumerate(items, 1))) if item.alias}
        inner = Scope(scope.relations, scope.parent, scope.variables, scope.merged)
        inner.outputs = {item.alias.lower(): item.value for item in items if item.alias}
        texts = []
        for part in order.expressions:
            names = dotted_parts(part.this)
            place = _ordinal(part.this, len(items), "ORDER BY")
            if not place and names is not None and len(names) == 1:
                place = places.get(names[0].lower(), 0)
            if not place and keys is not None and names is not None:
                self._check_grouped(part.this, inner, keys)
            text = str(place) if place else self._sort_text(part.this, inner, items)
            texts.append(text + direction(part))
        return f" ORDER BY {', '.join(texts)}"

    def _sort_text(self, node: exp.Expression, scope: Scope, items: list[_Item]) -> str:
        text = self.translator.expressions.emit(node, scope).text
        return next((str(at) for at, item in enumerate(items, 1) if item.value.text == text), text)


def _ordinal(node: exp.Expression, count: int, clause: str) -> int:
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdecimal():
        return 0
    if not 1 <= int(node.name) <= count:
        raise InvalidStatement(f"{clause} position {node.name} is not in select list")
    return int(node.name)


def _brought(emitted: Emitted, columns: list[tuple[str, SqlType]]) -> str:
    """Return a query as an operand, its columns brought to the types that both sides have in common."""
    wanted = [kind for _, kind in columns]
    if [kind for _, kind in emitted.columns] == wanted:
        return f"(SELECT * FROM ({emitted.text}) AS q)"
    parts = (
        f"{casts.as_type(Typed(f'c{at}', kind), VARCHAR if to == UNKNOWN else to).text} AS c{at}"
        for at, ((_, kind), to) in enumerate(zip(emitted.columns, wanted, strict=True), 1)
    )
    return f"(SELECT {', '.join(parts)} FROM ({emitted.text}) AS q)"


def _limit(node: exp.Expression) -> str:
    """Return OFFSET and LIMIT; both are plain numbers."""
    text = ""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if isinstance(limit, exp.Fetch):
        options = limit.args.get("limit_options")
        if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
            raise InvalidStatement("FETCH FIRST takes a number of rows")
        text += f" LIMIT {_count(limit.args.get('count'), 'FETCH FIRST')}"
    elif limit is not None and limit.expression.name.upper() != "ALL":
        if limit.args.get("offset") or limit.args.get("expressions") or limit.args.get("limit_options"):
            raise InvalidStatement("LIMIT takes one number")
        text += f" LIMIT {_count(limit.expression, 'LIMIT')}"
    if offset is not None:
        text += f" OFFSET {_count(offset.expression, 'OFFSET')}"
    return text


def _count(node: exp.Expression | None, clause: str) -> int:
    if node is None:
        return 1
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdecimal() or len(node.name) > 18:
        raise InvalidStatement(f"{clause} takes a number")
    return int(node.name)


def _refuse_others(node: exp.Expression, allowed: set[str]) -> None:
    for name, value in node.args.items():
        if value and name not in allowed:
            raise InvalidStatement(f"{name.strip('_').replace('_', ' ').upper()} is not supported")
