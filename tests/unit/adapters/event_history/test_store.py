"""One history folder: sealing, joining, expiring, opening again - and lookups that agree with a plain filter."""

import random
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.event_history import read_ahead, segment_making
from opentrail.adapters.event_history import rows as rows_module
from opentrail.adapters.event_history import store as store_module
from opentrail.adapters.event_history.disk_waits import DiskWaits
from opentrail.adapters.event_history.segment_format import HistoryDamaged
from opentrail.adapters.event_history.segment_making import SegmentMaker
from opentrail.adapters.event_history.store import BEHIND_ROWS, HistoryStore
from opentrail.adapters.event_history.storing_pace import Item, StoringPace
from opentrail.ports.event_history import HistoryEvent, LookupKey, LookupPage, LookupQuery
from opentrail.ports.journal import Position

FIRST = datetime(2024, 5, 10, tzinfo=UTC)
SCOPES = (("1", "r"), ("1", "q"), ("2", "r"))


def an_event(number: int, rng: random.Random) -> HistoryEvent:
    account_id, region = rng.choices(SCOPES, (8, 1, 1))[0]
    attributes = (
        (LookupKey.EVENT_NAME, f"Name{int(rng.paretovariate(0.8)) % 40}"),
        (LookupKey.USERNAME, rng.choice(("alice", "bob", "carol", f"rare{number % 97}"))),
        (LookupKey.READ_ONLY, rng.choices(("true", "false"), (9, 1))[0]),
    )
    return HistoryEvent(
        event={"eventID": f"id-{number:06}", "n": number},
        account_id=account_id,
        region=region,
        event_id=f"id-{number:06}",
        event_time=FIRST + timedelta(seconds=number * 40 - rng.choice((0, 0, 0, 0, rng.randrange(200_000)))),
        attributes=attributes,
    )


def a_query(rng: random.Random) -> LookupQuery:
    account_id, region = rng.choice(SCOPES)
    choices = (
        (LookupKey.EVENT_NAME, f"Name{rng.randrange(6)}"),
        (LookupKey.USERNAME, rng.choice(("alice", "rare5", "nobody"))),
        (LookupKey.READ_ONLY, rng.choice(("true", "false"))),
        (LookupKey.EVENT_ID, f"id-{rng.randrange(2_000):06}"),
    )
    bounds = sorted(FIRST + timedelta(seconds=rng.randrange(-200_000, 100_000)) for _ in range(2))
    return LookupQuery(
        account_id,
        region,
        tuple(rng.sample(choices, rng.choice((0, 1, 1, 2, 2, 3)))),
        start_time=rng.choice((None, bounds[0])),
        end_time=rng.choice((None, bounds[1])),
        max_results=rng.choice((1, 7, 50)),
    )


def filtered(events: Iterable[HistoryEvent], query: LookupQuery) -> list[str]:
    """Answer a query by looking at every event."""
    found = [
        event
        for event in events
        if (event.account_id, event.region) == (query.account_id, query.region)
        and set(query.attributes) <= {*event.attributes, (LookupKey.EVENT_ID, event.event_id)}
        and (query.start_time is None or event.event_time >= query.start_time)
        and (query.end_time is None or event.event_time <= query.end_time)
    ]
    return [
        event.event_id for event in sorted(found, key=lambda event: (-event.event_time.timestamp(), event.event_id))
    ]


def ids(page: LookupPage) -> list[str]:
    return [orjson.loads(event)["eventID"] for event in page.events]


def all_pages(store: HistoryStore, query: LookupQuery) -> list[str]:
    found: list[str] = []
    token = ""
    for turned in count():
        page = store.lookup(LookupQuery(**{name: getattr(query, name) for name in NAMES} | {"page_token": token}))
        assert len(page.events) <= query.max_results
        found += ids(page)
        token = page.next_token
        if not token:
            return found
        assert turned < 10_000
    raise AssertionError


NAMES = ("account_id", "region", "attributes", "start_time", "end_time", "max_results")
EVERYTHING = LookupQuery("1", "r", max_results=100_000)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
def test_lookups_agree_with_a_plain_filter_whatever_happened_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    if seed % 2:  # as if every page came from the disk
        monkeypatch.setattr(DiskWaits, "was_slow", lambda _: True)
        monkeypatch.setattr(read_ahead, "FIRST_SEGMENTS", 2)
    rng = random.Random(seed)
    store = HistoryStore(tmp_path, seal_events=100, segment_rows=400)
    events: dict[int, HistoryEvent] = {}
    number = 0
    for _ in range(60):
        batch = range(number, number := number + rng.randrange(60))
        for fresh in batch:
            events[fresh] = an_event(fresh, rng)
        repeated = rng.sample(sorted(events), min(5, len(events)))
        store.store([events[one] for one in (*batch, *repeated)], Position(str(number)))
        match rng.randrange(6):
            case 0:
                store.maintain()
            case 1:
                store.close()
                store = HistoryStore(tmp_path, seal_events=100, segment_rows=400)
                assert store.cursor == str(number)
            case 2 if rng.random() < 0.2:
                before = FIRST - timedelta(days=rng.choice((1, 2)))
                store.expire(before)
                events = {one: event for one, event in events.items() if event.event_time >= before}
        for _ in range(6):
            query = a_query(rng)
            assert all_pages(store, query) == filtered(events.values(), query)
    store.close()


def test_lookups_agree_with_a_plain_filter_when_every_hash_collides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(account_id: str, region: str, code: str, value: str) -> int:
        return len(value) % 3

    def start_none() -> None:
        raise OSError("no process may start, so that all hashing is done here")

    monkeypatch.setattr(segment_making, "_start", start_none)
    monkeypatch.setattr(rows_module, "hash_value", coarse)
    monkeypatch.setattr(rows_module, "_hash_shared", coarse)
    monkeypatch.setattr("opentrail.adapters.event_history.contents.hash_value", coarse)
    rng = random.Random(3)
    store = HistoryStore(tmp_path, seal_events=100, segment_rows=400)
    events = [an_event(number, rng) for number in range(450)]
    for start in range(0, 450, 90):
        store.store(events[start : start + 90], Position("1"))
        store.maintain()

    store.store(events[:20], Position("1"))

    for _ in range(100):
        query = a_query(rng)
        assert all_pages(store, query) == filtered(events, query)
    store.close()


def fill(store: HistoryStore, numbers: Iterable[int]) -> None:
    rng = random.Random(1)
    store.store([an_event(number, rng) for number in numbers], Position("1"))


def test_a_sealed_tail_is_empty_and_its_events_are_in_segments(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path, seal_events=50)
    fill(store, range(50))
    before = all_pages(store, EVERYTHING)

    store.maintain()

    assert store.tail_events == 0
    assert all_pages(store, EVERYTHING) == before
    assert not store.is_maintenance_due()
    assert list((tmp_path / "segments").iterdir())
    store.close()


def test_a_few_large_events_are_sealed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SEAL_BYTES", 1_000)
    store = HistoryStore(tmp_path)
    fill(store, range(50))

    store.maintain()

    assert store.tail_events == 0
    store.close()


def test_a_tail_far_over_its_size_takes_no_more(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path, seal_events=10)
    fill(store, range(39))
    has_room = store.has_room()
    fill(store, range(40, 41))

    assert (has_room, store.has_room()) == (True, False)
    store.close()


def test_days_keep_few_segments_and_no_file_that_is_not_in_force(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path, seal_events=20, segment_rows=400)
    for start in range(0, 4_000, 20):
        fill(store, range(start, start + 20))
        store.maintain()

    segments = list((tmp_path / "segments").iterdir())
    days = {path.name[:10] for path in segments}

    assert len(segments) <= len(days) * 6 + 4_000 // 200
    store.close()
    assert HistoryStore(tmp_path).lookup(EVERYTHING).events
    assert list((tmp_path / "segments").iterdir()) == segments


def test_litter_of_a_crash_is_cleared_on_opening(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    litter = ["2024-05-10.00000009.segment", "2024-05-10.00000010.partial"]
    for name in litter:
        (tmp_path / "segments" / name).write_bytes(b"half")

    HistoryStore(tmp_path).close()

    assert list((tmp_path / "segments").iterdir()) == []


def test_a_segment_that_is_missing_stops_the_opening_and_is_named(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path, seal_events=10)
    fill(store, range(10))
    store.maintain()
    store.close()
    gone = sorted((tmp_path / "segments").iterdir())[0]
    gone.unlink()

    with pytest.raises(HistoryDamaged, match=gone.name):
        HistoryStore(tmp_path)


def test_expiry_unlinks_the_files_of_whole_days(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path, seal_events=10)
    fill(store, range(0, 9_000, 90))
    store.maintain()
    days = {path.name[:10] for path in (tmp_path / "segments").iterdir()}

    store.expire(FIRST + timedelta(days=2, hours=3))

    kept = {path.name[:10] for path in (tmp_path / "segments").iterdir()}
    assert kept == {day for day in days if day >= "2024-05-12"}
    assert kept < days
    store.close()


def test_a_failed_seal_loses_nothing_and_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = HistoryStore(tmp_path, seal_events=50)
    fill(store, range(50))
    before = all_pages(store, EVERYTHING)

    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(SegmentMaker, "_make", refuse)
        with pytest.raises(OSError, match="no space"):
            store.maintain()
    during = all_pages(store, EVERYTHING)
    store.maintain()

    assert before == during == all_pages(store, EVERYTHING)
    assert store.tail_events == 0
    store.close()


def test_closing_ends_a_join_under_way_and_keeps_everything(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path, seal_events=50)
    fill(store, range(50))
    before = all_pages(store, EVERYTHING)

    store.stop()
    store.maintain()
    store.close()

    reopened = HistoryStore(tmp_path)
    assert all_pages(reopened, EVERYTHING) == before
    reopened.close()


def test_a_history_of_a_newer_format_is_not_touched(tmp_path: Path) -> None:
    HistoryStore(tmp_path).close()
    with sqlite3.connect(tmp_path / "tail.sqlite") as connection:
        connection.execute("UPDATE state SET value = '2' WHERE name = 'format'")

    with pytest.raises(HistoryDamaged, match="format 2"):
        HistoryStore(tmp_path)


def test_who_stores_much_at_once_waits_less_for_lookups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    rng, numbers = random.Random(3), count()

    def turns(self: StoringPace, items: Iterable[Item], *, is_behind: bool = False) -> Iterator[Item]:
        asked.append(is_behind)
        yield from items

    monkeypatch.setattr(StoringPace, "turns", turns)
    store = HistoryStore(tmp_path)
    for size in (1, BEHIND_ROWS, BEHIND_ROWS - 1, 1):
        events = [an_event(next(numbers), rng) for _ in range(size)]
        store.store(events, Position(events[-1].event_id))
    store.close()

    assert asked == [False] * 3 + [False, True, True] + [True, False, False] + [False] * 3
