"""What a feed gives goes into the table within bounds; what cannot be read is named, and holds nothing up."""

from collections.abc import Sequence

import orjson
import pytest

from opentrail.imports.feeds import FedObject, QueueFeed
from opentrail.pipeline import follow
from opentrail.pipeline.follow import Follower
from opentrail.ports import Unavailable
from opentrail.ports.message_queue import Message
from opentrail.ports.object_store import BucketNotFound, ObjectNotFound, ObjectStore
from tests.memory.imports import InMemoryLakeAppender
from tests.memory.object_store import InMemoryObjectStore

STORE = "arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/99999999-9999-4999-8999-999999999999"


def log_file(*numbers: int) -> bytes:
    records = [
        {"eventVersion": "1.11", "eventTime": "2026-01-01T00:00:00Z", "eventID": f"id-{number}"} for number in numbers
    ]
    return orjson.dumps({"Records": records})


class GivenFeed:
    """Gives what it was made with, at once; ``finished`` are the keys that are done with."""

    def __init__(self, objects: dict[str, bytes], sizes: dict[str, int] | None = None) -> None:
        self.objects = objects
        self.sizes = sizes or {}
        self.finished: list[str] = []
        self.calls_to_done = 0

    async def next(self, wait_seconds: int) -> Sequence[FedObject]:
        left = [key for key in self.objects if key not in self.finished]
        return [FedObject("logs", key, self.sizes.get(key, len(self.objects[key]))) for key in left]

    async def read(self, one: FedObject) -> bytes:
        if one.key.startswith("gone"):
            raise ObjectNotFound(one.key)
        return self.objects[one.key]

    async def done(self, objects: Sequence[FedObject]) -> None:
        self.calls_to_done += 1
        self.finished += [one.key for one in objects]


async def followed(feed: GivenFeed) -> tuple[Follower, InMemoryLakeAppender]:
    lake = InMemoryLakeAppender()
    follower = Follower(feed, lake, STORE, 60)
    assert await follower.step() is False
    assert await follower.step() is True
    return follower, lake


async def test_what_cannot_be_read_is_named_and_the_rest_goes_in() -> None:
    feed = GivenFeed({"a": log_file(1, 2), "b": b"nonsense", "gone": b"", "d": log_file(2, 3)})

    follower, lake = await followed(feed)

    assert sorted(lake.events) == ["id-1", "id-2", "id-3"]
    assert (follower.status.files, follower.status.events, follower.status.duplicates) == (4, 3, 1)
    assert follower.status.failed == 2
    assert follower.status.failures == [
        "s3://logs/gone: it is not there any more (NoSuchKey)",
        "s3://logs/b: it is not JSON (UnknownFormat)",
    ]


async def test_files_that_inflate_to_much_together_are_parted_among_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{number}": log_file(*range(number * 10, number * 10 + 10)) for number in range(7)}
    monkeypatch.setattr(follow, "BATCH_PLAIN_BYTES", 2 * len(files["6"]))

    _, lake = await followed(GivenFeed(files))

    assert [rows for rows, _ in lake.commits] == [20, 20, 20, 10]


async def test_files_are_read_within_a_bound_and_done_with_as_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "READ_BYTES", 160)
    known, unknown = GivenFeed({str(n): log_file(n) for n in range(4)}), GivenFeed({str(n): b"[]" for n in range(40)})
    known.sizes = dict.fromkeys(known.objects, 80)
    unknown.sizes = dict.fromkeys(unknown.objects, 0)

    await followed(known)
    await followed(unknown)

    assert known.calls_to_done == 2
    assert unknown.calls_to_done == 3


async def test_an_object_that_is_far_too_large_is_not_read() -> None:
    feed = GivenFeed({"a": log_file(1), "b": log_file(2)}, sizes={"a": 1 << 40})

    follower, lake = await followed(feed)

    assert sorted(lake.events) == ["id-2"]
    assert follower.status.failures == [f"s3://logs/a: it has {1 << 40} bytes, more than 268435456 (ObjectTooLarge)"]


async def test_files_of_a_table_that_does_not_answer_are_not_done_with() -> None:
    feed, lake = GivenFeed({"a": log_file(1)}), InMemoryLakeAppender()

    async def fails(arn: str, batch: object) -> None:
        raise Unavailable("the disk is full")

    lake.append = fails  # type: ignore[assignment,method-assign]
    with pytest.raises(Unavailable):
        await Follower(feed, lake, STORE, 60).step()

    assert feed.finished == []


class OneMessage:
    def __init__(self, body: str) -> None:
        self.left = [Message("1", body, "handle")]
        self.deleted = 0

    async def receive(self, wait_seconds: int) -> Sequence[Message]:
        return self.left

    async def delete(self, message: Message) -> None:
        self.left = []
        self.deleted += 1


async def test_a_message_about_a_bucket_that_is_not_there_does_not_end_the_follow() -> None:
    logs = InMemoryObjectStore("logs")
    await logs.put_if_absent("a.json", log_file(1), content_type="")

    def open_bucket(name: str) -> ObjectStore:
        if name == "logs":
            return logs
        raise BucketNotFound(name)

    said = [
        {"s3": {"bucket": {"name": bucket}, "object": {"key": "a.json"}}, "eventName": "ObjectCreated:Put"}
        for bucket in ("elsewhere", "logs")
    ]
    queue, lake = OneMessage(orjson.dumps({"Records": said}).decode()), InMemoryLakeAppender()
    follower = Follower(QueueFeed(queue, open_bucket), lake, STORE, 60)

    await follower.step()

    assert follower.status.failures == ["s3://elsewhere/a.json: there is no such bucket (NoSuchBucket)"]
    assert (sorted(lake.events), queue.deleted) == (["id-1"], 1)
