"""Delivery to a real S3 server over a link that fails: whatever happens, every event is in exactly one file, in order,
every file was written once and is in exactly one digest, and the chain is found valid."""

import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from opentrail.adapters.object_store import s3_client, s3_reading
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.adapters.signer.local import LocalSigner
from opentrail.pipeline.delivery_context import UNDELIVERABLE
from opentrail.query.log_validation import LogValidation, ValidationRequest
from opentrail.resource.trail import Trail
from opentrail.sealing import Sealer
from tests.support.delivery import HOUR, MINUTE, NOON, REGION, DeliveryWorld, event_ids
from tests.support.faulty_link import Fault, FaultyLink, faulty_link
from tests.support.moto_server import moto_server

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "ATTEMPTS", 1)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(s3_reading, "ANSWER_SECONDS", 0.3)


def endpoint(url: str) -> S3Endpoint:
    return S3Endpoint(url, REGION, "testing", "testing")


def patient(url: str) -> S3Buckets:
    """Return buckets whose client waits for its answers, whatever the deliveries' clients do."""
    buckets, impatience = S3Buckets(endpoint(url)), s3_client.READ_TIMEOUT_S
    s3_client.READ_TIMEOUT_S = 30
    buckets._connected()
    s3_client.READ_TIMEOUT_S = impatience
    return buckets


class S3World(DeliveryWorld):
    """A delivery to a versioned bucket of a real server, over a link; ``direct`` is the way around it."""

    def __init__(self, link: FaultyLink, server: str, folder: Path) -> None:
        self.link = link
        self.direct = patient(server)
        self.keys = LocalSigner(folder, Sealer(bytes(32)))
        self.name = f"logs-{uuid4()}"
        self.ids: list[str] = []
        super().__init__()

    def deliver_with(self, **ports: Any) -> Any:
        stores = S3Buckets(endpoint(self.link.url))
        return super().deliver_with(**{"object_stores": stores, "signer": self.keys} | ports)

    async def open(self) -> Trail:
        await self.make_bucket()
        self.trail = await self.start(s3_bucket_name=self.name)
        await self.tick()
        return self.trail

    async def make_bucket(self) -> None:
        await self.direct.call("create_bucket", Bucket=self.name)
        rule = {"Status": "Enabled"}
        await self.direct.call("put_bucket_versioning", Bucket=self.name, VersioningConfiguration=rule)

    async def live(self, span: timedelta, step: timedelta = 5 * MINUTE) -> None:
        """Let time pass with an event or two at every step."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.ids += await self.record(2)
            await self.pass_time(step, step=step)

    async def mend(self) -> None:
        """Let everything pass again and give it time."""
        self.link.fault = Fault.NONE
        await self.pass_time(3 * HOUR, step=5 * MINUTE)

    async def files(self) -> dict[str, list[str]]:
        """Return the event ids of each log file by key; every object must have been written once."""
        found = {}
        page = await self.direct.call("list_object_versions", Bucket=self.name)
        assert not page["IsTruncated"]
        keys = [version["Key"] for version in page.get("Versions", ())]
        assert len(keys) == len(set(keys)), "an object was written twice"
        for key in keys:
            if "/CloudTrail/" in key and key.endswith(".gz"):
                found[key] = event_ids((await self.direct.bucket(self.name).get(key)).body)
        return found

    async def check(self) -> None:
        files = await self.files()
        assert sorted(event_id for ids in files.values() for event_id in ids) == sorted(self.ids)
        order = {event_id: place for place, event_id in enumerate(self.ids)}
        assert all(ids == sorted(ids, key=order.__getitem__) for ids in files.values())
        assert self.gaps == []
        request = ValidationRequest(self.trail.arn, REGION, NOON, self.clock.now(), self.name)
        validation = LogValidation(request, self.direct, self.keys)
        findings = [finding async for finding in validation.findings()]
        assert [finding for finding in findings if not finding.is_valid] == []
        assert validation.summary.valid["log"] == len(files)
        assert validation.summary.concerns == 0


@pytest.fixture
async def world(moto: str, tmp_path: Path) -> AsyncIterator[S3World]:
    async with faulty_link(moto) as link:
        world = S3World(link, moto, tmp_path / "keys")
        await world.open()
        yield world


async def test_a_bucket_that_is_down_for_a_day_has_everything_afterwards(world: S3World) -> None:
    await world.live(HOUR)
    world.link.fault = Fault.DOWN
    await world.live(DAY, step=15 * MINUTE)
    status = await world.log.status(world.trail.arn, REGION)
    assert status["LatestDeliveryAttemptTime"] > status["LatestDeliveryTime"]

    await world.mend()

    await world.check()
    status = await world.log.status(world.trail.arn, REGION)
    assert status["LatestDeliveryTime"] == status["LatestDeliveryAttemptTime"]


@pytest.mark.parametrize("fault", [Fault.HANGS, Fault.LOSES_ANSWERS, Fault.CUTS_ANSWERS, Fault.DRIPS])
async def test_a_link_that_fails_for_an_hour_costs_nothing_but_time(world: S3World, fault: Fault) -> None:
    await world.live(10 * MINUTE)
    world.link.fault = fault
    await world.live(HOUR, step=20 * MINUTE)
    before = world.link.connections

    await world.mend()

    await world.check()
    assert before > 3


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_fails_and_whenever_nothing_is_lost_or_doubled(world: S3World, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        world.link.fault = chance.choice([Fault.NONE, *(fault for fault in Fault if fault is not Fault.HANGS)])
        world.ids += await world.record(chance.randint(1, 4))
        await world.pass_time(timedelta(seconds=chance.choice((1, 20, 300, 900))), step=5 * MINUTE)
        if chance.random() < 0.15:
            world.restart()

    await world.mend()

    await world.check()


async def test_a_bucket_that_stays_away_for_a_month_is_given_up_with_gaps_and_goes_on_after_it(
    world: S3World,
) -> None:
    await world.live(10 * MINUTE)
    kept = list(world.ids)
    world.link.fault = Fault.DOWN
    world.ids += await world.record(3)
    await world.pass_time(31 * DAY, step=12 * HOUR)
    assert world.gaps == [{"region": REGION, "count": 3, "reason": UNDELIVERABLE}]

    world.link.fault = Fault.NONE
    await world.live(HOUR)
    await world.mend()

    files = await world.files()
    delivered = [event_id for ids in files.values() for event_id in ids]
    assert sorted(delivered) == sorted([*kept, *world.ids[len(kept) + 3 :], "gap-0"])
    request = ValidationRequest(world.trail.arn, REGION, NOON, world.clock.now(), world.name)
    validation = LogValidation(request, world.direct, world.keys)
    assert all([finding.is_valid async for finding in validation.findings()])
    assert validation.summary.valid["log"] == len(files)


async def test_the_status_names_what_the_server_says(world: S3World) -> None:
    await world.live(5 * MINUTE)
    lost = f"{world.name}-2"
    await world.settle(Trail.from_json(world.trail.to_json().replace(world.name.encode(), lost.encode())))
    await world.live(5 * MINUTE)
    assert (await world.log.status(world.trail.arn, REGION))["LatestDeliveryError"] == "NoSuchBucket"

    await world.direct.call("create_bucket", Bucket=lost)
    await world.mend()

    assert (await world.log.status(world.trail.arn, REGION))["LatestDeliveryError"] == ""


async def test_a_server_that_is_killed_and_comes_back_empty_gets_what_is_new_and_nothing_again(
    tmp_path: Path,
) -> None:
    with moto_server() as url:
        async with faulty_link(url) as link:
            world = S3World(link, url, tmp_path / "keys")
            await world.open()
            await world.live(HOUR)
            before = await world.files()
    world.link.fault = Fault.DOWN
    await world.live(2 * HOUR, step=15 * MINUTE)

    with moto_server() as url:
        async with faulty_link(url) as link:
            world.link, world.direct = link, patient(url)
            world.restart()
            await world.live(20 * MINUTE)  # a server's first answers may be late
            assert (await world.log.status(world.trail.arn, REGION))["LatestDeliveryError"] == "NoSuchBucket"
            await world.make_bucket()
            await world.mend()
            after = await world.files()

    assert before.keys().isdisjoint(after)
    delivered = [event_id for ids in [*before.values(), *after.values()] for event_id in ids]
    assert sorted(delivered) == sorted(world.ids)
