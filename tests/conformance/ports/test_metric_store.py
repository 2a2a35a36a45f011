"""What every metric store promises, whatever it is built on."""

import sqlite3
from collections.abc import AsyncIterator, Collection
from datetime import date
from pathlib import Path

import pytest

from opentrail.adapters.metric_store import rows
from opentrail.adapters.metric_store.local import LocalMetricStore
from opentrail.metric.aggregate import MAX_DISTINCT, Aggregate, of_statistics, of_values
from opentrail.metric.key import MetricKey
from opentrail.ports import Unavailable
from opentrail.ports.metric_store import KnownMetric, LogCursor, Measurement, MetricRange, MetricStore
from tests.memory.metric_store import InMemoryMetricStore

NOON = 20_000 * 86_400 + 43_200
KEY = MetricKey("123456789012", "us-east-1", "Audit", "Calls", (("Service", "s3"),))
DAY = date(2024, 10, 4)


@pytest.fixture(params=["memory", "local"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MetricStore]:
    if request.param == "memory":
        yield InMemoryMetricStore()
        return
    local = LocalMetricStore(tmp_path / "metrics.sqlite")
    yield local
    await local.close()


def got(value: float, at: int = NOON, key: MetricKey = KEY, unit: str = "None", resolution: int = 60) -> Measurement:
    return Measurement(key, at, unit, of_values({value: 1.0}), resolution)


async def totals(store: MetricStore, wanted: MetricRange) -> dict[int, float]:
    return {
        time: sum(part.total for part in units.values()) for time, units in sorted((await store.read(wanted)).items())
    }


async def test_what_came_within_a_period_is_taken_together_and_empty_periods_are_absent(store: MetricStore) -> None:
    await store.put([got(1), got(2, NOON + 59), got(4, NOON + 180)], NOON)

    wanted = MetricRange(KEY, NOON, NOON + 300, 60)
    assert await totals(store, wanted) == {NOON: 3, NOON + 180: 4}
    assert await store.read(MetricRange(KEY, NOON, NOON + 60, 60)) == {
        NOON: {"None": Aggregate(2, 3, 1, 2, {1.0: 1.0, 2.0: 1.0})}
    }


async def test_periods_begin_at_the_start_that_is_asked_for_and_the_end_is_excluded(store: MetricStore) -> None:
    await store.put([got(1, NOON + 60 * number) for number in range(10)], NOON)

    wanted = MetricRange(KEY, NOON + 60, NOON + 480, 300)
    assert await totals(store, wanted) == {NOON + 60: 5, NOON + 360: 2}


async def test_units_are_kept_apart_and_chosen(store: MetricStore) -> None:
    await store.put([got(1, unit="Seconds"), got(2, unit="Bytes")], NOON)

    found = await store.read(MetricRange(KEY, NOON, NOON + 60, 60))
    assert {unit: part.total for unit, part in found[NOON].items()} == {"Seconds": 1, "Bytes": 2}
    assert list((await store.read(MetricRange(KEY, NOON, NOON + 60, 60, unit="Bytes")))[NOON]) == ["Bytes"]


async def test_only_high_resolution_data_is_kept_by_the_second(store: MetricStore) -> None:
    await store.put([got(1, NOON + 5), got(2, NOON + 7, resolution=1)], NOON)

    assert await totals(store, MetricRange(KEY, NOON, NOON + 60, 10, tier=1)) == {NOON: 2}
    assert await totals(store, MetricRange(KEY, NOON, NOON + 60, 60)) == {NOON: 3}


async def test_a_statistic_set_of_unlike_values_leaves_no_spread(store: MetricStore) -> None:
    await store.put([Measurement(KEY, NOON, "None", of_statistics(3, 6, 1, 3))], NOON)
    await store.put([got(9)], NOON)

    assert (await store.read(MetricRange(KEY, NOON, NOON + 60, 60)))[NOON]["None"] == Aggregate(4, 15, 1, 9, None)


async def test_a_spread_of_many_values_stays_bounded_and_near(store: MetricStore) -> None:
    for start in range(1, 2_000, 100):
        await store.put(
            [Measurement(KEY, NOON, "None", of_values(dict.fromkeys(map(float, range(start, start + 100)), 1.0)))], NOON
        )

    aggregate = (await store.read(MetricRange(KEY, NOON, NOON + 60, 60)))[NOON]["None"]
    assert aggregate.spread is not None
    assert len(aggregate.spread) <= MAX_DISTINCT
    assert sum(aggregate.spread.values()) == aggregate.samples == 2_000


async def test_events_up_to_a_cursor_count_once(store: MetricStore) -> None:
    cursor = LogCursor("group-1", DAY, 7)
    await store.publish(cursor, [got(1)], NOON)
    await store.publish(cursor, [got(1)], NOON)
    await store.publish(LogCursor("group-1", DAY, 6), [got(1)], NOON)

    assert await totals(store, MetricRange(KEY, NOON, NOON + 60, 60)) == {NOON: 1}
    assert [await store.cursor("group-1", DAY), await store.cursor("group-2", DAY)] == [7, 0]


async def test_metrics_are_listed_by_key_with_the_time_they_last_got_something(store: MetricStore) -> None:
    other = KEY._replace(name="Errors", dimensions=())
    await store.put([got(1), got(1, key=other)], NOON)
    await store.put([got(1)], NOON + 100)

    assert await store.metrics(KEY.account_id, KEY.region, "", "") == [
        KnownMetric(KEY, NOON + 100),
        KnownMetric(other, NOON),
    ]
    assert await store.metrics(KEY.account_id, KEY.region, "Audit", "Errors") == [KnownMetric(other, NOON)]
    assert await store.metrics(KEY.account_id, "eu-west-1", "", "") == []


async def test_each_tier_ends_at_its_own_age(store: MetricStore) -> None:
    await store.put([got(1, resolution=1)], NOON)

    async def kept(later: int) -> list[int]:
        await store.expire(NOON + later)
        hour = NOON // 3600 * 3600
        return [
            tier for tier in (1, 60, 300, 3600) if await store.read(MetricRange(KEY, hour, hour + 3600, 3600, tier))
        ]

    assert await kept(3600) == [1, 60, 300, 3600]
    assert await kept(4 * 3600) == [60, 300, 3600]
    assert await kept(16 * 86_400) == [300, 3600]
    assert await kept(64 * 86_400) == [3600]
    assert await kept(456 * 86_400) == []
    assert await store.metrics(KEY.account_id, KEY.region, "", "") == []


async def test_who_watches_hears_of_what_was_stored(store: MetricStore) -> None:
    heard: list[Collection[MetricKey]] = []
    store.watch(heard.append)

    await store.put([got(1), got(2)], NOON)

    assert heard == [{KEY}]


async def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    store = LocalMetricStore(tmp_path / "metrics.sqlite")
    await store.put([got(1)], NOON)
    await store.close()

    with pytest.raises(Unavailable):
        await store.put([got(1)], NOON)
    with pytest.raises(Unavailable):
        await store.read(MetricRange(KEY, NOON, NOON + 60, 60))


async def test_metrics_outlast_the_process(tmp_path: Path) -> None:
    store = LocalMetricStore(tmp_path / "metrics.sqlite")
    await store.publish(LogCursor("group-1", DAY, 7), [got(1)], NOON)
    await store.close()

    again = LocalMetricStore(tmp_path / "metrics.sqlite")
    assert await totals(again, MetricRange(KEY, NOON, NOON + 60, 60)) == {NOON: 1}
    assert await again.cursor("group-1", DAY) == 7
    await again.close()


async def test_file_that_cannot_be_read_is_unavailable_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalMetricStore(tmp_path / "metrics.sqlite")
    wanted = MetricRange(KEY, NOON, NOON + 60, 60)
    before = await store.read(wanted)
    await store.put([got(1)], NOON)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(rows, "read", fail)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await store.read(wanted)
    after = [await totals(store, wanted) for _ in range(3)]
    await store.close()

    assert before == {}
    assert after == [{NOON: 1}] * 3
