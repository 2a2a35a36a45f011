"""A trail's events in its log group: each once, in the right stream, whatever stops the delivery and wherever."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from opentrail.adapters.log_store.local import LocalLogStore
from opentrail.event import Event
from opentrail.event.encoding import decode_event, encode_event
from opentrail.pipeline import log_delivery
from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.log_delivery import LogDelivery
from opentrail.pipeline.log_figures import LogFigures
from opentrail.pipeline.log_reader import LogDeliveryContext
from opentrail.pipeline.log_upkeep import LogUpkeep
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, EventEntry, SettingsEntry
from opentrail.ports.log_store import LogRange, LogStore
from opentrail.resource.key import KeyState
from opentrail.resource.log_group import LogGroup
from opentrail.resource.trail import Trail
from tests.builders import ACCOUNT, NOON, REGION, World, a_key, a_role, a_trail, an_event
from tests.memory.key_ring import InMemoryKeyRing
from tests.memory.log_store import InMemoryLogStore
from tests.support.waiting import eventually

GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:audit:*"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/logs"
STREAM = f"{ACCOUNT}_CloudTrail_{REGION}"


def a_group(name: str = "audit", group_id: str = "g1") -> LogGroup:
    return LogGroup(group_id, ACCOUNT, REGION, name, NOON)


def logging_trail(**changes: Any) -> Trail:
    values: dict[str, Any] = {
        "cloud_watch_logs_log_group_arn": GROUP_ARN,
        "cloud_watch_logs_role_arn": ROLE_ARN,
        "is_logging": True,
    }
    return a_trail(**(values | changes))


@pytest.fixture
async def world() -> World:
    made = World()
    await made.log_groups.create(a_group())
    await made.put_trail(logging_trail())
    return made


@pytest.fixture(params=["memory", "local"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogStore]:
    if request.param == "memory":
        yield InMemoryLogStore()
        return
    local = LocalLogStore(tmp_path)
    yield local
    await local.close()


def gap(
    account_id: str, region: str, started_at: datetime, ended_at: datetime, count: int | None, reason: str
) -> Event:
    return {"eventName": "Gap", "awsRegion": region, "recipientAccountId": account_id, "reason": reason}


def delivery(world: World, store: LogStore) -> LogDelivery:
    context = LogDeliveryContext(
        journal=world.journal,
        readers=world.trails.log_readers,
        groups=world.log_groups,
        store=store,
        trails=world.trails,
        identities=world.identities,
        delivery_log=world.delivery_log,
        identifiers=world.identifiers,
        report_gap=gap,
    )
    return LogDelivery(context, world.clock)


async def record(world: World, *names: str, **changes: Any) -> None:
    await world.journal.append([EventEntry(encode_event(an_event(name, **changes))) for name in names])


async def delivered(store: LogStore, group_id: str = "g1") -> list[str]:
    return [decode_event(event.message.encode())["eventName"] for event in await store.read(LogRange(group_id), 1000)]


async def has_delivered(store: LogStore, number: int) -> bool:
    return len(await delivered(store)) == number


async def test_each_event_is_one_log_event_with_its_own_json_and_time(world: World, store: LogStore) -> None:
    await record(world, "CreateUser")

    await delivery(world, store).tick(NOON)

    [event] = await store.read(LogRange("g1"), 10)
    [stream] = await world.log_groups.streams("g1")
    assert event.message.encode() == encode_event(an_event("CreateUser"))
    assert event.place.timestamp == int(NOON.timestamp() * 1000)
    assert (stream.name, event.stream_id) == (STREAM, stream.stream_id)


async def test_what_is_recorded_is_delivered_at_once_and_a_stop_is_not_waited_for(
    world: World, store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_delivery, "LOOK_SECONDS", 3600)
    stop = asyncio.Event()
    running = asyncio.create_task(delivery(world, store).run(stop))

    for number in range(3):
        await record(world, f"Call{number}")
        await eventually(partial(has_delivered, store, number + 1))
    stop.set()

    await running
    assert await delivered(store) == ["Call0", "Call1", "Call2"]


async def test_only_what_the_selectors_pick_is_delivered_under_the_settings_in_force(
    world: World, store: LogStore
) -> None:
    writes = ({"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True, "DataResources": []},)
    await record(world, "Before")
    await world.put_trail(logging_trail(event_selectors=writes))
    await record(world, "Read", readOnly=True)
    await record(world, "Write")
    await world.put_trail(logging_trail(is_logging=False))
    await record(world, "Stopped")

    await delivery(world, store).tick(NOON)

    assert await delivered(store) == ["Before", "Write"]


@pytest.mark.parametrize("failing", range(6))
async def test_a_delivery_that_stops_anywhere_goes_on_and_repeats_nothing(
    world: World, store: LogStore, failing: int
) -> None:
    yesterday = "2026-11-19T12:00:00Z"
    steps = iter(range(100))

    async def maybe_fail() -> None:
        if next(steps) == failing:
            raise Unavailable("stopped here")

    class Failing:
        """A log store that fails at one step, before or after it stored."""

        async def append(self, *arguments: Any, **how: Any) -> None:
            await maybe_fail()
            await store.append(*arguments, **how)
            await maybe_fail()

    now = NOON
    for number in range(3):
        await record(world, f"Today{number}")
        await record(world, f"Yesterday{number}", eventTime=yesterday)
        broken: Any = Failing()
        await delivery(world, broken).tick(now)
        now += timedelta(minutes=10)
    await delivery(world, store).tick(now)

    assert sorted(await delivered(store)) == sorted(f"{day}{n}" for day in ("Today", "Yesterday") for n in range(3))


async def test_the_cursor_follows_and_lets_the_journal_go(world: World, store: LogStore) -> None:
    running = delivery(world, store)
    assert running.holds() == START
    await record(world, "CreateUser")

    for second in range(4):
        await running.tick(NOON + timedelta(seconds=2 * second))

    [state] = await world.trails.log_readers.readers()
    assert state.cursor == world.journal.head() == running.holds()


async def test_status_tells_when_something_was_delivered_and_why_not(world: World, store: LogStore) -> None:
    running = delivery(world, store)
    await world.log_groups.delete("g1")
    await record(world, "CreateUser")
    await running.tick(NOON)
    assert await world.delivery_log.status(a_trail().arn, REGION) == {
        "LatestCloudWatchLogsDeliveryError": "The specified log group does not exist."
    }

    await world.log_groups.create(a_group(group_id="g2"))
    await running.tick(NOON + timedelta(minutes=6))
    await running.tick(NOON + timedelta(minutes=6, seconds=2))

    assert await delivered(store, "g2") == ["CreateUser"]
    assert await world.delivery_log.status(a_trail().arn, REGION) == {
        "LatestCloudWatchLogsDeliveryTime": "2026-11-20T12:06:00Z",
        "LatestCloudWatchLogsDeliveryError": "",
    }


async def test_the_way_out_of_a_group_that_is_gone_is_to_name_another(world: World, store: LogStore) -> None:
    await record(world, "Early")
    await world.log_groups.delete("g1")
    await world.log_groups.create(a_group("other", "g2"))
    await world.put_trail(logging_trail(cloud_watch_logs_log_group_arn=GROUP_ARN.replace("audit", "other")))
    await record(world, "Late")

    await delivery(world, store).tick(NOON)

    assert await delivered(store, "g2") == ["Early", "Late"]


async def test_a_trail_without_a_group_has_no_reader_and_one_again_goes_on_from_there(
    world: World, store: LogStore
) -> None:
    running = delivery(world, store)
    await record(world, "First")
    await world.put_trail(logging_trail(cloud_watch_logs_log_group_arn="", cloud_watch_logs_role_arn=""))
    await record(world, "Unseen")
    await running.tick(NOON)
    assert list(await world.trails.log_readers.readers()) == []

    await world.put_trail(logging_trail())
    await record(world, "Second")
    await running.tick(NOON + timedelta(seconds=2))

    assert await delivered(store) == ["First", "Second"]


async def test_a_deleted_trail_s_reader_finishes_what_it_had(world: World, store: LogStore) -> None:
    await record(world, "Last")
    gone = SettingsEntry(a_trail().arn, None)
    await world.trails.apply(await world.journal.append([gone]), gone)

    await delivery(world, store).tick(NOON)

    assert await delivered(store) == ["Last"]
    assert list(await world.trails.log_readers.readers()) == []


async def test_an_organization_s_events_go_to_a_stream_of_each_account(world: World, store: LogStore) -> None:
    members = (ACCOUNT, "222222222222")
    await world.put_trail(logging_trail(is_organization=True, organization_id="o-example", member_account_ids=members))
    await record(world, "Theirs", recipientAccountId="222222222222")

    await delivery(world, store).tick(NOON)

    assert [stream.name for stream in await world.log_groups.streams("g1")] == [
        f"o-example_222222222222_CloudTrail_{REGION}"
    ]


async def test_a_role_of_ours_must_let_cloudtrail_write(world: World, store: LogStore) -> None:
    trust = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
        '"Principal": {"Service": "cloudtrail.amazonaws.com"}}]}'
    )
    await world.identities.create_role(a_role("logs", trust))
    await record(world, "CreateUser")
    running = delivery(world, store)

    await running.tick(NOON)
    assert await delivered(store) == []
    status = await world.delivery_log.status(a_trail().arn, REGION)
    assert status["LatestCloudWatchLogsDeliveryError"] == "Access denied."

    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
        '"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], '
        f'"Resource": "{GROUP_ARN[:-2]}:log-stream:{STREAM}*"}}]}}'
    )
    await world.identities.put_policy(ROLE_ARN, "write", policy)
    await running.tick(NOON + timedelta(minutes=6))
    assert await delivered(store) == ["CreateUser"]


async def test_upkeep_removes_expired_days_and_groups_that_are_gone(world: World, store: LogStore) -> None:
    await record(world, "Old", eventTime="2026-11-10T12:00:00Z")
    await record(world, "New")
    await delivery(world, store).tick(NOON)
    await store.append("gone", [])
    upkeep = LogUpkeep(world.log_groups, store, world.clock)

    await upkeep.catch_up()
    assert await delivered(store) == ["Old", "New"]
    await world.log_groups.change(replace(a_group(), retention_days=3))
    await upkeep.catch_up()
    assert await delivered(store) == ["New"]
    await world.log_groups.delete("g1")
    await upkeep.catch_up()
    assert list(await store.group_ids()) in ([], ["gone"])


async def test_figures_tell_how_far_behind_a_log_group_is_and_that_it_takes_nothing(
    world: World, store: LogStore
) -> None:
    seconds = [0.0]
    marks = AppendMarks(START, clock=lambda: seconds[0])
    running = delivery(world, store)
    figures = LogFigures(marks, running.states)
    await world.log_groups.delete("g1")
    await record(world, "CreateUser")
    marks.add(world.journal.head(), 1)
    seconds[0] = 40.0
    await running.tick(NOON)

    told = {family.name: family.samples for family in figures.collect()}

    [lag] = told["opentrail_log_group_lag_seconds"]
    [failing] = told["opentrail_log_group_failing"]
    assert (lag.labels, lag.value, failing.value) == ({"trail": a_trail().arn}, 40.0, 1.0)


async def test_a_group_whose_key_is_disabled_gets_everything_once_it_may_be_used_again(
    world: World, tmp_path: Path
) -> None:
    key = a_key()
    ring = InMemoryKeyRing(key)
    store = LocalLogStore(tmp_path, ring)
    await world.log_groups.change(replace(a_group(), kms_key_arn=key.arn))
    running = delivery(world, store)
    await record(world, "First")
    await running.tick(NOON)
    ring.set_state(key.arn, KeyState.DISABLED)
    await record(world, "Second", "Third")

    await running.tick(NOON + timedelta(seconds=1))
    [state] = running.states()
    status = await world.delivery_log.status(logging_trail().arn, REGION)
    ring.set_state(key.arn, KeyState.ENABLED)
    await running.tick(NOON + timedelta(hours=1))

    assert state.is_failing
    assert "disabled" in status["LatestCloudWatchLogsDeliveryError"] or key.arn in str(status)
    assert await delivered(store) == ["First", "Second", "Third"]
    assert not any(b"eventName" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    await store.close()
