"""DuckDB as the lake's queries find it, for tests of what statements become."""

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb

from opentrail.lakesql.errors import UnknownStore
from opentrail.lakesql.macros import preparation
from opentrail.lakesql.schema import TableSchema
from opentrail.lakesql.translation import Translation, translate

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Row = tuple[str | None, ...]


def no_tables(reference: str) -> TableSchema:
    """The finder of a caller who may read nothing."""
    raise UnknownStore(reference)


class LakeEngine:
    """One engine with the macros, and tables that are made of literal rows."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET TimeZone = 'UTC'")
        for statement in preparation():
            self._connection.execute(statement)

    def translate(self, statement: str, tables: dict[str, TableSchema] | None = None) -> Translation:
        known = tables or {}

        def find(reference: str) -> TableSchema:
            if reference not in known:
                raise UnknownStore(reference)
            return known[reference]

        return translate(statement, find, NOW)

    def make_table(self, view: str, schema: TableSchema, rows: Sequence[str] = ()) -> None:
        """Make a table of DuckDB tuples written as text."""
        columns = ", ".join(f'"{name}" {kind.duckdb}' for name, kind in schema.columns)
        self._connection.execute(f"CREATE OR REPLACE TABLE {view} ({columns})")
        for row in rows:
            self._connection.execute(f"INSERT INTO {view} VALUES {row}")

    def run(self, statement: str, tables: dict[str, tuple[TableSchema, Sequence[str]]] | None = None) -> list[Row]:
        """Translate a statement, run it over tables of literal rows, and return its rows as texts."""
        known = tables or {}
        translation = self.translate(statement, {name: schema for name, (schema, _) in known.items()})
        for use in translation.tables:
            self.make_table(use.view, *known[use.reference])
        return self._connection.execute(translation.sql).fetchall()

    def close(self) -> None:
        self._connection.close()
