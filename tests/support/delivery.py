"""A delivery to test: in-memory ports, a hand-turned clock, and the API's side of the journal played by hand."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from opentrail.pipeline.trail_delivery import TrailDelivery
from opentrail.ports.journal import LIVE, REGIONS_SCOPE, EventEntry, SettingsEntry
from opentrail.resource.trail import Trail
from tests.builders import ACCOUNT, NOON, REGION, HandClock, a_trail, an_event
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.journal import InMemoryJournal
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.memory.signer import InMemorySigner
from tests.memory.trail_store import InMemoryTrailStore

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class DeliveryWorld:
    """One account with buckets ``logs`` and ``other``. Log files close every 5 minutes, digests every hour."""

    def __init__(self, log_file_interval: timedelta = 5 * MINUTE, digest_interval: timedelta = HOUR) -> None:
        self.clock = HandClock()
        self.journal = InMemoryJournal(self.clock)
        self.log = InMemoryDeliveryLog()
        self.trails = InMemoryTrailStore(self.log)
        self.bucket = InMemoryObjectStore("logs", self.clock.now)
        self.other = InMemoryObjectStore("other", self.clock.now)
        self.signer = InMemorySigner()
        self.intervals = (log_file_interval, digest_interval)
        self.gaps: list[dict[str, Any]] = []
        self.receivers: tuple[str, ...] = ()
        self.delivery = self.deliver_with()
        self._events = 0

    def deliver_with(self, **ports: Any) -> TrailDelivery:
        """Return a delivery over these ports, as a process that starts now has it; ``ports`` replaces some."""
        chosen: dict[str, Any] = {
            "journal": self.journal,
            "delivery_log": self.log,
            "object_stores": InMemoryObjectStores(self.bucket, self.other),
            "signer": self.signer,
            "trails": self.trails,
        } | ports
        return TrailDelivery(
            **chosen,
            clock=self.clock,
            installation_id="installation",
            receivers=self.receivers,
            log_file_interval=self.intervals[0],
            digest_interval=self.intervals[1],
            report_gap=self._report_gap,
        )

    def restart(self) -> None:
        """Go on as the next process does, with nothing but what was durable."""
        self.delivery = self.deliver_with()

    def _report_gap(
        self, account_id: str, region: str, start: datetime, end: datetime, count: int | None, reason: str
    ) -> dict[str, Any]:
        event = an_event("Gap", recipientAccountId=account_id, awsRegion=region, eventID=f"gap-{len(self.gaps)}")
        self.gaps.append({"region": region, "count": count, "reason": reason})
        return event

    async def settle(self, trail: Trail) -> Trail:
        """Put a trail's settings on record and in force, as the API does."""
        entry = SettingsEntry(trail.arn, trail.to_json())
        await self.trails.apply(await self.journal.append([entry]), entry)
        return trail

    async def create(self, name: str = "main", **changes: Any) -> Trail:
        """Create a trail; it is not logging yet."""
        return await self.settle(a_trail(name, **changes))

    async def start(self, name: str = "main", **changes: Any) -> Trail:
        """Create a trail with validation and start logging."""
        values = {"is_log_file_validation_enabled": True} | changes
        return await self.start_logging(await self.create(name, **values))

    async def start_logging(self, trail: Trail) -> Trail:
        return await self.settle(replace(trail, is_logging=True, logging_started_at=self.clock.now()))

    async def stop_logging(self, trail: Trail) -> Trail:
        return await self.settle(replace(trail, is_logging=False, logging_stopped_at=self.clock.now()))

    async def delete(self, trail: Trail) -> None:
        entry = SettingsEntry(trail.arn, None)
        await self.trails.apply(await self.journal.append([entry]), entry)

    async def enable_regions(self, *regions: str) -> None:
        entry = SettingsEntry(REGIONS_SCOPE, orjson.dumps(sorted(regions)))
        await self.trails.apply(await self.journal.append([entry]), entry)

    async def record(self, count: int = 1, *, audience: str = LIVE, **changes: Any) -> list[str]:
        """Append events of this moment and return their ids."""
        ids = []
        for _ in range(count):
            self._events += 1
            ids.append(f"event-{self._events}")
            moment = self.clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            event = an_event(**({"eventID": ids[-1], "eventTime": moment, "name": "CreateUser"} | changes))
            await self.journal.append([EventEntry(orjson.dumps(event), audience)])
        return ids

    async def tick(self) -> None:
        await self.delivery.tick(self.clock.now())

    async def pass_time(self, span: timedelta, step: timedelta = MINUTE) -> None:
        """Let the clock run, with a tick at every step."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(min(step, end - self.clock.now()).total_seconds())
            await self.tick()

    def put_keys(self, folder: str = "CloudTrail", *, bucket: InMemoryObjectStore | None = None) -> list[str]:
        """Return the keys below ``folder`` in the order they were put."""
        return [key for key in (bucket or self.bucket).puts if f"/{folder}/" in key]

    def log_files(self, bucket: InMemoryObjectStore | None = None) -> list[list[str]]:
        """Return the event ids of each log file, in the order the files were put."""
        store = bucket or self.bucket
        return [event_ids(store.objects[key].body) for key in self.put_keys(bucket=store)]

    def digests(self, region: str = REGION, bucket: InMemoryObjectStore | None = None) -> list[dict[str, Any]]:
        """Return the digests of a Region, in the order they were put."""
        store = bucket or self.bucket
        keys = self.put_keys(f"CloudTrail-Digest/{region}", bucket=store)
        return [orjson.loads(gzip.decompress(store.objects[key].body)) for key in keys]

    def delivered_ids(self) -> list[str]:
        """Return the event ids of all log files in ``logs``, in the order the files were put."""
        return [event_id for file in self.log_files() for event_id in file]

    def listed(self, region: str = REGION, bucket: InMemoryObjectStore | None = None) -> list[str]:
        """Return the keys that the Region's digests list, in order."""
        return [file["s3Object"] for digest in self.digests(region, bucket) for file in digest["logFiles"]]


def event_ids(body: bytes) -> list[str]:
    """Return the ids of a log file's events."""
    return [event["eventID"] for event in orjson.loads(gzip.decompress(body))["Records"]]


def spans(digests: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (start, end) of digests, time of day only."""
    return [(digest["digestStartTime"][11:-1], digest["digestEndTime"][11:-1]) for digest in digests]


__all__ = ["ACCOUNT", "HOUR", "MINUTE", "NOON", "REGION", "DeliveryWorld", "event_ids", "spans"]
