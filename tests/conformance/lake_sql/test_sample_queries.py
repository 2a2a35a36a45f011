"""Every sample query runs over each kind of event that it is for, and finds what it is about."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import orjson
import pytest

from opentrail.adapters.lake_table.records import build_rows, read_records
from opentrail.lakesql.macros import preparation
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.lakesql.translation import translate
from opentrail.query.sample_queries import PLACEHOLDER, SampleQuery, sample_queries
from opentrail.resource.event_data_store import EventDataStoreKind
from tests.conformance.lake_sql.sample_seeds import FIND_ANYTHING, SEEDS, Record, a_seed

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STORE = "0a1b2c3d-1111-4222-8333-444455556666"
KINDS = {
    "management": EventDataStoreKind.CLOUDTRAIL,
    "data": EventDataStoreKind.CLOUDTRAIL,
    "insight": EventDataStoreKind.INSIGHT,
    "activity": EventDataStoreKind.ACTIVITY_AUDIT_LOG,
    "configuration": EventDataStoreKind.CONFIGURATION_ITEM,
}
CATEGORIES = {"insight": "Insight", "activity": "ActivityAuditLog", "configuration": "ConfigurationItem"}


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = 1")
    for statement in preparation():
        connection.execute(statement)
    yield connection
    connection.close()


def ask(engine: duckdb.DuckDBPyConnection, sample: SampleQuery, records: Sequence[Record]) -> list[tuple[Any, ...]]:
    kind = KINDS[sample.of]
    days, aside = read_records(
        kind, [orjson.dumps(record) for record in records], datetime(2000, 1, 1, tzinfo=UTC), NOW
    )
    assert not aside
    translation = translate(sample.sql.replace(PLACEHOLDER, STORE), lambda _: schema_of_kind(kind), NOW)
    rows = build_rows(kind, [record for day in days.values() for record in day], 1)
    for use in translation.tables:
        engine.register(use.view, rows)
    found = engine.execute(translation.sql).fetchall()
    for use in translation.tables:
        engine.unregister(use.view)
    return found


def seeds_of(sample: SampleQuery) -> list[Record]:
    category = {"eventCategory": CATEGORIES[sample.of]} if sample.of in CATEGORIES else {}
    return [a_seed(number, **category, **members) for number, members in enumerate(SEEDS[sample.name], 1)]


def test_there_are_at_least_sixty_and_each_has_seeds_of_its_own() -> None:
    names = [sample.name for sample in sample_queries()]

    assert len(names) >= 60
    assert len(set(names)) == len(names)
    assert set(names) == SEEDS.keys()
    assert SEEDS.keys() > FIND_ANYTHING


@pytest.mark.parametrize("sample", sample_queries(), ids=lambda sample: sample.name)
def test_a_sample_finds_what_it_is_about_and_nothing_else(
    engine: duckdb.DuckDBPyConnection, sample: SampleQuery
) -> None:
    seeds = seeds_of(sample)

    found = ask(engine, sample, [a_seed(0), *seeds])

    assert found
    assert any(value is not None for row in found for value in row)
    assert bool(ask(engine, sample, [a_seed(0)])) == (sample.name in FIND_ANYTHING)


@pytest.mark.parametrize("sample", sample_queries(), ids=lambda sample: sample.name)
def test_a_sample_says_what_it_is_for(sample: SampleQuery) -> None:
    assert sample.of in KINDS
    assert sample.description.endswith(".")
    assert PLACEHOLDER in sample.sql
    assert len(sample.sql) < 2000
