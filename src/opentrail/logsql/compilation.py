"""A query compiled: one statement over the table of log events, and the columns of its result.

Each command wraps what came before it in one more SELECT, which keeps all columns and adds its own. Only ``stats``
begins anew. The order of rows is kept aside as SQL and applied where rows are counted: at limit, dedup and the end.
"""

from dataclasses import dataclass
from datetime import datetime

from opentrail.logsql.expressions import Expressions
from opentrail.logsql.literals import quoted_text
from opentrail.logsql.parsing import parse_query
from opentrail.logsql.scope import POINTER, Origin, Scope
from opentrail.logsql.syntax import Command, Dedup, Expression, Field, Fields, Filter, Limit, Parse, Sort, Span, Stats
from opentrail.logsql.values import Kind, Value, text_value

TABLE = "log_events"
"""The table that statements read."""

COLUMNS = (
    *(("grp", "VARCHAR"), ("log", "VARCHAR"), ("stream", "VARCHAR"), ("ts", "BIGINT"), ("seq", "BIGINT")),
    *(("ing", "BIGINT"), ("message", "VARCHAR")),
)
"""Its columns: the group's id, ``account:group``, the stream's name, time and place of the event, when it came (ms)."""

DEFAULT_LIMIT = 10_000
_ALL = "SELECT * FROM log_events"
_NEWEST_FIRST = ("ts DESC", "seq DESC", "grp")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a result: its label, and whether all of its texts are numbers."""

    label: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """``sql`` gives texts and NULLs, a row for each row of the result, at most ``limit`` of them.

    Where rows are events (``is_grouped`` is false) a last column holds their ``@ptr``.
    """

    sql: str
    columns: tuple[Column, ...]
    is_grouped: bool
    limit: int


def compile_query(text: str, origin: Origin, now: datetime, limit: int = DEFAULT_LIMIT) -> CompiledQuery:
    """Compile a query that gives ``limit`` rows at most, fewer where it says so itself. Raises MalformedQuery."""
    return _Compiler(text, origin, now).compile(parse_query(text), limit)


class _Compiler:
    def __init__(self, text: str, origin: Origin, now: datetime) -> None:
        self._text = text
        self._now = now
        self._scope = Scope(origin)
        self._before: list[str] = []
        self._after: list[str] = []
        self._count = 0
        self._order: tuple[str, ...] = _NEWEST_FIRST
        self._shown: dict[str, Value] = {}
        self._is_displayed = False

    def compile(self, commands: tuple[Command, ...], limit: int) -> CompiledQuery:
        for command in commands:
            self._apply(command)
        is_grouped = self._scope.is_grouped
        if not self._shown:
            for name in ("@timestamp", "@message"):
                self._shown[name] = self._scope.find(_field(name))
        texts = [value.text for value in self._shown.values()]
        if not is_grouped:
            texts.append(POINTER)
        listed = ", ".join(f"{text} AS r{at}" for at, text in enumerate(texts))
        self._select(listed, f"ORDER BY {', '.join(self._order)} LIMIT {limit}")
        columns = [Column(name, value.kind is Kind.NUMBER) for name, value in self._shown.items()]
        if not is_grouped:
            columns.append(Column("@ptr", is_number=False))
        sql = "".join([*reversed(self._before), self._base(), *self._after])
        return CompiledQuery(sql, tuple(columns), is_grouped, limit)

    def _base(self) -> str:
        pointers = ", ".join(map(quoted_text, self._scope.discovered))
        if not pointers:
            return _ALL
        return f"SELECT *, json_extract(logs_object(message), [{pointers}]) AS found FROM {TABLE}"  # noqa: S608

    def _apply(self, command: Command) -> None:
        match command:
            case Fields():
                self._fields(command)
            case Filter(condition):
                self._select("*", f"WHERE {self._compiled(condition).condition}")
            case Parse():
                self._parse(command)
            case Stats():
                self._stats(command)
            case Sort():
                self._sort(command)
            case Limit(count):
                self._select("*", f"ORDER BY {', '.join(self._order)} LIMIT {count}")
            case Dedup(fields):
                self._dedup(fields)

    def _compiled(self, expression: Expression, *, is_grouping: bool = False) -> Value:
        return Expressions(self._text, self._scope, self._now, is_grouping=is_grouping).compile(expression)

    def _select(self, listed: str, behind: str = "") -> None:
        """Put one more SELECT around the statement so far."""
        self._before.append(f"SELECT {listed} FROM (")  # noqa: S608
        self._after.append(f") {behind}")

    def _name(self) -> str:
        self._count += 1
        return f"c{self._count}"

    def _fields(self, command: Fields) -> None:
        if command.is_display:
            self._shown, self._is_displayed = {}, True
        added: list[str] = []
        found: dict[str, Value] = {}
        for item in command.items:
            value = self._compiled(item.expression)
            if not isinstance(item.expression, Field):
                value = self._column(value, added)
            found[item.label] = value
        if added:
            self._select(f"*, {', '.join(added)}")
        for item in command.items:
            value = found[item.label]
            if item.is_named or not isinstance(item.expression, Field):
                self._scope.made[item.label] = value
            if command.is_display or not self._is_displayed:
                self._shown[item.label] = value

    def _column(self, value: Value, added: list[str]) -> Value:
        """Give a value a column of its own and return what it is from then on."""
        name = self._name()
        added.append(f"{value.sql} AS {name}")
        return Value(name, value.kind)

    def _parse(self, command: Parse) -> None:
        source = self._name()
        expression = quoted_text(command.expression)
        self._select(f"*, {self._compiled(command.source).text} AS {source}")
        added = []
        for at, name in enumerate(command.names, 1):
            column = self._name()
            taken = f"regexp_extract({source}, {expression}, {at})"
            added.append(f"CASE WHEN regexp_matches({source}, {expression}) THEN {taken} END AS {column}")
            self._scope.made[name] = text_value(column)
        self._select(f"*, {', '.join(added)}")

    def _stats(self, command: Stats) -> None:
        keys: list[str] = []
        groups = {item.label: self._column(self._compiled(item.expression), keys) for item in command.groups}
        if keys:
            self._select(f"*, {', '.join(keys)}")
        results: list[str] = []
        shown = dict(groups)
        for item in command.items:
            shown[item.label] = self._column(self._compiled(item.expression, is_grouping=True), results)
        listed = [value.sql for value in groups.values()]
        grouping = f"GROUP BY {', '.join(listed)}" if listed else ""
        self._select(", ".join([*listed, *results]), grouping)
        self._scope.made, self._shown, self._is_displayed = dict(shown), dict(shown), False
        self._scope.is_grouped = True
        self._order = tuple(f"{value.sql} DESC" if value.kind is Kind.TIME else value.sql for value in groups.values())
        self._order = self._order or ("1",)

    def _sort(self, command: Sort) -> None:
        added: list[str] = []
        order: list[str] = []
        for key in command.keys:
            direction = "DESC" if key.is_descending else "ASC"
            for sql in _sort_keys(self._compiled(key.expression)):
                name = self._name()
                added.append(f"{sql} AS {name}")
                order.append(f"{name} {direction} NULLS LAST")
        self._select(f"*, {', '.join(added)}")
        self._order = (*order, *(_NEWEST_FIRST if not self._scope.is_grouped else self._group_order()))

    def _group_order(self) -> tuple[str, ...]:
        return tuple(value.sql for value in self._shown.values())

    def _dedup(self, fields: tuple[Field, ...]) -> None:
        keys = [self._compiled(field).text for field in fields]
        first = f"row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {', '.join(self._order)}) = 1"
        missing = " OR ".join(f"{key} IS NULL" for key in keys)
        self._select("*", f"QUALIFY {first} OR {missing}")


def _sort_keys(value: Value) -> list[str]:
    """Return the SQL that values order by: texts, part by part, before numbers; what is missing is last."""
    if value.kind in (Kind.NUMBER, Kind.TIME):
        return [value.sql]
    number, text = value.number, value.text
    is_number = f"CASE WHEN {text} IS NOT NULL THEN {number} IS NOT NULL END"
    return [is_number, number, f"logs_natural({text})", text]


def _field(name: str) -> Field:
    return Field(name, (name,), Span(0, 0))
