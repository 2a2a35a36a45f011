"""What every store of alarms promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from opentrail.ports.alarms import HistoryQuery, StateChange
from opentrail.ports.invocations import Invocation
from opentrail.resource.alarm import FIRST_REASON, METRIC_ALARM, Alarm, AlarmState, HistoryItem, alarm_arn
from tests.builders import ACCOUNT, NOON, REGION
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def an_alarm(name: str = "root", **settings: object) -> Alarm:
    state = AlarmState("INSUFFICIENT_DATA", FIRST_REASON, NOON, NOON)
    return Alarm(alarm_arn(REGION, ACCOUNT, name), name, ACCOUNT, REGION, METRIC_ALARM, NOON, settings, state)


def an_item(number: int, name: str = "root", kind: str = "StateUpdate") -> HistoryItem:
    at = NOON + timedelta(seconds=number // 2)
    return HistoryItem(
        f"item-{number}", ACCOUNT, REGION, name, METRIC_ALARM, at, kind, f"number {number}", {"n": number}
    )


def an_invocation(number: int = 1) -> Invocation:
    return Invocation(f"invocation-{number}", TOPIC, "arn", "alarm", b"{}", b"{}", NOON)


async def found(stores: MetadataStores, query: HistoryQuery) -> list[str]:
    return [item.item_id for item in await stores.alarms.history(query)]


async def test_an_alarm_that_is_put_again_keeps_its_state(stores: MetadataStores) -> None:
    alarm = an_alarm(Threshold=1.0)
    await stores.alarms.put([alarm], [], [])
    state = replace(alarm.state, value="ALARM", reason="it is", suppressed_until=NOON + timedelta(minutes=1))
    await stores.alarms.set_states([StateChange(alarm.arn, state)])

    await stores.alarms.put([replace(alarm, settings={"Threshold": 2.0})], [], [])

    assert await stores.alarms.all_alarms() == [replace(alarm, settings={"Threshold": 2.0}, state=state)]


async def test_what_a_change_sets_off_is_stored_with_it(stores: MetadataStores) -> None:
    alarm = an_alarm()
    await stores.alarms.put([alarm], [an_item(1)], [an_invocation(1)])

    await stores.alarms.set_states([StateChange(alarm.arn, alarm.state, [an_item(2)], [an_invocation(2)])])

    due = await stores.invocations.due(TOPIC, NOON, 10)
    assert [each.invocation_id for each in due] == ["invocation-1", "invocation-2"]
    assert await found(stores, HistoryQuery(ACCOUNT, REGION)) == ["item-2", "item-1"]


async def test_a_change_of_an_alarm_that_is_gone_sets_off_nothing(stores: MetadataStores) -> None:
    alarm = an_alarm()
    await stores.alarms.put([alarm], [], [])
    await stores.alarms.delete([alarm.arn], [an_item(1)], [])

    await stores.alarms.set_states([StateChange(alarm.arn, alarm.state, [an_item(2)], [an_invocation()])])

    assert await stores.alarms.all_alarms() == []
    assert await stores.invocations.due(TOPIC, NOON, 10) == []
    assert await found(stores, HistoryQuery(ACCOUNT, REGION)) == ["item-1"]


async def test_history_is_paged_in_either_order_and_chosen(stores: MetadataStores) -> None:
    items = [an_item(number) for number in range(6)]
    await stores.alarms.add_history([*items, an_item(6, "other"), an_item(7, kind="Action")])
    of_root = HistoryQuery(ACCOUNT, REGION, alarm_name="root", kind="StateUpdate", limit=4)

    assert await found(stores, of_root) == ["item-5", "item-4", "item-3", "item-2"]
    assert await found(stores, replace(of_root, after=(items[2].at, "item-2"))) == ["item-1", "item-0"]
    oldest_first = replace(of_root, is_newest_first=False, after=(items[2].at, "item-2"))
    assert await found(stores, oldest_first) == ["item-3", "item-4", "item-5"]
    assert await found(stores, replace(of_root, start=items[4].at)) == ["item-5", "item-4"]
    assert await found(stores, replace(of_root, end=items[1].at)) == ["item-1", "item-0"]
    assert await found(stores, HistoryQuery(ACCOUNT, "eu-west-1")) == []


async def test_old_history_ends(stores: MetadataStores) -> None:
    await stores.alarms.add_history([an_item(0), an_item(10)])

    await stores.alarms.expire_history(NOON + timedelta(seconds=1))

    assert await found(stores, HistoryQuery(ACCOUNT, REGION)) == ["item-10"]
