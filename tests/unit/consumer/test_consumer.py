"""A program sees every event at least once, whatever it or a log file does; what is done with stays done with."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.adapters.checkpoints.sqlite import SqliteCheckpoints
from opentrail.consumer import CloudTrailEvent, Consumer, ErrorAction, LogFileError
from opentrail.consumer.sources import Source
from opentrail.imports.feeds import Feed, ListingFeed, QueueFeed
from opentrail.ports.message_queue import Message
from opentrail.ports.object_store import BucketNotFound
from tests.builders import HandClock
from tests.memory.object_store import InMemoryObjectStore

DAY = "AWSLogs/123456789012/CloudTrail/us-east-1/2024/01/{:02d}/"


@dataclass
class FixedSource:
    feed: Feed

    def open(self) -> Feed:
        return self.feed


class FakeQueue:
    def __init__(self, *bodies: Any) -> None:
        self.messages = {
            str(number): Message(str(number), body if isinstance(body, str) else orjson.dumps(body).decode(), "h")
            for number, body in enumerate(bodies)
        }
        self.hidden: set[str] = set()

    async def receive(self, wait_seconds: int) -> Sequence[Message]:
        found = [one for one in self.messages.values() if one.id not in self.hidden]
        self.hidden.update(one.id for one in found)
        return found

    async def delete(self, message: Message) -> None:
        del self.messages[message.id]


@pytest.fixture
def store() -> InMemoryObjectStore:
    return InMemoryObjectStore("logs")


async def put(store: InMemoryObjectStore, key: str, *ids: int, raw: bytes = b"") -> None:
    records = [{"eventVersion": "1.11", "eventTime": "2024-01-01T00:00:00Z", "eventID": f"id-{one}"} for one in ids]
    await store.put_if_absent(key, raw or orjson.dumps({"Records": records}), content_type="")


def listing(store: InMemoryObjectStore, folder: Path) -> FixedSource:
    checkpoints = SqliteCheckpoints(folder / "checkpoint.sqlite")
    return FixedSource(ListingFeed(store, "logs", "AWSLogs/", checkpoints, HandClock()))


async def consumed(source: Any, **options: Any) -> list[str]:
    seen: list[str] = []

    def handle(events: Sequence[CloudTrailEvent]) -> None:
        seen.extend(event["eventID"] for event in events)

    given: Source = source
    await asyncio.wait_for(Consumer(given, handle, **options).run_async(until_idle=True), 20)
    return seen


async def test_a_listed_bucket_is_seen_once_across_runs_days_later_too(
    store: InMemoryObjectStore, tmp_path: Path
) -> None:
    for day in range(1, 6):
        await put(store, DAY.format(day) + "a.json.gz", day)
    first = await consumed(listing(store, tmp_path))
    again = await consumed(listing(store, tmp_path))
    await put(store, DAY.format(4) + "late.json.gz", 44)
    for day in range(6, 20):
        await put(store, DAY.format(day) + "b.json.gz", day)

    later = await consumed(listing(store, tmp_path))

    assert first == [f"id-{day}" for day in range(1, 6)]
    assert again == []
    assert later == ["id-44", *(f"id-{day}" for day in range(6, 20))]


async def test_a_region_that_was_not_reached_before_a_stop_is_not_forgotten(
    store: InMemoryObjectStore, tmp_path: Path
) -> None:
    await put(store, DAY.format(20) + "new.json.gz", 1)
    old = DAY.format(1).replace("us-east-1", "us-west-2") + "old.json.gz"
    await put(store, old, 2)
    stopping: list[Consumer] = []

    def handle(events: Sequence[CloudTrailEvent]) -> None:
        stopping[0].stop()

    stopping.append(Consumer(listing(store, tmp_path), handle))  # type: ignore[arg-type]
    await asyncio.wait_for(stopping[0].run_async(), 20)

    assert await consumed(listing(store, tmp_path)) == ["id-2"]


async def test_a_message_is_deleted_once_all_that_it_names_is_done_with(store: InMemoryObjectStore) -> None:
    for number in range(1, 5):
        await put(store, f"AWSLogs/{number}.json", number)
    s3 = {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "logs"}, "object": {"key": "AWSLogs%2F1.json"}},
            }
        ]
    }
    cloudtrail = {"s3Bucket": "logs", "s3ObjectKey": ["AWSLogs/2.json", "AWSLogs/3.json"]}
    bridge = {
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "logs"}, "object": {"key": "AWSLogs/4.json"}},
    }
    topic = {"Type": "Notification", "TopicArn": "arn", "Message": orjson.dumps(cloudtrail).decode()}
    queue = FakeQueue(s3, topic, bridge, {"Service": "Amazon S3", "Event": "s3:TestEvent"}, "nonsense")

    seen = await consumed(FixedSource(QueueFeed(queue, lambda bucket: store)))

    assert sorted(seen) == ["id-1", "id-2", "id-3", "id-4"]
    assert [one.body for one in queue.messages.values()] == ["nonsense"]


async def test_a_message_about_a_bucket_that_is_not_there_is_passed_over(store: InMemoryObjectStore) -> None:
    await put(store, "AWSLogs/1.json", 1)
    queue = FakeQueue(
        {"s3Bucket": "elsewhere", "s3ObjectKey": ["a.json"]}, {"s3Bucket": "logs", "s3ObjectKey": ["AWSLogs/1.json"]}
    )

    def open_bucket(name: str) -> InMemoryObjectStore:
        if name == "logs":
            return store
        raise BucketNotFound(name)

    assert await consumed(FixedSource(QueueFeed(queue, open_bucket))) == ["id-1"]
    assert queue.messages == {}


async def test_what_cannot_be_read_is_told_with_its_place_and_the_rest_is_handed_over(
    store: InMemoryObjectStore, tmp_path: Path
) -> None:
    await put(store, DAY.format(1) + "a.json", raw=b'{"eventVersion":"1","eventID":"id-1"}\nbroken')
    await put(store, DAY.format(1) + "b.json", 2)
    errors: list[Exception] = []

    def on_error(error: Exception, location: str) -> ErrorAction:
        errors.append(error)
        return ErrorAction.SKIP

    assert await consumed(listing(store, tmp_path), on_error=on_error) == ["id-1", "id-2"]
    assert [str(error) for error in errors if isinstance(error, LogFileError)] == [
        f"s3://logs/{DAY.format(1)}a.json, line 2: it is no JSON (MalformedRecord)"
    ]


async def test_a_program_that_fails_gets_the_file_again_when_it_says_so(
    store: InMemoryObjectStore, tmp_path: Path
) -> None:
    await put(store, DAY.format(1) + "a.json", 1)

    def broken(events: Sequence[CloudTrailEvent]) -> None:
        raise ZeroDivisionError

    retrying = Consumer(listing(store, tmp_path), broken, on_error=lambda error, location: ErrorAction.RETRY)  # type: ignore[arg-type]
    await asyncio.wait_for(retrying.run_async(until_idle=True), 20)
    with pytest.raises(ZeroDivisionError):
        await Consumer(listing(store, tmp_path), broken).run_async(until_idle=True)  # type: ignore[arg-type]

    assert await consumed(listing(store, tmp_path)) == ["id-1"]


async def test_filters_leave_out_files_and_events(store: InMemoryObjectStore, tmp_path: Path) -> None:
    await put(store, DAY.format(1) + "a.json", 1, 2, 3)
    source = listing(store, tmp_path)

    seen = await consumed(source, event_filter=lambda event: event["eventID"] != "id-2", max_events=1)

    assert seen == ["id-1", "id-3"]


def test_an_event_is_a_mapping_that_knows_where_it_stood() -> None:
    event = CloudTrailEvent(b'{"eventName":"X"}', "s3://logs/a", 3)

    assert (event["eventName"], dict(event), len(event)) == ("X", {"eventName": "X"}, 1)
    assert event.number == 3
