"""Seeded runs of trail delivery whose ports refuse, or take the process with them, at any call.

Whatever the seed: every event that a logging trail recorded is in exactly one of its files, every file is in one
digest of its account and Region and in no other, and every chain verifies. ``OPENTRAIL_SIMULATION_SEEDS`` sets how many
seeds run (default 240).
"""

import gzip
import hashlib
import os
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
import structlog

from opentrail.digest.signing import is_signature_of, load_public_key, signing_text
from opentrail.ports import Unavailable
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.organization import organized
from opentrail.resource.trail import Trail
from tests.builders import AUDIT, DEV, MANAGEMENT, an_organization
from tests.memory.object_store import InMemoryObjectStores
from tests.simulation.fail_points import Power, PowerCut, failing
from tests.support.delivery import HOUR, MINUTE, DeliveryWorld, event_ids

SEEDS = int(os.environ.get("OPENTRAIL_SIMULATION_SEEDS", "240"))
SEEDS_PER_TEST = 20
REGIONS = ("us-east-1", "eu-west-1", "sa-east-1")
ORGANIZATIONS = (an_organization(), an_organization(AUDIT), None)
ACCOUNTS = (MANAGEMENT, AUDIT, DEV)
BACKWARDS = (-0.4, -200, -4000)
"""Seconds by which the clock is set back now and then."""

STEPS = 25


class Run:
    """One seed: a multi-Region, a single-Region and an organization trail, changed and fed at random, in a process that
    keeps dying, on a clock that is set back now and then."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world = DeliveryWorld(5 * MINUTE, 20 * MINUTE)
        self.trails: dict[str, Trail] = {}
        self.expected: dict[str, list[str]] = {"wide": [], "narrow": [], "everyone": []}
        self.cuts = 0
        self.refusals = 0
        self.unlisted = 0
        self.power = Power(self.chance, cut_after=None)
        self.start_process()

    def start_process(self, *, is_safe: bool = False) -> None:
        self.refusals += self.power.refused
        world = self.world
        after = None if is_safe else self.chance.choice((None, self.chance.randint(1, 120)))
        refusal = 0.0 if is_safe else self.chance.choice((0.0, 0.02, 0.2))
        self.power = Power(self.chance, cut_after=after, refusal=refusal)
        world.delivery = world.deliver_with(
            journal=failing(world.journal, self.power),
            delivery_log=failing(world.log, self.power),
            object_stores=failing(InMemoryObjectStores(world.bucket, world.other), self.power),
            signer=failing(world.signer, self.power),
        )

    async def tick(self) -> None:
        try:
            await self.world.delivery.tick(self.world.clock.now())
        except PowerCut:
            self.cuts += 1
            self.start_process()
        except Unavailable:
            self.unlisted += 1

    async def settle(self, name: str, **changes: Any) -> None:
        self.trails[name] = await self.world.settle(replace(self.trails[name], **changes))

    async def record(self) -> None:
        region = self.chance.choice(REGIONS)
        account = self.chance.choice(ACCOUNTS)
        ids = await self.world.record(
            self.chance.randint(1, 3), awsRegion=region, eventSource="ec2.amazonaws.com", recipientAccountId=account
        )
        for name, trail in self.trails.items():
            if trail.is_logging and AccountRegion(account, region) in trail.places(REGIONS):
                self.expected[name] += ids

    async def change(self) -> None:
        name = self.chance.choice(sorted(self.trails))
        trail = self.trails[name]
        kind = self.chance.random()
        if kind < 0.4:
            now = self.world.clock.now()
            await self.settle(name, is_logging=not trail.is_logging, logging_started_at=now)
        elif kind < 0.6:
            await self.settle(name, s3_bucket_name="other" if trail.s3_bucket_name == "logs" else "logs")
        elif kind < 0.7 and name == "wide":
            await self.settle(name, is_multi_region=not trail.is_multi_region)
        elif kind < 0.75 and name == "everyone":
            self.trails[name] = await self.world.settle(organized(trail, self.chance.choice(ORGANIZATIONS)))
        elif kind < 0.8:
            await self.world.delete(trail)
            if self.chance.random() < 0.5:
                await self.tick()
            self.trails[name] = await self.world.settle(replace(trail, is_logging=False))
        else:
            await self.world.enable_regions(*self.chance.sample(REGIONS, 2))

    async def play(self) -> None:
        for name in self.expected:
            self.trails[name] = await self.world.start(name, is_multi_region=name != "narrow")
        self.trails["everyone"] = await self.world.settle(organized(self.trails["everyone"], ORGANIZATIONS[0]))
        for _ in range(STEPS):
            await self.chance.choice((self.record, self.record, self.record, self.change, self.tick))()
            if self.chance.random() < 0.6:
                self.world.clock.advance(self.chance.choice((0.3, 1, 20, 100, 400, 3000, 3000, *BACKWARDS)))
                await self.tick()
            await self.world.journal.trim(self.world.delivery.holds())
        self.start_process(is_safe=True)
        for name in self.trails:
            await self.settle(name, is_logging=False)
        await self.world.pass_time(2 * HOUR, step=timedelta(minutes=4))

    def files_of(self, name: str) -> dict[str, list[str]]:
        """The trail's files with their event ids. The log knows whose a file is; the buckets hold what is in it."""
        stores = {"logs": self.world.bucket, "other": self.world.other}
        plans = [plan for plan in self.world.log._plans.values() if plan.trail_arn == self.trails[name].arn]
        return {f"{plan.bucket}/{plan.key}": event_ids(stores[plan.bucket].objects[plan.key].body) for plan in plans}

    async def check(self) -> None:
        put = [f"{store.name}/{key}" for store in (self.world.bucket, self.world.other) for key in store.puts]
        files = {key: ids for name in self.trails for key, ids in self.files_of(name).items()}
        assert sorted(files) == sorted(key for key in put if "/CloudTrail/" in key)
        assert self.world.gaps == []
        for name in self.trails:
            ids = [event_id for file in self.files_of(name).values() for event_id in file]
            assert sorted(ids) == sorted(self.expected[name])
            places = [AccountRegion(account, region) for account in ACCOUNTS for region in REGIONS]
            listed = [key for place in places for key in await self.check_chain(name, place)]
            assert sorted(listed) == sorted(self.files_of(name))

    async def check_chain(self, name: str, place: AccountRegion) -> list[str]:
        """Verify every digest of a chain against its predecessor and its key; return what they list."""
        end = self.world.clock.now()
        signer = self.world.signer
        keys = {
            key.fingerprint: key for key in await signer.public_keys(place.region, end - 99 * HOUR, end + 99 * HOUR)
        }
        listed, previous, last_end = [], None, ""
        for store, key in self._digest_keys(name, place):
            raw = gzip.decompress(store.objects[key].body)
            signature = store.objects[key].metadata["signature"]
            digest = orjson.loads(raw)
            assert digest["digestStartTime"] >= last_end
            assert digest["digestEndTime"] > digest["digestStartTime"]
            sha256 = hashlib.sha256(raw).hexdigest()
            text = signing_text(digest["digestEndTime"], store.name, key, sha256, digest["previousDigestSignature"])
            public = load_public_key(keys[digest["digestPublicKeyFingerprint"]].der)
            assert is_signature_of(public, text, signature)
            if digest["previousDigestS3Object"] is not None:
                assert previous is not None
                assert digest["digestStartTime"] == last_end
                members = ("S3Bucket", "S3Object", "HashValue", "Signature")
                assert tuple(digest[f"previousDigest{member}"] for member in members) == previous
            previous, last_end = (store.name, key, sha256, signature), digest["digestEndTime"]
            listed += [f"{file['s3Bucket']}/{file['s3Object']}" for file in digest["logFiles"]]
        return listed

    def _digest_keys(self, name: str, place: AccountRegion) -> list[tuple[Any, str]]:
        marker = f"{place.account_id}_CloudTrail-Digest_{place.region}_{name}_us-east-1_"
        found = [(store, key) for store in (self.world.bucket, self.world.other) for key in store.puts if marker in key]
        return sorted(found, key=lambda item: item[1].rpartition("/")[2])


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
async def test_nothing_is_lost_or_doubled_whatever_fails(first: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    cuts = refusals = 0
    try:
        for seed in range(first, first + SEEDS_PER_TEST):
            run = Run(seed)
            await run.play()
            try:
                await run.check()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error
            cuts, refusals = cuts + run.cuts, refusals + run.refusals
    finally:
        structlog.reset_defaults()

    assert cuts + refusals > SEEDS_PER_TEST / 2, "the seeds hardly test anything"
