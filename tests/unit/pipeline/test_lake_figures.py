"""/metrics says what went into each event data store, and how far it is behind."""

from datetime import timedelta
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from opentrail.pipeline import lake_figures
from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.lake_figures import LakeCounts, LakeFigures, LakeStoreState
from opentrail.ports import Unavailable
from opentrail.ports.journal import START
from opentrail.ports.lake_table import Batch, LoadedBatch, TableNotFound
from tests.builders import World
from tests.unit.pipeline.test_lake_delivery import a_store, put_store, record

ARN = a_store().arn


class Figures:
    """The figures of a world, whose clock is also that of the marks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.marks = AppendMarks(clock=lambda: world.clock.now().timestamp())
        self.registry = CollectorRegistry()
        self.registry.register(LakeFigures(self.marks, world.lake.states, world.clock))

    async def record(self, event_id: str, **changes: str) -> None:
        self.marks.add(await record(self.world, event_id, **changes), 1)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"opentrail_lake_{name}", {"store": ARN} | labels)


async def figures_of_a_store() -> Figures:
    world = World()
    figures = Figures(world)
    await put_store(world, a_store())
    await world.lake.tick(world.clock.now())
    return figures


async def test_rows_commits_and_what_was_set_aside_are_counted_by_the_way_they_came() -> None:
    figures = await figures_of_a_store()
    await figures.record("one")
    await figures.record("two", eventTime="1999-01-01T00:00:00Z")
    await figures.world.lake.flush()

    assert figures.value("rows_total", way="journal") == 1
    assert figures.value("commits_total", way="journal") == 1
    assert figures.value("set_aside_total") == 1
    assert figures.value("rows_total", way="batch") == 0


async def test_batches_are_counted_with_what_the_table_had() -> None:
    figures = await figures_of_a_store()
    await figures.record("one")
    await figures.world.lake.flush()
    records = figures.world.tables.tables[ARN].records
    other = records[0].replace(b"one", b"two")

    appended = await figures.world.lake.append(ARN, Batch("i/1", ("a",), partial(LoadedBatch, [*records, other])))

    assert (appended.rows, appended.duplicates) == (1, 1)
    assert figures.value("rows_total", way="batch") == figures.value("commits_total", way="batch") == 1
    assert figures.value("duplicates_total") == 1
    assert await figures.world.lake.has_batch(ARN, "i/1")


async def test_batch_for_a_store_that_is_not_there_is_refused() -> None:
    with pytest.raises(TableNotFound):
        await World().lake.append(ARN, Batch("i/1", ("a",), partial(LoadedBatch, [])))


async def test_the_lag_counts_from_the_first_event_that_is_not_committed() -> None:
    figures = await figures_of_a_store()
    assert figures.value("lag_seconds") == 0
    await figures.record("one")
    await figures.world.lake.tick(figures.world.clock.now())
    figures.world.clock.advance(5)

    assert figures.value("lag_seconds") == pytest.approx(5)
    assert figures.value("fresh_events") == 1
    await figures.world.lake.flush()
    assert figures.value("lag_seconds") == figures.value("fresh_events") == 0


async def test_a_store_that_does_not_read_falls_behind() -> None:
    figures = await figures_of_a_store()
    await figures.record("one")
    figures.world.clock.advance(7)

    assert figures.value("lag_seconds") == pytest.approx(7)


async def test_a_store_whose_table_cannot_be_opened_is_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    figures = Figures(world)
    await put_store(world, a_store())

    async def refuse(store: object) -> None:
        raise Unavailable("no disk")

    monkeypatch.setattr(world.tables, "open", refuse)
    await world.lake.tick(world.clock.now())

    assert figures.value("failing") == 1


def test_stores_beyond_the_labelled_ones_show_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_figures, "MAX_LABELLED_STORES", 1)
    world = World()
    counts = LakeCounts()
    counts.set_aside = 2
    since = world.clock.now() - timedelta(seconds=3)
    states = [LakeStoreState(arn, START, 4, since, False, counts) for arn in ("a", "b", "c")]
    registry = CollectorRegistry()
    registry.register(LakeFigures(AppendMarks(), lambda: states, world.clock))

    assert registry.get_sample_value("opentrail_lake_set_aside_total", {"store": "a"}) == 2
    assert registry.get_sample_value("opentrail_lake_set_aside_total", {"store": "others"}) == 4
    assert registry.get_sample_value("opentrail_lake_lag_seconds", {"store": "others"}) == pytest.approx(3)
