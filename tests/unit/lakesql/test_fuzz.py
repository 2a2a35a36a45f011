"""Whatever a statement says, it is refused by its own error or becomes text that only reads what it may read."""

import re
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.lakesql.errors import InvalidStatement, UnknownStore
from opentrail.lakesql.schema import TableSchema
from opentrail.lakesql.translation import Translation, translate
from opentrail.lakesql.types import BIGINT, LAKE_MAP, TIMESTAMP, VARCHAR
from tests.support.lake_engine import LakeEngine

SCHEMA = TableSchema((("eventid", VARCHAR), ("eventtime", TIMESTAMP), ("m", LAKE_MAP), ("n", BIGINT)))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = (
    'SELECT', 'FROM', 'WHERE', 'GROUP', 'BY', 'ORDER', 'LIMIT', 'UNION', 'ALL', 't', 'eventid', 'eventtime', 'm',
    'n', '*', '(', ')', ',', '.', '=', '<', '>', '+', '-', '/', '%', '1', '0', '1.5', "'x'", "'$.a'",
    "'2023-01-01'", 'AND', 'OR', 'NOT', 'NULL', 'IS', 'IN', 'LIKE', 'BETWEEN', 'CASE', 'WHEN', 'THEN', 'ELSE',
    'END', 'CAST', 'AS', 'varchar', 'count', 'sum', 'element_at', 'map_keys', 'json_extract_scalar', 'UNNEST',
    'CROSS', 'JOIN', 'ON', 'USING', 'WITH', 'a', 'b', '[', ']', '->', ';', 'read_text', 'glob', 'read_csv',
    "'/etc/passwd'", 'COPY', 'TO', 'ATTACH', 'INSTALL', 'SET', 'PRAGMA', 'CALL', 'EXPORT', 'duckdb_settings()',
    'information_schema.tables', '"x""', 'y"', '/*', '*/', '--', '\\', '\x00', '$1', '?', ':x', '@x',
)  # fmt: skip

statements = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map(lambda words: "SELECT " + " ".join(words) + " FROM t"),
    st.lists(st.sampled_from(WORDS), max_size=12).map(lambda words: "SELECT 1 FROM t WHERE " + " ".join(words)),
    st.text(max_size=60).map(lambda text: f"SELECT {text} FROM t"),
)


def find(reference: str) -> TableSchema:
    if reference != "t":
        raise UnknownStore(reference)
    return SCHEMA


def translated(statement: str) -> Translation | None:
    try:
        return translate(statement, find, NOW)
    except InvalidStatement:
        return None


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statements)
def test_a_statement_is_refused_by_its_own_error_or_reads_only_its_tables(statement: str) -> None:
    found = translated(statement)

    if found is not None:
        bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", found.sql)
        for word in ("read_", "glob", "duckdb_", "information_schema", "COPY", "ATTACH", "PRAGMA", ";", "--", "/*"):
            assert word not in bare


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_comes_back_as_it_was_written(value: str) -> None:
    quoted = value.replace("'", "''")
    found = translated(f"SELECT '{quoted}'")
    if found is None:
        pytest.fail("a literal string was refused")

    with duckdb.connect(":memory:") as connection:
        row = connection.execute(found.sql).fetchone()

    assert row == (value,)


def test_an_alias_never_gets_out_of_its_quotes() -> None:
    engine = LakeEngine()
    alias = '"x"") AS c1, (SELECT 1) --"'

    assert engine.run(f"SELECT {alias}.eventid, 1 AS {alias} FROM t AS {alias}", {"t": (SCHEMA, ())}) == []
    engine.close()
