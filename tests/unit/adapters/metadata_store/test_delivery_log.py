"""What a crash and a long life do to the delivery log; what it promises is in the port's suite."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe

import pytest
from sqlalchemy import Connection, func, select

from opentrail.adapters.metadata_store import SqlDeliveryLog, SqlTrailStore, open_database
from opentrail.adapters.metadata_store.tables import trail_snapshots
from opentrail.arn import trail_arn
from opentrail.ports.delivery_log import DigestPlan, LogFilePlan, ReaderState
from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.trail import Trail
from tests.support.metadata import DATABASES, database_url

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
TRAIL = Trail(trail_arn("us-east-1", "123456789012", "audit"), "audit", "123456789012", "us-east-1", "archive")
STATE = ReaderState(TRAIL.arn, Position("0009"), TRAIL.to_json(), ("us-east-1",))
PLAN = LogFilePlan(
    trail_arn=TRAIL.arn,
    region="us-east-1",
    account_id="123456789012",
    bucket="archive",
    key="a.json.gz",
    first_position=Position("0001"),
    last_position=Position("0009"),
    stamp=NOON,
    sha256="ab" * 32,
    event_count=9,
    oldest_event_time="2026-03-14T11:58:00Z",
    newest_event_time="2026-03-14T11:59:59Z",
    trail=TRAIL.to_json(),
)
DIGEST = DigestPlan(
    TRAIL.arn,
    "123456789012",
    "us-east-1",
    "archive",
    "d",
    NOON,
    NOON + timedelta(hours=1),
    b"{}",
    "0f",
    "cd",
    previous_key="",
)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_url(request, request.param) as url:
        yield url


def _plan_until_killed(url: str, pipe: "Pipe[str, str]") -> None:
    import asyncio

    async def plan() -> None:
        database = await open_database(url)
        trails, log = SqlTrailStore(database), SqlDeliveryLog(database)
        await trails.apply(Position("0000"), SettingsEntry(TRAIL.arn, TRAIL.to_json()))
        await log.plan(STATE, [PLAN])
        await log.plan_digest(DIGEST)
        await log.plan(replace(STATE, cursor=Position("0019")), [replace(PLAN, key="b.json.gz")])
        await log.confirm(TRAIL.arn, "b.json.gz", NOON)
        pipe.send("planned")
        number = 20
        while True:
            plan = replace(PLAN, key=f"{number}.json.gz")
            await log.plan(replace(STATE, cursor=Position(f"{number:04d}")), [plan])
            number += 1

    asyncio.run(plan())


async def test_a_process_killed_between_plan_and_confirm_leaves_the_plan_and_the_cursor_together(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_plan_until_killed, args=(url, theirs))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == "planned"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)

    database = await open_database(url)
    log = SqlDeliveryLog(database)
    [state] = await log.readers()
    open_plans = {plan.key: plan for plan in await log.open_plans(TRAIL.arn)}

    assert open_plans["a.json.gz"] == PLAN
    assert await log.open_digests(TRAIL.arn) == [DIGEST]
    assert [plan.key for plan in await log.delivered(TRAIL.arn, DIGEST.place, NOON - timedelta(1), NOON)] == [
        "b.json.gz"
    ]
    last = max((int(key.split(".")[0]) for key in open_plans if key[0].isdigit()), default=19)
    assert state == replace(STATE, cursor=Position(f"{last:04d}"))
    assert len(open_plans) == last - 19 + 1
    await database.close()


async def test_a_trail_s_settings_are_kept_once_however_many_plans_refer_to_them(url: str) -> None:
    database = await open_database(url)
    log = SqlDeliveryLog(database)
    other = replace(TRAIL, s3_key_prefix="moved").to_json()

    await log.plan(STATE, [replace(PLAN, key=f"{number}.json.gz") for number in range(100)])
    await log.plan(replace(STATE, trail=other), [replace(PLAN, key="last.json.gz", trail=other)])

    def count(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(trail_snapshots)).scalar_one()

    assert await database.read(count) == 2
    assert {plan.trail for plan in await log.open_plans(TRAIL.arn)} == {TRAIL.to_json(), other}
    await database.close()
