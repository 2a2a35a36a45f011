"""The door of the library: a statement and the tables its caller may read come in, DuckDB text goes out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlglot import exp

from opentrail.lakesql import casts
from opentrail.lakesql.bounds import EVER, TimeBounds
from opentrail.lakesql.calls import Calls
from opentrail.lakesql.errors import InvalidStatement, Place
from opentrail.lakesql.expressions import Expressions
from opentrail.lakesql.functions.signature import Typed
from opentrail.lakesql.parsing import Statement, parse
from opentrail.lakesql.schema import Sought, TableSchema
from opentrail.lakesql.scope import Scope
from opentrail.lakesql.selects import Emitted, Selects
from opentrail.lakesql.types import SqlType

TableFinder = Callable[[str], TableSchema]
"""Gives the columns of the table that a FROM names; raises UnknownStore when its caller may not read such a table."""

MAX_TABLE_USES = 40
"""How many FROMs may name event data stores in one statement."""


@dataclass(frozen=True, slots=True)
class TableUse:
    """One place where a statement reads a table: the name it is read by in the DuckDB text, what the statement called
    it, the times that its WHERE leaves, and what its WHERE looks for."""

    view: str
    reference: str
    bounds: TimeBounds
    sought: tuple[Sought, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One column of the result: its label, and Trino's name of its type."""

    label: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Translation:
    """What a statement becomes: ``sql`` gives every column as the text that results show (NULL for NULL)."""

    sql: str
    columns: tuple[OutputColumn, ...]
    tables: tuple[TableUse, ...]


def translate(statement: str, find_table: TableFinder, now: datetime) -> Translation:
    """Translate one SELECT. The same statement, tables and time give the same text.

    Raises InvalidStatement with a message for the statement's writer, and whatever ``find_table`` raises.
    """
    try:
        return Translator(parse(statement), find_table, now).translation()
    except RecursionError as error:
        raise InvalidStatement("The statement is nested too deeply.") from error


def references(statement: str) -> tuple[str, ...]:
    """Return what the FROMs of a statement name as tables, each once; its own WITH queries are left out."""
    return tuple(reference_places(statement))


def reference_places(statement: str) -> dict[str, Place | None]:
    """Return what ``references`` does, each with the place where the statement names it first."""
    try:
        parsed = parse(statement)
        own = {cte.alias.lower() for cte in parsed.query.find_all(exp.CTE)}
        tables = [table for table in parsed.query.find_all(exp.Table) if isinstance(table.this, exp.Identifier)]
        places: dict[str, Place | None] = {}
        for table in tables:
            if table.name.lower() not in own:
                places.setdefault(table.name, parsed.place(table.this))
    except RecursionError as error:
        raise InvalidStatement("The statement is nested too deeply.") from error
    return places


class Translator:
    """The work on one statement: what its parts need to know in common."""

    def __init__(self, statement: Statement, find_table: TableFinder, now: datetime) -> None:
        self.now = now
        self._statement = statement
        self._find_table = find_table
        self._names = 0
        self._uses: list[str] = []
        self._bounds: dict[int, TimeBounds] = {}
        self._sought: dict[int, tuple[Sought, ...]] = {}
        self._windows: list[dict[str, str]] = []
        self.expressions = Expressions(self)
        self.calls = Calls(self.expressions)
        self.selects = Selects(self)

    def translation(self) -> Translation:
        emitted = self.selects.query(self._statement.query, Scope())
        shown = ", ".join(
            f"{casts.shown(Typed(f'c{at}', kind))} AS c{at}" for at, (_, kind) in enumerate(emitted.columns, 1)
        )
        return Translation(
            f"SELECT {shown} FROM ({emitted.text}) AS result",
            tuple(OutputColumn(label, str(kind)) for label, kind in emitted.columns),
            tuple(
                TableUse(_view(use), reference, self._bounds.get(use, EVER), self._sought.get(use, ()))
                for use, reference in enumerate(self._uses)
            ),
        )

    def query(self, node: exp.Expression, scope: Scope) -> Emitted:
        """Return a query within a query."""
        return self.selects.query(node, scope.inner())

    def column_query(self, node: exp.Expression, scope: Scope) -> tuple[str, SqlType]:
        """Return a query that gives one column; it is called c1 there."""
        inner = node.this if isinstance(node, exp.Subquery) else node
        if isinstance(inner, exp.Values):
            inner = exp.Select(expressions=[exp.Star()], from_=exp.From(this=inner.copy()))
        emitted = self.query(inner, scope)
        if len(emitted.columns) != 1:
            raise InvalidStatement(f"Multiple columns returned by subquery are not supported: {len(emitted.columns)}")
        return emitted.text, emitted.columns[0][1]

    def use_table(self, reference: str) -> tuple[int, str, TableSchema]:
        """Note that the statement reads a table; return the use's number, its name and its columns."""
        schema = self._find_table(reference)
        if len(self._uses) >= MAX_TABLE_USES:
            raise InvalidStatement(f"A statement may read at most {MAX_TABLE_USES} tables.")
        self._uses.append(reference)
        return len(self._uses) - 1, _view(len(self._uses) - 1), schema

    def narrow(self, use: int, bounds: TimeBounds) -> None:
        """Note that only these times of a table are of interest."""
        self._bounds[use] = bounds

    def seek(self, use: int, sought: tuple[Sought, ...]) -> None:
        """Note what rows of a table must have."""
        self._sought[use] = sought

    def new_name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def enter_windows(self, names: dict[str, str]) -> None:
        self._windows.append(names)

    def leave_windows(self) -> None:
        self._windows.pop()

    def window_name(self, name: str) -> str:
        """Return the text of a window that the SELECT at hand defines."""
        known = self._windows[-1] if self._windows else {}
        if name.lower() not in known:
            raise InvalidStatement(f"Window '{name}' is not defined")
        return f"({known[name.lower()]})"

    def placed(self, error: InvalidStatement, node: exp.Expression) -> InvalidStatement:
        """Return ``error`` with the place of ``node``, unless it has a place already."""
        if str(error).startswith("line ") or type(error) is not InvalidStatement:
            return error
        return InvalidStatement(str(error), self._statement.place(node))


def _view(use: int) -> str:
    return f"lake_table_{use}"
