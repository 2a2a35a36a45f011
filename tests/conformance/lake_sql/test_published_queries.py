"""AWS's published Lake queries over real records and seeded ones give what pandas gives."""

import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter

import orjson
import pandas as pd
import pytest
import pytest_asyncio

from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.adapters.query_engine.duckdb import DuckDbEngine
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.lakesql.translation import translate
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import LakeFile
from opentrail.ports.query_engine import EngineTable
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from tests.conformance.lake_sql.published import (
    ATHENA,
    LIMITS,
    ORDERED,
    PATCH_STATES,
    PATCHES,
    PLACEHOLDERS,
    PUBLISHED,
    REPAIRS,
    Record,
    Row,
    a_configuration_item,
    frame_of,
    is_ordered,
)
from tests.conformance.records.witnesses import CORPUS
from tests.memory.store_keys import InMemoryStoreKeys

SHARED = CORPUS.parents[1]
QUERIES = SHARED / "corpus" / "conformance" / "lake-sql"
ATHENA_FILE = SHARED / "acceptance" / "athena.sql"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
STORE, ITEMS = "0a1b2c3d-1111-4222-8333-444455556666", "0a1b2c3d-1111-4222-8333-444455557777"

if not QUERIES.is_dir() and not os.environ.get("CI"):
    pytest.skip(f"no queries at {QUERIES}", allow_module_level=True)


location_of = attrgetter("location")


def a_store(store_id: str, category: str) -> EventDataStore:
    selectors = ({"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": [category]}]},)
    arn = event_data_store_arn("us-east-1", "111111111111", store_id)
    return EventDataStore(arn, "s", "111111111111", "us-east-1", NOW, NOW, advanced_event_selectors=selectors)


def real_records() -> list[Record]:
    records: list[Record] = []
    for path in sorted((CORPUS / "invictus-ir").rglob("*.json")):
        records += json.loads(path.read_bytes())["Records"]
    return records


def all_records() -> list[Record]:
    records = real_records() + [seed for published in PUBLISHED.values() for seed in published.seeds]
    records.append(
        {**records[-1], "eventName": "DeleteBucket", "eventTime": "2023-02-01T00:00:00Z",
         "userIdentity": {"type": "IAMUser", "userName": "alice"},
         "requestParameters": {"bucketName": "my-resource-name"}}
    )  # fmt: skip
    records.append({**records[0], "eventTime": "2022-05-02T00:00:00Z"})
    return [record | {"eventID": record.get("eventID") or f"seed-{at}"} for at, record in enumerate(records)]


@dataclass
class Tables:
    """Two event data stores in their real tables, and the engine."""

    engine: DuckDbEngine
    files: dict[str, tuple[LakeFile, ...]]
    stores: dict[str, EventDataStore]
    records: list[Record]
    frame: pd.DataFrame

    async def ask(self, statement: str) -> tuple[list[str], list[Row]]:
        translation = translate(statement, lambda name: schema_of_kind(self.stores[name].kind), NOW)
        tables = []
        for use in translation.tables:
            columns = schema_of_kind(self.stores[use.reference].kind).columns
            names, types = zip(*((name, kind.duckdb) for name, kind in columns), strict=True)
            files = self.files[use.reference]
            keys = {file.location: file.key for file in files if file.key}
            tables.append(EngineTable(use.view, names, types, tuple(map(location_of, files)), None, file_keys=keys))
        rows: list[Row] = []

        async def keep(page: bytes, count: int) -> None:
            rows.extend(orjson.loads(page))

        await self.engine.run(translation.sql, tables, keep)
        return [column.label for column in translation.columns], rows


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["", pytest.param("key/1", marks=pytest.mark.slow)])
async def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tables]:
    folder = tmp_path_factory.mktemp("lake")
    lake = LocalLakeTables(folder / "tables", keys=InMemoryStoreKeys())
    stores = {STORE: a_store(STORE, "Management"), ITEMS: a_store(ITEMS, "ConfigurationItem")}
    records = all_records()
    items = [a_configuration_item("2023-06-24T00:00:00Z"), a_configuration_item("2023-06-23T01:00:00Z")]
    files = {}
    for name, content in ((STORE, records), (ITEMS, items)):
        table = await lake.open(replace(stores[name], kms_key_id=request.param))
        events = [orjson.dumps(record) for record in content]
        await table.commit(events, Position("1"), datetime(2000, 1, 1, tzinfo=UTC), NOW)
        files[name] = (await table.version()).files
    yield Tables(DuckDbEngine(folder / "spill"), files, stores, records, frame_of(records))
    await lake.close()


def statement_of(name: str, store: str = STORE) -> str:
    statement = (QUERIES / name).read_text()
    for found, put in REPAIRS.get(name, ()):
        assert found in statement
        statement = statement.replace(found, put)
    for placeholder in PLACEHOLDERS:
        statement = statement.replace(placeholder, store)
    return statement


def ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=repr)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", sorted(PUBLISHED))
async def test_a_published_query_gives_what_pandas_gives(tables: Tables, name: str) -> None:
    published = PUBLISHED[name]

    labels, rows = await tables.ask(statement_of(name))

    if published.columns:
        places = [[label.lower() for label in labels].index(column.lower()) for column in published.columns]
        if name.startswith("list-all-events-in"):
            places[2] = 2
            places[4] = 5
        rows = [[row[place] for place in places] for row in rows]
    expected = published.answer(tables.frame)
    assert rows
    if name in LIMITS:
        assert len(rows) == min(len(expected), LIMITS[name])
        assert all(row in expected for row in rows)
        if name in ORDERED:
            counts = sorted((int(row[-1] or 0) for row in expected), reverse=True)
            assert [int(row[-1] or 0) for row in rows] == counts[: LIMITS[name]]
    else:
        assert ordered(rows) == ordered(expected)
    assert is_ordered(rows, ORDERED.get(name, ()))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "count"),
    [("ssm-patch-compliance-distinct-ec2-instance-latest.sql", 1),
     ("ssm-patch-compliance-selected-ec2-instance-time-range.sql", 2)],
)  # fmt: skip
async def test_a_published_query_on_configuration_items(tables: Tables, name: str, count: int) -> None:
    labels, rows = await tables.ask(statement_of(name, ITEMS))

    found = [dict(zip(labels, row, strict=True)) for row in rows]
    assert len(found) == count
    for row in found:
        assert row["InstanceId"] == "i-1"
        for state in PATCH_STATES:
            wanted = [patch["Id"] for patch in PATCHES.values() if patch["PatchState"] == state]
            assert json.loads(row[state] or "") == wanted


def test_every_published_query_is_among_them() -> None:
    known = set(PUBLISHED) | {"ssm-patch-compliance-distinct-ec2-instance-latest.sql"}
    known.add("ssm-patch-compliance-selected-ec2-instance-time-range.sql")

    assert {path.name for path in QUERIES.glob("*.sql")} == known


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("at", range(len(ATHENA)))
async def test_the_everyday_queries_of_athena_give_what_pandas_gives(tables: Tables, at: int) -> None:
    selects = [part for part in ATHENA_FILE.read_text().split(";") if part.strip().startswith("SELECT")]
    assert len(selects) == len(ATHENA)
    limit = re.search(r"LIMIT (\d+)", selects[at])

    _, rows = await tables.ask(selects[at].replace("cloudtrail_logs", STORE))

    expected = ATHENA[at].answer(tables.frame)
    newest = sorted((row[0] or "" for row in expected), reverse=True)[: int(limit[1]) if limit else None]
    assert rows
    assert [row[0] for row in rows] == newest
    assert not Counter(map(tuple, rows)) - Counter(map(tuple, expected))
