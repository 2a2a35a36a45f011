"""Seeded runs of the whole spine in one process: calls recorded, looked up, delivered and digested while ports refuse
and the power is cut at seeded port calls. Whatever happens, every call that went upstream is once in Event history and
once in a log file, and every log file is once in a digest."""

import gzip
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.metadata_store.database import Database, open_database
from opentrail.adapters.metadata_store.delivery_log import SqlDeliveryLog
from opentrail.adapters.metadata_store.identity_store import SqlIdentityStore
from opentrail.adapters.metadata_store.trail_store import SqlTrailStore
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.adapters.object_store.buckets import Buckets
from opentrail.capture import RecordingUnavailable
from opentrail.capture.callers import CallerResolver
from opentrail.clock import RandomIdentifiers
from opentrail.event.encoding import decode_event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.history import HistoryFeeder
from opentrail.pipeline.recording import FailClosedRecorder, recover_abandoned_calls
from opentrail.pipeline.regions import EnabledRegions
from opentrail.pipeline.settings_view import SettingsView
from opentrail.pipeline.trail_delivery import TrailDelivery
from opentrail.ports import Unavailable
from opentrail.ports.archives import Archive
from opentrail.ports.event_history import LookupKey, LookupQuery
from opentrail.ports.journal import SettingsEntry
from opentrail.protocol import Operation
from opentrail.record.events import EventBuilder
from opentrail.resource.trail import Trail
from opentrail.sealing import Sealer
from tests.memory.signer import InMemorySigner
from tests.simulation.fail_points import Power, PowerCut, failing

SEEDS = 200 if os.environ.get("OPENTRAIL_SIMULATE") == "full" else 20
LIVES = 10
"""Power cuts in each seed: 20 seeds are 200 fail points."""

ACCOUNT = "123456789012"
REGION = "us-east-1"
ARN = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/audit"
BUCKET = "audit-archive"
OPERATION = Operation("iam", "CreateUser")


class TurnedClock:
    """A clock that only the run turns."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def turn(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class Spine:
    """One installation on disk, opened again for each life of its process."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self.clock = TurnedClock()
        self.signer = InMemorySigner()
        self.sent_upstream: list[str] = []
        self.answered: list[str] = []
        self._serial = 0

    @asynccontextmanager
    async def life(self, power: Power) -> AsyncIterator["Life"]:
        """Open everything under ``power``, as a start of the process does."""
        async with AsyncExitStack() as stack:
            database = await open_database(f"sqlite:///{self._folder / 'metadata.sqlite'}")
            stack.push_async_callback(database.close)
            journal = await LocalJournal.open(self._folder / "journal", self.clock)
            stack.push_async_callback(journal.close)
            history = await LocalEventHistory.open(self._folder / "history", seal_events=20)
            stack.push_async_callback(history.close)
            yield Life(self, power, database, journal, history, LocalArchives(self._folder / "archives"))

    def next_name(self) -> str:
        self._serial += 1
        return f"user-{self._serial}"

    def objects(self, kind: str) -> list[Path]:
        return sorted((self._folder / "archives" / BUCKET).rglob(f"*_{kind}_*.json.gz"))

    def delivered_names(self) -> Counter[str]:
        files = [orjson.loads(gzip.decompress(path.read_bytes())) for path in self.objects("CloudTrail")]
        events = [event for file in files for event in file["Records"]]
        identifiers = Counter(event["eventID"] for event in events)
        assert max(identifiers.values(), default=1) == 1, "an event is twice in files"
        return Counter(event["requestParameters"]["userName"] for event in events if event["eventName"] == "CreateUser")

    def digested_files(self) -> Counter[str]:
        digests = [orjson.loads(gzip.decompress(path.read_bytes())) for path in self.objects("CloudTrail-Digest")]
        return Counter(file["s3Object"].rpartition("/")[2] for digest in digests for file in digest["logFiles"])


class Life:
    """One life of the process: the same joining as the server's, every port under the power of the seed."""

    def __init__(
        self,
        spine: Spine,
        power: Power,
        database: Database,
        journal: LocalJournal,
        history: LocalEventHistory,
        archives: LocalArchives,
    ) -> None:
        self._spine = spine
        self._history = history
        self._archives = archives
        self._trails = failing(SqlTrailStore(database), power)
        self._journal = failing(journal, power)
        self._view = SettingsView(self._journal, self._trails)
        identities = failing(SqlIdentityStore(database, Sealer(bytes(32))), power)
        self._regions = EnabledRegions(self._journal, on_settings=lambda position, entry: self._view.catch_up())
        self._builder = EventBuilder(
            default_account_id=ACCOUNT,
            default_region=REGION,
            regions=lambda: (REGION,),
            identifiers=RandomIdentifiers(),
        )
        self._recorder = FailClosedRecorder(
            self._journal,
            self._builder,
            CallerResolver(identities, spine.clock, learns=False),
            self._regions,
            spine.clock,
        )
        self._feeder = HistoryFeeder(self._journal, failing(history, power), spine.clock)
        self._delivery = TrailDelivery(
            journal=self._journal,
            delivery_log=failing(SqlDeliveryLog(database), power),
            object_stores=failing(Buckets(archives), power),
            signer=failing(spine.signer, power),
            clock=spine.clock,
            installation_id="0b8a7c3e-0000-4000-8000-000000000000",
            log_file_interval=timedelta(seconds=5),
            digest_interval=timedelta(seconds=15),
            trails=self._trails,
        )

    async def make_trail(self) -> None:
        now = self._spine.clock.now()
        self._archives.create(Archive(BUCKET, REGION, ACCOUNT, now))
        trail = Trail(
            ARN, "audit", ACCOUNT, REGION, BUCKET, is_log_file_validation_enabled=True, is_logging=True,
            logging_started_at=now, created_at=now,
        )  # fmt: skip
        await self._regions.enable(REGION)
        await self._journal.append([SettingsEntry(ARN, trail.to_json())])

    async def start(self) -> None:
        await self._view.catch_up()
        self._regions = EnabledRegions(self._journal, await self._trails.enabled_regions())
        await recover_abandoned_calls(self._journal, self._builder, self._regions)

    async def call(self, name: str) -> None:
        """One call through the gateway's two durable steps."""
        body = f"Action=CreateUser&Version=2010-05-08&UserName={name}".encode()
        headers = (("Content-Type", "application/x-www-form-urlencoded"),)
        request = HttpRequest("POST", "/", headers, body, "127.0.0.1", len(body))
        with suppress(RecordingUnavailable):
            record = await self._recorder.begin(request, OPERATION, None)
            self._spine.sent_upstream.append(name)
            await record.finish(HttpResponse(200, (), b"<CreateUserResponse/>", 21))
            self._spine.answered.append(name)

    async def read(self) -> None:
        """Let every reader do what is due; what does not answer now is tried again later."""
        for work in (self._view.catch_up, self._feeder.catch_up, lambda: self._delivery.tick(self._spine.clock.now())):
            with suppress(Unavailable):
                await work()

    async def stop(self) -> None:
        await self._recorder.stop()

    async def looked_up_names(self) -> Counter[str]:
        found: Counter[str] = Counter()
        token = ""
        attributes = ((LookupKey.EVENT_NAME, "CreateUser"),)
        while True:
            page = await self._history.lookup(LookupQuery(ACCOUNT, REGION, attributes, page_token=token))
            found.update(decode_event(event)["requestParameters"]["userName"] for event in page.events)
            token = page.next_token
            if not token:
                return found


async def live(spine: Spine, chance: random.Random) -> None:
    """Work until the power goes."""
    power = Power(chance, cut_after=chance.randint(1, 60), refusal=chance.choice([0.0, 0.05, 0.2]))
    async with spine.life(power) as life:
        with suppress(PowerCut, Unavailable):
            await life.start()
            while not power.is_cut:
                for _ in range(chance.randint(0, 4)):
                    await life.call(spine.next_name())
                spine.clock.turn(chance.uniform(0.1, 6))
                await life.read()
        power.is_cut = True
        with suppress(PowerCut, Unavailable):
            await life.stop()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_power_cuts_and_refusals_lose_and_double_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    spine = Spine(tmp_path, chance)
    async with spine.life(Power(chance, cut_after=None)) as first:
        await first.make_trail()

    for _ in range(LIVES):
        await live(spine, chance)

    async with spine.life(Power(chance, cut_after=None)) as life:
        await life.start()
        for _ in range(12):
            spine.clock.turn(20)
            await life.read()
        looked_up = await life.looked_up_names()
        assert set(spine.sent_upstream) <= set(looked_up), "a call that went upstream is missing from history"
        assert set(spine.answered) <= set(spine.sent_upstream)
        assert max(looked_up.values(), default=1) == 1, "an event is twice in history"
        assert spine.delivered_names() == looked_up
        files = {path.name for path in spine.objects("CloudTrail")}
        assert spine.digested_files() == Counter(files), "every log file is in one digest"
