"""What every log store promises, whatever it is built on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from opentrail.adapters.log_store.local import LocalLogStore
from opentrail.ports import Unavailable
from opentrail.ports.journal import Position
from opentrail.ports.log_store import MAX_PAGE_BYTES, LogEvent, LogRange, LogStore, StreamFigures
from tests.memory.log_store import InMemoryLogStore

DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2
GROUP = "group-1"


@pytest.fixture(params=["memory", "local"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogStore]:
    if request.param == "memory":
        yield InMemoryLogStore()
        return
    local = LocalLogStore(tmp_path / "logs")
    yield local
    await local.close()


def an_event(message: str, timestamp: int = NOON, stream: str = "s1", position: str = "") -> LogEvent:
    return LogEvent(stream, timestamp, NOON + 5, message, Position(position))


async def messages(store: LogStore, log_range: LogRange | None = None, limit: int = 100, **how: bool) -> list[str]:
    return [event.message for event in await store.read(log_range or LogRange(GROUP), limit, **how)]


async def test_events_order_by_time_and_then_as_they_were_stored_over_all_days(store: LogStore) -> None:
    await store.append(GROUP, [an_event("b"), an_event("c"), an_event("d", NOON + DAY)])
    await store.append(GROUP, [an_event("a", NOON - DAY), an_event("c2", stream="s2")])

    assert await messages(store) == ["a", "b", "c", "c2", "d"]
    assert await messages(store, is_newest_first=True) == ["d", "c2", "c", "b", "a"]


async def test_a_range_has_its_start_and_not_its_end(store: LogStore) -> None:
    await store.append(GROUP, [an_event(str(number), NOON + number) for number in range(5)])

    assert await messages(store, LogRange(GROUP, start=NOON + 1, end=NOON + 3)) == ["1", "2"]


async def test_pages_go_on_behind_a_place_and_before_it(store: LogStore) -> None:
    await store.append(GROUP, [an_event(str(number)) for number in range(6)])
    first = await store.read(LogRange(GROUP), 2)

    assert await messages(store, LogRange(GROUP, after=first[-1].place), 2) == ["2", "3"]
    last = await store.read(LogRange(GROUP), 2, is_newest_first=True)
    assert await messages(store, LogRange(GROUP, before=last[-1].place), 2, is_newest_first=True) == ["3", "2"]


async def test_streams_are_told_apart_and_groups_too(store: LogStore) -> None:
    await store.append(GROUP, [an_event("a"), an_event("b", stream="s2")])
    await store.append("group-2", [an_event("elsewhere")])

    assert await messages(store, LogRange(GROUP, streams=frozenset({"s2", "unknown"}))) == ["b"]
    assert await messages(store, LogRange(GROUP, streams=frozenset())) == []
    many = frozenset({"s1", *(f"x{number}" for number in range(200))})
    assert await messages(store, LogRange(GROUP, streams=many)) == ["a"]


async def test_a_page_is_bounded_and_a_larger_event_a_page_of_its_own(store: LogStore) -> None:
    large = "x" * (MAX_PAGE_BYTES // 2)
    await store.append(GROUP, [an_event(large), an_event(large), an_event(large)])

    assert len(await messages(store)) == 1


async def test_a_reader_s_event_is_stored_once_whatever_is_repeated(store: LogStore) -> None:
    first = [an_event("a", position="1"), an_event("b", NOON + DAY, position="2")]
    await store.append(GROUP, first, reader="trail")

    await store.append(GROUP, [*first, an_event("c", NOON + 1, position="3")], reader="trail")
    await store.append(GROUP, [an_event("d", position="1")], reader="other")

    assert sorted(await messages(store)) == ["a", "b", "c", "d"]


async def test_figures_tell_each_stream_s_time_and_bytes(store: LogStore) -> None:
    await store.append(GROUP, [an_event("é", NOON - DAY), an_event("b", NOON + 1)])

    assert await store.figures(GROUP) == {"s1": StreamFigures(NOON - DAY, NOON + 1, NOON + 5, 2 + 1 + 2 * 26)}
    await store.append(GROUP, [replace(an_event("c", NOON + 2), ingested_at=NOON + 9)])
    assert (await store.figures(GROUP))["s1"].last_ingested_at == NOON + 9
    assert await store.figures("nothing") == {}


async def test_what_is_removed_is_gone_and_its_name_can_be_used_again(store: LogStore) -> None:
    await store.append(GROUP, [an_event("a"), an_event("b", stream="s2")])

    await store.remove_stream(GROUP, "s1")
    assert await messages(store) == ["b"]
    assert set(await store.figures(GROUP)) == {"s2"}
    await store.remove(GROUP)
    await store.remove(GROUP)
    assert await messages(store) == []
    assert list(await store.group_ids()) == []
    await store.append(GROUP, [an_event("again")])
    assert await messages(store) == ["again"]


async def test_days_expire_whole(store: LogStore) -> None:
    await store.append(GROUP, [an_event("old", NOON - DAY), an_event("new")])

    assert await store.expire(GROUP, date(1970, 1, 1)) == 0
    assert await store.expire(GROUP, date.fromordinal(date(1970, 1, 1).toordinal() + 20_000)) == 1
    assert await messages(store) == ["new"]
    assert (await store.figures(GROUP))["s1"].first_timestamp == NOON


async def test_callers_that_write_together_each_get_everything_stored(store: LogStore) -> None:
    batches = [[an_event(f"{caller}.{number}", NOON + number) for number in range(3)] for caller in range(20)]

    await asyncio.gather(*(store.append(GROUP, batch) for batch in batches))

    assert sorted(await messages(store)) == sorted(event.message for batch in batches for event in batch)


async def test_a_batch_whose_second_day_fails_is_made_good_and_repeats_nothing(tmp_path: Path) -> None:
    store = LocalLogStore(tmp_path)
    blocked = tmp_path / GROUP / "2024-10-05.sqlite"
    blocked.mkdir(parents=True)
    events = [an_event("today", position="1"), an_event("tomorrow", NOON + DAY, position="2")]

    with pytest.raises(Unavailable):
        await store.append(GROUP, events, reader="trail")
    blocked.rmdir()
    await store.append(GROUP, events, reader="trail")

    assert await messages(store) == ["today", "tomorrow"]
    await store.close()


async def test_what_was_stored_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = LocalLogStore(tmp_path)
    await first.append(GROUP, [an_event("kept")])

    second = LocalLogStore(tmp_path)  # the first is still open, as after a crash that closed nothing

    assert await messages(second) == ["kept"]
    await second.append(GROUP, [an_event("more")])
    assert await messages(second) == ["kept", "more"]
    await first.close()
    await second.close()


async def test_a_day_s_events_are_followed_in_the_order_they_were_stored_in(store: LogStore) -> None:
    heard: list[tuple[str, set[date]]] = []
    store.watch(lambda group_id, days: heard.append((group_id, set(days))))
    await store.append(GROUP, [an_event("late", NOON + 9), an_event("next day", NOON + DAY)])
    await store.append(GROUP, [an_event("early", NOON), replace(an_event("old"), ingested_at=NOON)])
    day, next_day = await store.days(GROUP)

    first = await store.arrived(GROUP, day, 0, NOON + 1, 1)
    rest = await store.arrived(GROUP, day, first[0].place.sequence, NOON + 1, 10)

    assert [event.message for event in (*first, *rest)] == ["late", "early"]
    assert heard == [(GROUP, {day, next_day}), (GROUP, {day})]
    assert await store.arrived("nothing", day, 0, 0, 10) == []
