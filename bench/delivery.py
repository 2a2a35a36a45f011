"""Delivering what the journal holds against writing and putting the same files bare: python -m bench.delivery

Ours: one trail over many Regions reads a journal of 1.2 kB events, selects, closes a log file a Region and delivers
them, planned and confirmed in SQLite. Bare: the same events, already grouped, are joined, compressed at the same level
and put, 8 at a time. Into a folder (each file fsynced and its name too) and into moto's server through boto3. Sides
alternate within one run; medians; both must have stored the same bytes.
"""

import argparse
import gzip
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import uvloop

from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.metadata_store import SqlDeliveryLog, SqlTrailStore, open_database
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.adapters.object_store.buckets import Buckets
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.deliver.log_files import gzip_bytes
from opentrail.pipeline.delivery_context import PUTS_IN_FLIGHT
from opentrail.pipeline.trail_delivery import TrailDelivery
from opentrail.ports.journal import EventEntry, SettingsEntry
from tests.builders import HandClock, a_trail, an_archive, an_event
from tests.memory.signer import InMemorySigner
from tests.support.moto_server import moto_server

BUCKET = "logs"
EVENT_BYTES = 1200
BATCH = 500
INTERVAL = timedelta(minutes=5)

Events = dict[str, list[bytes]]
Stored = set[bytes]


def make_events(count: int, regions: int) -> Events:
    """Return events by Region, in the order in which the journal will hold them."""
    events: Events = {f"region-{number:02}": [] for number in range(regions)}
    names = list(events)
    for number in range(count):
        region = names[number % regions]
        event = an_event("CreateUser", eventID=f"{number:036}", awsRegion=region, eventSource="ec2.amazonaws.com")
        spare = EVENT_BYTES - len(orjson.dumps(event))
        event["requestParameters"] = {"text": os.urandom(max(spare, 40) // 3).hex()}
        events[region].append(orjson.dumps(event))
    return events


async def deliver(folder: Path, events: Events, stores: Any) -> float:
    """Fill a journal, then deliver it; return the seconds of the delivery alone."""
    clock = HandClock()
    journal = await LocalJournal.open(folder / "journal")
    database = await open_database(f"sqlite:///{folder / 'metadata.sqlite'}")
    trails = SqlTrailStore(database)
    trail = a_trail(is_logging=True, is_multi_region=True, s3_bucket_name=BUCKET, includes_global_service_events=True)
    entry = SettingsEntry(trail.arn, trail.to_json())
    await trails.apply(await journal.append([entry]), entry)
    everything = [event for group in zip(*events.values(), strict=True) for event in group]
    for start in range(0, len(everything), BATCH):
        await journal.append([EventEntry(event) for event in everything[start : start + BATCH]])
    delivery = TrailDelivery(
        journal, SqlDeliveryLog(database), stores, InMemorySigner(), clock, "bench", INTERVAL, timedelta(hours=1)
    )
    started = time.perf_counter()
    await delivery.tick(clock.now())
    clock.advance(INTERVAL.total_seconds())
    await delivery.tick(clock.now())
    elapsed = time.perf_counter() - started
    await journal.close()
    await database.close()
    return elapsed


def join(events: Sequence[bytes]) -> bytes:
    return gzip_bytes(b'{"Records":[' + b",".join(events) + b"]}")


def bare(events: Events, put: Callable[[str, bytes], None]) -> float:
    """Join, compress and put every Region's events; return the seconds."""
    started = time.perf_counter()
    with ThreadPoolExecutor(PUTS_IN_FLIGHT) as threads:
        list(threads.map(lambda region: put(f"AWSLogs/{region}.json.gz", join(events[region])), events))
    return time.perf_counter() - started


def put_file(folder: Path) -> Callable[[str, bytes], None]:
    def put(key: str, body: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        descriptor = os.open(path.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    return put


def contents(bodies: Iterator[bytes]) -> Stored:
    return {gzip.decompress(body) for body in bodies}


def run_folder(events: Events) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archives = LocalArchives(folder / "archives")
        archives.create(an_archive(BUCKET))
        ours = uvloop.run(deliver(folder, events, Buckets(archives)))
        theirs = bare(events, put_file(folder / "bare"))
        delivered = contents(path.read_bytes() for path in (folder / "archives").rglob("*_CloudTrail_*.json.gz"))
        assert delivered == contents(path.read_bytes() for path in (folder / "bare").rglob("*.json.gz"))
        assert len(delivered) == len(events)
    return ours, theirs


def run_s3(events: Events, url: str) -> tuple[float, float]:
    buckets = S3Buckets(S3Endpoint(url, "us-east-1", "testing", "testing"))
    client, other = buckets._connected(), f"bare-{uuid4()}"
    for bucket in (BUCKET, other):
        client.create_bucket(Bucket=bucket)
    with tempfile.TemporaryDirectory() as name:
        ours = uvloop.run(deliver(Path(name), events, buckets))
    theirs = bare(events, lambda key, body: client.put_object(Bucket=other, Key=key, Body=body))
    stored = []
    for bucket in (BUCKET, other):
        keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
        found = {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
        stored.append(contents(body for key, body in found.items() if key.endswith(".gz")))
        for key in keys:
            client.delete_object(Bucket=bucket, Key=key)
        client.delete_bucket(Bucket=bucket)
    assert stored[0] == stored[1]
    assert len(stored[0]) == len(events)
    return ours, theirs


@contextmanager
def sides(events: Events) -> Iterator[dict[str, Callable[[], tuple[float, float]]]]:
    with moto_server() as url:
        yield {"folder": lambda: run_folder(events), "moto": lambda: run_s3(events, url)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--regions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    events = make_events(given.events // given.regions * given.regions, given.regions)
    with sides(events) as runs:
        for name, run in runs.items():
            times = [run() for _ in range(given.rounds)]
            ours, theirs = (statistics.median(side) for side in zip(*times, strict=True))
            count = sum(map(len, events.values()))
            print(
                f"{name}: ours {count / ours:,.0f} events/s ({len(events) / ours:.1f} files/s), "
                f"bare {count / theirs:,.0f} events/s; ours/bare {theirs / ours:.2f}"
            )


if __name__ == "__main__":
    main()
