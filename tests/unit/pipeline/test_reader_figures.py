"""/metrics says how far Event history and each trail are behind, and what was delivered."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from opentrail.pipeline import reader_figures
from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.reader_figures import ReaderFigures
from opentrail.ports import Unavailable
from opentrail.ports.journal import Position
from tests.support.delivery import HOUR, MINUTE, DeliveryWorld


class Figures:
    """The figures of a delivery world, whose clock is also that of the marks."""

    def __init__(self, world: DeliveryWorld) -> None:
        self.world = world
        self.marks = AppendMarks(clock=lambda: world.clock.now().timestamp())
        self.history: Position | None = None
        self.registry = CollectorRegistry()
        self.registry.register(ReaderFigures(self.marks, lambda: self.history, world.delivery, world.clock))

    async def record(self, count: int) -> None:
        await self.world.record(count)
        self.marks.add(self.world.journal.head(), count)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"opentrail_{name}", labels)


async def test_the_lag_of_history_is_entries_and_seconds() -> None:
    figures = Figures(DeliveryWorld())
    await figures.record(1)
    figures.history = figures.world.journal.head()
    assert figures.value("history_lag_entries") == 0

    await figures.record(3)
    figures.world.clock.advance(90)

    assert figures.value("history_lag_seconds") == pytest.approx(90)
    assert (figures.value("history_lag_entries") or 0) >= 3


async def test_a_delivered_trail_counts_its_objects_and_is_not_behind() -> None:
    world = DeliveryWorld()
    figures = Figures(world)
    trail = await world.start()
    await world.tick()
    await figures.record(3)
    await world.pass_time(HOUR + 10 * MINUTE)

    assert figures.value("objects_delivered_total", kind="log_file") == 1
    assert (figures.value("objects_delivered_total", kind="digest_file") or 0) >= 1
    assert figures.value("delivery_failures_total", kind="log_file") == 0
    assert figures.value("trail_lag_seconds", trail=trail.arn) == 0
    assert figures.value("trail_failing", trail=trail.arn) == 0
    age = figures.value("digest_age_seconds", trail=trail.arn)
    assert age is not None
    assert 0 < age <= HOUR.total_seconds()


async def test_a_bucket_that_fails_shows_as_failures_and_as_a_growing_age() -> None:
    world = DeliveryWorld()
    figures = Figures(world)
    trail = await world.start()
    await world.tick()
    await figures.record(3)
    world.bucket.failure = Unavailable("down")
    await world.pass_time(timedelta(hours=3))

    assert (figures.value("delivery_failures_total", kind="log_file") or 0) > 1
    assert figures.value("trail_failing", trail=trail.arn) == 1
    assert (figures.value("trail_lag_seconds", trail=trail.arn) or 0) >= timedelta(hours=3).total_seconds()
    assert (figures.value("digest_age_seconds", trail=trail.arn) or 0) >= timedelta(hours=2).total_seconds()


async def test_trails_beyond_the_bound_share_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_figures, "MAX_LABELLED_TRAILS", 1)
    world = DeliveryWorld()
    figures = Figures(world)
    first, second = await world.start("a"), await world.start("b")
    await world.tick()

    assert figures.value("trail_failing", trail=first.arn) == 0
    assert figures.value("trail_failing", trail=second.arn) is None
    assert figures.value("trail_failing", trail="others") == 0
