"""What a statement may say, what its names mean, and how it is told that it is wrong."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from opentrail.lakesql.errors import InvalidStatement, UnknownStore
from opentrail.lakesql.schema import TableSchema
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.lakesql.translation import references
from opentrail.lakesql.types import BIGINT, LAKE_MAP, TIMESTAMP, VARCHAR, array, row
from opentrail.resource.event_data_store import EventDataStoreKind
from tests.support.lake_engine import LakeEngine

STORE = "0a1b2c3d-1111-2222-3333-444455556666"
ARN = f"arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/{STORE}"
SMALL = TableSchema(
    (
        ("eventid", VARCHAR),
        ("eventtime", TIMESTAMP),
        ("requestparameters", LAKE_MAP),
        ("useridentity", row((("type", VARCHAR), ("username", VARCHAR)))),
        ("resources", array(row((("arn", VARCHAR), ("type", VARCHAR))))),
        ("size", BIGINT),
    )
)
ROWS = (
    """('1', TIMESTAMP '2023-01-02 00:00:00', '{"bucketName":"b","n":{"x":[1]},"k~/":"q","none":null}',
        {'type': 'IAMUser', 'username': 'ann'}, [{'arn': 'a1', 'type': 't1'}, {'arn': 'a2', 'type': 't2'}], 7)""",
    "('2', TIMESTAMP '2023-01-03 10:00:00', NULL, {'type': 'Root', 'username': NULL}, NULL, NULL)",
)


@pytest.fixture(scope="module")
def engine() -> Iterator[LakeEngine]:
    engine = LakeEngine()
    yield engine
    engine.close()


def run(engine: LakeEngine, statement: str, rows: Sequence[str] = ROWS) -> list[tuple[str | None, ...]]:
    return engine.run(statement, dict.fromkeys((STORE, ARN, "other"), (SMALL, rows)))


@pytest.mark.parametrize("name", [STORE, f'"{STORE}"', ARN, f'"{ARN}"', f"{STORE} AS e", f"{STORE.upper()} e"])
def test_a_store_is_named_by_id_or_arn_quoted_or_not(engine: LakeEngine, name: str) -> None:
    known = STORE.upper() if STORE.upper() in name else STORE

    rows = engine.run(f"SELECT eventid FROM {name} ORDER BY 1", {known: (SMALL, ROWS), ARN: (SMALL, ROWS)})

    assert rows == [("1",), ("2",)]


def test_an_id_within_a_string_or_a_comment_stays_what_it_is(engine: LakeEngine) -> None:
    assert run(engine, f"SELECT '{STORE}' -- {STORE}\n /* {ARN} */ FROM {STORE} LIMIT 1") == [(STORE,)]


def test_a_store_that_the_caller_may_not_read_does_not_exist(engine: LakeEngine) -> None:
    with pytest.raises(UnknownStore, match="Table 'cloudtrail_logs' does not exist"):
        run(engine, "SELECT * FROM cloudtrail_logs")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("element_at(requestParameters, 'bucketName')", "b"),
        ("requestParameters['bucketName']", "b"),
        ("element_at(requestparameters, 'n')", '{"x":[1]}'),
        ("element_at(requestparameters, 'k~/')", "q"),
        ("element_at(requestparameters, 'none')", None),
        ("element_at(requestparameters, 'missing')", None),
        ("map_keys(requestparameters)", '["bucketName","n","k~/","none"]'),
        ("cardinality(requestparameters)", "4"),
        ('requestParameters LIKE \'%"bucketName":"b"%\'', "true"),
        ("json_extract_scalar(element_at(requestParameters, 'n'), '$.x[0]')", "1"),
        ("USERIDENTITY.UserName", "ann"),
        ("try(requestParameters['missing'])", None),
        ("element_at(resources, 2).arn", "a2"),
        ("resources[1].type", "t1"),
        ("useridentity", '{"type":"IAMUser","username":"ann"}'),
        ("cast(requestparameters as json)", '{"bucketName":"b","n":{"x":[1]},"k~/":"q","none":null}'),
    ],
)
def test_maps_read_as_maps_and_as_their_text(engine: LakeEngine, expression: str, value: str | None) -> None:
    assert run(engine, f"SELECT {expression} FROM other WHERE eventid = '1'") == [(value,)]


@pytest.mark.parametrize("expression", ["requestParameters['missing']", "resources[3]", "resources[0]"])
def test_a_subscript_that_is_not_there_fails_the_query(engine: LakeEngine, expression: str) -> None:
    with pytest.raises(Exception, match=r"Key not present in map|Array subscript is out of bounds"):
        run(engine, f"SELECT {expression} FROM other WHERE eventid = '1'")


@pytest.mark.parametrize(
    "condition",
    [
        "eventtime > '2023-01-02 12:00:00'",
        "eventTime >= '2023-01-03'",
        "eventtime > '2023-01-03T09:59:59Z'",
        "eventtime >= '2023-01-03T12:00:00+02:00'",
        "'2023-01-03 10:00:00' = eventtime",
        "eventtime BETWEEN '2023-01-03' AND '2023-01-04'",
        "eventtime IN (timestamp '2023-01-03 10:00:00')",
        "date(eventtime) = '2023-01-03'",
        "eventtime = date_add('hour', 10, timestamp '2023-01-03 00:00:00')",
    ],
)
def test_times_compare_with_text(engine: LakeEngine, condition: str) -> None:
    assert run(engine, f"SELECT eventid FROM other WHERE {condition}") == [("2",)]


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT r.arn FROM other CROSS JOIN UNNEST(resources) AS t(r) ORDER BY 1", [("a1",), ("a2",)]),
        ("SELECT a, b FROM other, UNNEST(resources) AS t(a, b) ORDER BY 1", [("a1", "t1"), ("a2", "t2")]),
        ("SELECT arn, n FROM other CROSS JOIN UNNEST(resources) WITH ORDINALITY AS t(arn, ty, n) ORDER BY n DESC",
         [("a2", "2"), ("a1", "1")]),
        ("SELECT eventid, k FROM other CROSS JOIN UNNEST(requestparameters) AS t(k, v) WHERE v = 'q'", [("1", "k~/")]),
        ("SELECT eventid, r.arn FROM other LEFT JOIN UNNEST(resources) AS t(r) ON true WHERE r.arn IS NULL",
         [("2", None)]),
        ("SELECT size FROM other ORDER BY size", [("7",), (None,)]),
        ("SELECT size FROM other ORDER BY size DESC", [("7",), (None,)]),
        ("SELECT size s FROM other ORDER BY S DESC NULLS FIRST", [(None,), ("7",)]),
        ("SELECT rank() OVER w FROM other WINDOW w AS (ORDER BY size) ORDER BY 1", [("1",), ("2",)]),
        ("WITH a AS (SELECT eventid x FROM other), b(y) AS (SELECT x FROM a) SELECT a.x, b.y FROM a JOIN b ON x = y "
         "WHERE y = '1'", [("1", "1")]),
        ("SELECT eventid FROM other UNION SELECT '1' UNION ALL SELECT '9' ORDER BY 1", [("1",), ("2",), ("9",)]),
        ("SELECT 1 EXCEPT SELECT 2", [("1",)]),
        ("SELECT eventid FROM other a WHERE EXISTS (SELECT 1 FROM other b WHERE b.size > 6 AND b.eventid = a.eventid)",
         [("1",)]),
        ("SELECT eventid FROM other WHERE size = (SELECT max(size) FROM other)", [("1",)]),
        ("SELECT eventid FROM other WHERE size >= ALL (SELECT size FROM other WHERE size IS NOT NULL)", [("1",)]),
        ("SELECT b.eventid FROM other a JOIN other b USING (eventid) WHERE eventid = '2'", [("2",)]),
        ("SELECT useridentity.type, count(*) c FROM other GROUP BY 1 HAVING count(*) > 0 ORDER BY c, 1 LIMIT 1",
         [("IAMUser", "1")]),
        ("SELECT useridentity.type, useridentity.username, count(*) FROM other "
         "GROUP BY GROUPING SETS ((useridentity.type), (useridentity.username)) ORDER BY 1, 2 OFFSET 1 LIMIT 1",
         [("Root", None, "1")]),
        ("SELECT eventid FROM other ORDER BY size OFFSET 1 ROWS FETCH FIRST 1 ROWS ONLY", [("2",)]),
        ("SELECT t.* FROM (SELECT eventid, size FROM other) t WHERE t.size = 7", [("1", "7")]),
        ("SELECT eventid FROM other WHERE " + " OR ".join(["eventid = '2'"] * 300), [("2",)]),
        ("(SELECT eventid FROM other ORDER BY 1 LIMIT 1)", [("1",)]),
        ("SELECT DISTINCT useridentity.type AS t FROM other ORDER BY t DESC;", [("Root",), ("IAMUser",)]),
    ],
)  # fmt: skip
def test_a_query_gives_what_trino_gives(engine: LakeEngine, statement: str, rows: list[tuple[str | None, ...]]) -> None:
    assert run(engine, statement) == rows


def test_columns_are_labelled_by_alias_or_by_the_last_name_as_it_was_written(engine: LakeEngine) -> None:
    statement = "SELECT userIdentity.userName, eventID AS Event, count(*), count(*) n FROM other GROUP BY 1, 2"

    columns = engine.translate(statement, {"other": SMALL}).columns

    assert [column.label for column in columns] == ["userName", "Event", "_col2", "n"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM other", "Only SELECT statements are supported, not DELETE."),
        ("CREATE TABLE x AS SELECT 1", "Only SELECT statements are supported, not CREATE."),
        ("INSERT INTO other SELECT 1", "Only SELECT statements are supported, not INSERT."),
        ("SELECT 1; SELECT 2", "Exactly one SELECT statement is expected."),
        ("", "Exactly one SELECT statement is expected."),
        ("SELECT nothing FROM other", "line 1:8: Column 'nothing' cannot be resolved"),
        ("SELECT eventid\nFROM other\nWHERE nothing = 1", "line 3:7: Column 'nothing' cannot be resolved"),
        (f"SELECT eventid FROM {STORE} WHERE nothing = 1", "line 1:64: Column 'nothing' cannot be resolved"),
        ("SELECT useridentity.nothing FROM other", "has no such field"),
        ("SELECT eventid FROM other a, other b", "Column 'eventid' is ambiguous"),
        ("SELECT eventid, count(*) FROM other", "'eventid' must be an aggregate expression or appear in GROUP BY"),
        ("SELECT size FROM other GROUP BY eventid", "'size' must be an aggregate expression"),
        ("SELECT 1 FROM other WHERE count(*) > 1", "WHERE clause cannot contain aggregations"),
        ("SELECT sum(sum(size)) FROM other", "Cannot nest aggregations"),
        ("SELECT eventid = 1 FROM other", "Cannot apply operator: varchar = integer"),
        ("SELECT 1 FROM other WHERE eventid", "WHERE clause must evaluate to a boolean: actual type varchar"),
        ("SELECT 1 FROM other WHERE eventtime > '${date}'", "'${date}' is not a valid timestamp literal"),
        ("SELECT 1 UNION SELECT 1, 2", "UNION query has different number of fields: 1, 2"),
        ("SELECT * FROM read_csv('/etc/passwd')", "Table function 'read_csv' not registered"),
        ("SELECT * FROM '/etc/passwd'", "Table '/etc/passwd' does not exist"),
        ("SELECT * FROM main.other", "A table's catalog or schema is not supported"),
        ("SELECT * FROM other TABLESAMPLE BERNOULLI (10)", "SAMPLE is not supported"),
        ("SELECT * EXCLUDE (size) FROM other", "* takes no EXCLUDE"),
        ("SELECT eventid ILIKE 'x' FROM other", "I LIKE is not supported"),
        ("WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a", "WITH RECURSIVE is not supported"),
        ("SELECT eventid FROM other FOR UPDATE", "LOCKS is not supported"),
        ("SELECT rank() FROM other", "Window function rank requires an OVER clause"),
        ("SELECT lower(eventid) OVER () FROM other", "'lower' is not a window or aggregate function"),
        ("SELECT eventid FROM other LIMIT x", "LIMIT takes a number"),
        ("SELECT eventid FROM FROM other", "SELECT is not supported in FROM"),
        ("SELECT (1", "line 1:10: mismatched input '<EOF>'"),
        ("SELECT eventid\nFROM ;", "line 2:5: mismatched input '<EOF>'"),
        ("SELECT eventid FROM other WHERE )", "line 1:33: mismatched input ')'"),
        ("SELECT 'open", "ends within a string"),
        ("SELECT " + "(" * 60 + "1" + ")" * 60, "nested more than 48 levels deep"),
        ("SELECT 1 " + "x" * 10_000, "longer than 10000 characters"),
    ],
)  # fmt: skip
def test_a_statement_that_is_not_allowed_is_told_why(engine: LakeEngine, statement: str, message: str) -> None:
    with pytest.raises(InvalidStatement) as refusal:
        run(engine, statement)

    assert message in str(refusal.value)


def test_the_times_that_a_where_leaves_are_told_for_each_table(engine: LakeEngine) -> None:
    statement = (
        "SELECT 1 FROM other a JOIN other b ON a.eventid = b.eventid "
        "WHERE a.eventtime > '2023-01-02' AND (a.eventtime < '2023-01-03 10:00' AND "
        "b.eventtime >= now() - interval '7' day)"
    )

    first, second = engine.translate(statement, {"other": SMALL}).tables

    assert (first.bounds.since, first.bounds.until) == (
        datetime(2023, 1, 2, tzinfo=UTC),
        datetime(2023, 1, 3, 10, tzinfo=UTC),
    )
    assert second.bounds.since == datetime(2025, 12, 26, 3, 4, 5, tzinfo=UTC)


def test_a_time_beside_or_leaves_every_time(engine: LakeEngine) -> None:
    (use,) = engine.translate(
        "SELECT 1 FROM other WHERE eventtime > '2023-01-02' OR eventid = '1'", {"other": SMALL}
    ).tables

    assert use.bounds.since.year == 1


def test_references_leave_out_the_statements_own_queries() -> None:
    statement = f'WITH a AS (SELECT 1 FROM {STORE}) SELECT * FROM a JOIN "x y" ON true'

    assert set(references(statement)) == {STORE, "x y"}


def test_every_kind_of_store_has_columns() -> None:
    for kind in EventDataStoreKind:
        assert ("eventtime", TIMESTAMP) in schema_of_kind(kind).columns
