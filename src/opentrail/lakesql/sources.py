"""What a FROM may name: event data stores, WITH queries, subqueries, VALUES, UNNEST, and joins of these."""

from typing import TYPE_CHECKING

from sqlglot import exp

from opentrail.lakesql import casts, operators
from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Typed
from opentrail.lakesql.scope import Column, Relation, Scope
from opentrail.lakesql.text import quoted_name
from opentrail.lakesql.types import BIGINT, SqlType, common_type, map_of

if TYPE_CHECKING:
    from opentrail.lakesql.selects import Selects

_PLAIN_TABLE = {"this", "alias", "joins"}
_SIDES = {"": "INNER JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}


class Sources:
    """Emits the FROM of one statement's SELECTs."""

    def __init__(self, selects: "Selects") -> None:
        self._selects = selects
        self._translator = selects.translator

    def emit(self, select: exp.Select, scope: Scope) -> str:
        """Return the text of FROM with its joins, and put what it reads into ``scope``."""
        source = select.args.get("from_")
        if source is None:
            if select.args.get("joins"):
                raise InvalidStatement("A join needs a FROM.")
            return ""
        text, relation = self._item(source.this, scope)
        scope.relations.append(relation)
        joins = [*(source.this.args.get("joins") or ()), *(select.args.get("joins") or ())]
        return " FROM " + text + "".join(self._join(join, scope) for join in joins)

    def _item(self, node: exp.Expression, scope: Scope) -> tuple[str, Relation]:
        match node:
            case exp.Table():
                return self._table(node)
            case exp.Subquery():
                return self._subquery(node, scope)
            case exp.Values():
                return self._values(node, scope)
            case exp.Unnest():
                return self._unnest(node, scope)
            case exp.Lateral() if isinstance(node.this, exp.Subquery | exp.Unnest) and not node.args.get("view"):
                inner = node.this.copy()
                inner.set("alias", node.args.get("alias"))
                text, relation = self._item(inner, scope)
                return (text if text.startswith("LATERAL") else f"LATERAL {text}"), relation
        raise self._translator.placed(InvalidStatement(f"{node.key.upper()} is not supported in FROM"), node)

    def _table(self, node: exp.Table) -> tuple[str, Relation]:
        if not isinstance(node.this, exp.Identifier):
            name = node.this.name if node.this is not None else ""
            raise self._translator.placed(InvalidStatement(f"Table function '{name}' not registered"), node)
        extra = {name for name, value in node.args.items() if value} - _PLAIN_TABLE
        if extra:
            word = "A table's catalog or schema" if extra & {"db", "catalog"} else sorted(extra)[0].strip("_").upper()
            raise self._translator.placed(InvalidStatement(f"{word} is not supported in FROM"), node)
        name = self._translator.new_name("r")
        common = self._selects.common_query(node.name)
        if common is not None:
            columns = _columns(name, common.columns)
            return f"{common.name} AS {name}", Relation(*_named(node, node.name, columns))
        use, view, schema = self._translator.use_table(node.name)
        columns = tuple(Column(label, kind, f"{name}.{quoted_name(label)}") for label, kind in schema.columns)
        return f"{view} AS {name}", Relation(*_named(node, node.name, columns), table_use=use)

    def _subquery(self, node: exp.Subquery, scope: Scope) -> tuple[str, Relation]:
        if {name for name, value in node.args.items() if value} - {"this", "alias", "joins"}:
            raise InvalidStatement("A subquery in FROM takes only an alias")
        if isinstance(node.this, exp.Table | exp.Subquery) and not isinstance(node.this, exp.Query):
            raise InvalidStatement("Joins in parentheses are not supported in FROM")
        if isinstance(node.this, exp.Table):
            raise InvalidStatement("Joins in parentheses are not supported in FROM")
        emitted = self._selects.query(node.this, scope)
        name = self._translator.new_name("r")
        return f"({emitted.text}) AS {name}", Relation(*_named(node, "", _columns(name, emitted.columns)))

    def _values(self, node: exp.Values, scope: Scope) -> tuple[str, Relation]:
        rows = [
            [self._translator.expressions.emit(part, scope) for part in getattr(line, "expressions", ()) or [line]]
            for line in node.expressions
        ]
        if len({len(line) for line in rows}) != 1:
            raise InvalidStatement("Values rows have mismatched sizes")
        kinds = []
        for at in range(len(rows[0])):
            kind = common_type([line[at].kind for line in rows])
            if kind is None:
                raise InvalidStatement(f"Values rows have mismatched types in column {at + 1}")
            kinds.append(kind)
        lines = (
            "(" + ", ".join(casts.as_type(value, kind).text for value, kind in zip(line, kinds, strict=True)) + ")"
            for line in rows
        )
        name = self._translator.new_name("r")
        columns = ", ".join(f"c{at}" for at in range(1, len(kinds) + 1))
        relation = Relation(
            *_named(node, "", _columns(name, tuple((f"_col{at}", kind) for at, kind in enumerate(kinds))))
        )
        return f"(VALUES {', '.join(lines)}) AS {name}({columns})", relation

    def _unnest(self, node: exp.Unnest, scope: Scope) -> tuple[str, Relation]:
        values = [self._translator.expressions.emit(part, scope) for part in node.expressions]
        alias = node.args.get("alias")
        names = [part.name for part in alias.args.get("columns") or ()] if alias is not None else []
        offset = node.args.get("offset")
        if isinstance(offset, exp.Identifier):
            names.append(offset.name)
        name = self._translator.new_name("r")
        parts, columns = self._unnested(values, name, len(names) - bool(offset))
        if offset:
            longest = ", ".join(f"len({_list_of(value)})" for value in values)
            parts.append(f"unnest(range(1, coalesce(greatest({longest}, 0), 0) + 1)) AS o1")
            columns.append(Column("ordinality", BIGINT, f"{name}.o1"))
        relation = Relation(alias.name.lower() if alias is not None else "", _renamed(tuple(columns), names))
        return f"LATERAL (SELECT {', '.join(parts)}) AS {name}", relation

    def _unnested(self, values: list[Typed], name: str, wanted: int) -> tuple[list[str], list[Column]]:
        """Give each array a column, or one for each field of its rows where the statement has names for all of them."""
        whole = sum(2 if value.kind.is_map else 1 for value in values)
        parts: list[str] = []
        columns: list[Column] = []
        for value in values:
            unit = f"u{len(parts) + 1}"
            if value.kind.is_map:
                real = casts.as_type(value, map_of(*value.kind.parts)).text
                parts += [f"unnest(map_keys({real})) AS {unit}", f"unnest(map_values({real})) AS {unit}v"]
                columns += [
                    Column("key", value.kind.parts[0], f"{name}.{unit}"),
                    Column("value", value.kind.parts[1], f"{name}.{unit}v"),
                ]
                continue
            if not value.kind.is_array:
                raise InvalidStatement(f"Cannot unnest type: {value.kind}")
            parts.append(f"unnest({value.text}) AS {unit}")
            element = value.kind.parts[0]
            if element.is_row and wanted != whole:
                columns += [
                    Column(field or f"_col{at}", kind, f"{name}.{unit}.{quoted_name(field or f'f{at + 1}')}")
                    for at, (field, kind) in enumerate(element.fields)
                ]
            else:
                columns.append(Column("_col0", element, f"{name}.{unit}"))
        return parts, columns

    def _join(self, join: exp.Join, scope: Scope) -> str:
        side, kind = str(join.args.get("side") or ""), str(join.args.get("kind") or "")
        if join.args.get("method") or kind not in ("", "CROSS", "INNER", "OUTER") or side not in _SIDES:
            raise self._translator.placed(
                InvalidStatement(f"{join.args.get('method') or kind} JOIN is not supported"), join
            )
        text, relation = self._item(join.this, scope)
        before = list(scope.relations)
        scope.relations.append(relation)
        condition, using = join.args.get("on"), join.args.get("using")
        nested = "".join(self._join(inner, scope) for inner in join.this.args.get("joins") or ())
        if using:
            on = " AND ".join(self._using(part, before, relation, side, scope) for part in using)
        elif condition is not None:
            on = self._translator.expressions.condition(condition, scope, "JOIN ON clause")
        elif kind == "CROSS" or not (side or kind):
            return f" CROSS JOIN {text}{nested}"
        else:
            raise self._translator.placed(InvalidStatement("A join needs ON or USING"), join)
        return f" {_SIDES[side]} {text} ON {on}{nested}"

    def _using(self, part: exp.Expression, before: list[Relation], right: Relation, side: str, scope: Scope) -> str:
        name = part.name.lower()
        left = [column for relation in before for column in relation.find(name)][:1]
        other = right.find(name)
        if name in scope.merged:
            left = [scope.merged[name]]
        if not left or not other:
            raise InvalidStatement(f"Column '{part.name}' is missing from a side of the join")
        one, two = operators.comparable([Typed(left[0].text, left[0].kind), Typed(other[0].text, other[0].kind)], "=")
        text = {"RIGHT": two.text, "FULL": f"coalesce({one.text}, {two.text})"}.get(side, one.text)
        scope.merged[name] = Column(left[0].label, one.kind, text)
        return f"({one.text} = {two.text})"


def _list_of(value: Typed) -> str:
    return f"map_keys({casts.as_type(value, map_of(*value.kind.parts)).text})" if value.kind.is_map else value.text


def _columns(name: str, columns: tuple[tuple[str, SqlType], ...]) -> tuple[Column, ...]:
    return tuple(Column(label, kind, f"{name}.c{at}") for at, (label, kind) in enumerate(columns, 1))


def _named(node: exp.Expression, default: str, columns: tuple[Column, ...]) -> tuple[str, tuple[Column, ...]]:
    alias = node.args.get("alias")
    if alias is None:
        return default.lower(), columns
    return (alias.name or default).lower(), _renamed(columns, [part.name for part in alias.args.get("columns") or ()])


def _renamed(columns: tuple[Column, ...], names: list[str]) -> tuple[Column, ...]:
    if not names:
        return columns
    if len(names) != len(columns):
        raise InvalidStatement(f"Column alias list has {len(names)} entries but there are {len(columns)} columns")
    return tuple(column._replace(label=name) for column, name in zip(columns, names, strict=True))
