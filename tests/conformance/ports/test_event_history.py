"""What every event history must do, run over each adapter of the port."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.ports.event_history import (
    EventHistory,
    HistoryEvent,
    InvalidPageToken,
    LookupKey,
    LookupPage,
    LookupQuery,
)
from opentrail.ports.journal import START, Position
from tests.memory.event_history import InMemoryEventHistory

ACCOUNT = "123456789012"
REGION = "eu-west-1"
NOON = datetime(2024, 5, 10, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "local", "local sealing every event"])
async def history(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventHistory]:
    opened: EventHistory
    if request.param == "memory":
        opened = InMemoryEventHistory()
    elif request.param == "local":
        opened = await LocalEventHistory.open(tmp_path / "history")
    else:
        opened = await LocalEventHistory.open(tmp_path / "history", seal_events=1)
    yield opened
    await opened.close()


def an_event(number: int, at: datetime = NOON, **changes: Any) -> HistoryEvent:
    """Return event ``number``; its attributes are an event name of five and a user of three."""
    name, user = f"Name{number % 5}", f"user{number % 3}"
    members: dict[str, Any] = {
        "account_id": ACCOUNT,
        "region": REGION,
        "event_id": f"id-{number:05}",
        "event_time": at,
        "attributes": ((LookupKey.EVENT_NAME, name), (LookupKey.USERNAME, user)),
    }
    members |= changes
    event = {"eventName": name, "eventID": members["event_id"], "number": number}
    return HistoryEvent(event=event, **members)


def query(**changes: Any) -> LookupQuery:
    return LookupQuery(**({"account_id": ACCOUNT, "region": REGION} | changes))


async def store(history: EventHistory, events: Iterable[HistoryEvent], through: str = "1") -> None:
    await history.store(list(events), Position(through))


def ids(page: LookupPage) -> list[str]:
    return [orjson.loads(event)["eventID"] for event in page.events]


async def test_a_new_history_stands_at_the_start_and_is_empty(history: EventHistory) -> None:
    assert await history.cursor() == START
    assert await history.lookup(query()) == LookupPage((), "")


async def test_a_stored_event_is_visible_and_the_cursor_moved(history: EventHistory) -> None:
    await store(history, [an_event(1)], through="abc")

    page = await history.lookup(query())

    assert [orjson.loads(event) for event in page.events] == [an_event(1).event]
    assert page.next_token == ""
    assert await history.cursor() == "abc"


async def test_storing_nothing_moves_the_cursor(history: EventHistory) -> None:
    await store(history, [], through="p2")

    assert await history.cursor() == "p2"


async def test_events_come_newest_first_and_by_id_within_a_second(history: EventHistory) -> None:
    await store(history, [an_event(2), an_event(3, NOON + timedelta(seconds=1)), an_event(1)])
    await store(history, [an_event(4, NOON - timedelta(days=3)), an_event(0, NOON + timedelta(days=1))])

    page = await history.lookup(query())

    assert ids(page) == ["id-00000", "id-00003", "id-00001", "id-00002", "id-00004"]


async def test_accounts_and_regions_do_not_see_each_other(history: EventHistory) -> None:
    await store(history, [an_event(1), an_event(2, region="us-east-1"), an_event(3, account_id="999999999999")])

    assert ids(await history.lookup(query())) == ["id-00001"]
    assert ids(await history.lookup(query(region="us-east-1"))) == ["id-00002"]
    assert ids(await history.lookup(query(account_id="999999999999"))) == ["id-00003"]


async def test_all_attributes_must_hold(history: EventHistory) -> None:
    await store(history, (an_event(number) for number in range(30)))

    name, user = (LookupKey.EVENT_NAME, "Name2"), (LookupKey.USERNAME, "user1")
    page = await history.lookup(query(attributes=(name, user)))

    assert ids(page) == ["id-00007", "id-00022"]


async def test_values_match_exactly_and_under_their_own_key_only(history: EventHistory) -> None:
    await store(history, [an_event(1)])

    assert ids(await history.lookup(query(attributes=((LookupKey.EVENT_NAME, "name1"),)))) == []
    assert ids(await history.lookup(query(attributes=((LookupKey.EVENT_NAME, "Name"),)))) == []
    assert ids(await history.lookup(query(attributes=((LookupKey.USERNAME, "Name1"),)))) == []


async def test_an_event_is_found_by_its_id(history: EventHistory) -> None:
    await store(history, (an_event(number) for number in range(5)))

    assert ids(await history.lookup(query(attributes=((LookupKey.EVENT_ID, "id-00003"),)))) == ["id-00003"]


async def test_an_event_may_answer_to_several_values_of_one_key(history: EventHistory) -> None:
    both = ((LookupKey.RESOURCE_NAME, "a"), (LookupKey.RESOURCE_NAME, "b"))
    await store(history, [an_event(1, attributes=both), an_event(2, attributes=both[:1])])

    assert ids(await history.lookup(query(attributes=both))) == ["id-00001"]
    assert ids(await history.lookup(query(attributes=both[:1]))) == ["id-00001", "id-00002"]


async def test_both_time_bounds_are_inclusive(history: EventHistory) -> None:
    await store(history, (an_event(number, NOON + timedelta(seconds=number)) for number in range(5)))

    bounds = {"start_time": NOON + timedelta(seconds=1), "end_time": NOON + timedelta(seconds=3)}

    assert ids(await history.lookup(query(**bounds))) == ["id-00003", "id-00002", "id-00001"]


async def test_a_bound_between_two_seconds_takes_no_event_outside_it(history: EventHistory) -> None:
    await store(history, (an_event(number, NOON + timedelta(seconds=number)) for number in range(3)))
    half = timedelta(microseconds=500_000)

    page = await history.lookup(query(start_time=NOON + half, end_time=NOON + timedelta(seconds=1) + half))

    assert ids(page) == ["id-00001"]


async def test_a_time_range_across_midnight_spans_days(history: EventHistory) -> None:
    midnight = NOON.replace(hour=0)
    await store(history, (an_event(number, midnight + timedelta(seconds=number - 2)) for number in range(5)))

    bounds = {"start_time": midnight - timedelta(seconds=1), "end_time": midnight + timedelta(seconds=1)}

    assert ids(await history.lookup(query(**bounds))) == ["id-00003", "id-00002", "id-00001"]


async def test_pages_cover_everything_once_while_events_arrive(history: EventHistory) -> None:
    times = [NOON + timedelta(seconds=number // 10) for number in range(100)]
    await store(history, (an_event(number, time) for number, time in enumerate(times)))

    seen: list[str] = []
    token, arriving = "", 1000
    while True:
        page = await history.lookup(query(max_results=7, page_token=token))
        seen += ids(page)
        await store(history, [an_event(arriving, NOON + timedelta(minutes=5))])
        arriving += 1
        if not (token := page.next_token):
            break

    assert len(seen) == 100
    assert set(seen) == {f"id-{number:05}" for number in range(100)}


async def test_a_full_last_page_has_no_token(history: EventHistory) -> None:
    await store(history, (an_event(number) for number in range(4)))

    first = await history.lookup(query(max_results=2))
    last = await history.lookup(query(max_results=2, page_token=first.next_token))

    assert (ids(first), ids(last)) == (["id-00000", "id-00001"], ["id-00002", "id-00003"])
    assert last.next_token == ""


@pytest.mark.parametrize("token", ["x", "????", "e30=", "AAAAAAAA", "é", "A" * 900])
async def test_a_garbage_token_is_refused(history: EventHistory, token: str) -> None:
    with pytest.raises(InvalidPageToken):
        await history.lookup(query(page_token=token))


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "us-east-1"},
        {"account_id": "999999999999"},
        {"attributes": ((LookupKey.EVENT_NAME, "Name1"),)},
        {"start_time": NOON},
        {"end_time": NOON},
    ],
)
async def test_a_token_of_another_query_is_refused(history: EventHistory, changes: dict[str, Any]) -> None:
    await store(history, (an_event(number) for number in range(4)))
    token = (await history.lookup(query(max_results=1))).next_token

    with pytest.raises(InvalidPageToken):
        await history.lookup(query(max_results=1, page_token=token, **changes))


async def test_the_same_event_of_a_day_is_stored_once(history: EventHistory) -> None:
    await store(history, [an_event(1), an_event(1)])
    await store(history, [an_event(1), an_event(2)])

    assert ids(await history.lookup(query())) == ["id-00001", "id-00002"]


async def test_one_id_in_two_accounts_regions_or_days_is_two_events(history: EventHistory) -> None:
    await store(history, [an_event(1), an_event(1, region="us-east-1"), an_event(1, NOON - timedelta(days=1))])

    assert len((await history.lookup(query())).events) == 2
    assert len((await history.lookup(query(region="us-east-1"))).events) == 1


async def test_expire_drops_whole_days_only(history: EventHistory) -> None:
    await store(history, (an_event(number, NOON - timedelta(days=number)) for number in range(4)))

    await history.expire(NOON - timedelta(days=2))
    after_noon = ids(await history.lookup(query()))
    await history.expire((NOON - timedelta(days=1)).replace(hour=0))
    at_midnight = ids(await history.lookup(query()))

    assert after_noon == ["id-00000", "id-00001", "id-00002"]
    assert at_midnight == ["id-00000", "id-00001"]


async def test_a_page_goes_on_after_the_day_it_ended_in_expired(history: EventHistory) -> None:
    await store(history, (an_event(number, NOON - timedelta(days=number)) for number in range(4)))
    token = (await history.lookup(query(max_results=3))).next_token

    await history.expire(NOON - timedelta(days=1))

    assert ids(await history.lookup(query(max_results=3, page_token=token))) == []


async def test_text_of_any_script_can_be_looked_up(history: EventHistory) -> None:
    value = "имя \n\t\0 名前 😀"
    await store(history, [an_event(1, attributes=((LookupKey.USERNAME, value),)), an_event(2)])

    assert ids(await history.lookup(query(attributes=((LookupKey.USERNAME, value),)))) == ["id-00001"]
