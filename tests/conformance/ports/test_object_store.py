"""What every object store promises, asked of the one in memory, a local archive and S3 (moto's server)."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentrail.adapters.object_store.local import LocalBucket
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.ports.object_store import AlreadyExists, BucketNotFound, ObjectNotFound, ObjectStore
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.support.moto_server import moto_server

TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Buckets]:
    with moto_server() as url:
        buckets = S3Buckets(S3Endpoint(url, "us-east-1", "testing", "testing"))
        yield buckets
        buckets.close()


@pytest.fixture(params=["memory", "local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return InMemoryObjectStore()
    if request.param == "local":
        return LocalBucket(tmp_path / "bucket")
    service: S3Buckets = request.getfixturevalue("s3")
    name = f"bucket-{uuid.uuid4()}"
    service._connected().create_bucket(Bucket=name)
    return service.bucket(name)


async def put(store: ObjectStore, key: str, body: bytes = b"body") -> None:
    await store.put_if_absent(key, body, content_type="application/json")


async def keys(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    return [summary.key async for summary in store.list(prefix, start_after)]


async def test_an_object_comes_back_with_everything_it_was_put_with(store: ObjectStore) -> None:
    await store.put_if_absent(
        "AWSLogs/1/x.json.gz",
        b"\x1f\x8b\x00zip",
        content_type="application/json",
        content_encoding="gzip",
        metadata={"signature": "ab" * 256, "Signature-Algorithm": "SHA256withRSA"},
    )

    found = await store.get("AWSLogs/1/x.json.gz")

    assert found.body == b"\x1f\x8b\x00zip"
    assert (found.content_type, found.content_encoding) == ("application/json", "gzip")
    assert found.metadata == {"signature": "ab" * 256, "signature-algorithm": "SHA256withRSA"}
    assert (found.summary.key, found.summary.size_bytes) == ("AWSLogs/1/x.json.gz", 6)


async def test_the_etag_is_the_quoted_md5_of_the_body(store: ObjectStore) -> None:
    await put(store, "k.gz", b"hello")

    assert (await store.get("k.gz")).summary.etag == '"5d41402abc4b2a76b9719d911017c592"'
    assert [summary.etag async for summary in store.list("")] == ['"5d41402abc4b2a76b9719d911017c592"']


async def test_a_put_never_overwrites(store: ObjectStore) -> None:
    await put(store, "a/b.gz", b"first")

    with pytest.raises(AlreadyExists):
        await put(store, "a/b.gz", b"second")

    assert (await store.get("a/b.gz")).body == b"first"


@pytest.mark.parametrize("kind", ["memory", "local"])  # moto looks and writes in two steps, S3 does not
async def test_of_concurrent_puts_of_one_key_exactly_one_wins(kind: str, tmp_path: Path) -> None:
    store: ObjectStore = InMemoryObjectStore() if kind == "memory" else LocalBucket(tmp_path)
    results = await asyncio.gather(
        *(put(store, "contested.gz", str(number).encode()) for number in range(6)), return_exceptions=True
    )

    winners = [number for number, result in enumerate(results) if result is None]
    assert len(winners) == 1
    assert all(isinstance(result, AlreadyExists) for result in results if result is not None)
    assert (await store.get("contested.gz")).body == str(winners[0]).encode()


@pytest.mark.parametrize("key", ["absent", "there", "there/", "there/x", "../there", "there.gz/"])
async def test_a_key_that_was_not_put_is_not_found(store: ObjectStore, key: str) -> None:
    await put(store, "there.gz")
    await put(store, "there/x.gz")

    with pytest.raises(ObjectNotFound):
        await store.get(key)


AWKWARD_KEYS = [
    "a",
    "a/b",
    "a/b/c.gz",
    "a.b/c",
    "a-b",
    "logs/",
    "logs/CloudTrail/",
    "with space/plus+and=at@.gz",
    "100%/%41",
    "per%cent",
    "ü/日本/🙂.json",
    "back\\slash:colon*star?",
    "UPPER",
    "upper",
    "l" * 300 + ".gz",
    "l" * 300 + "/" + "m" * 300,
    "é" * 250,
]


async def test_every_legal_key_is_kept_apart_from_the_others(store: ObjectStore) -> None:
    for key in AWKWARD_KEYS:
        await put(store, key, key.encode())

    assert [(await store.get(key)).body.decode() for key in AWKWARD_KEYS] == AWKWARD_KEYS


async def test_a_listing_is_in_the_byte_order_of_keys(store: ObjectStore) -> None:
    for key in AWKWARD_KEYS:
        await put(store, key)

    assert await keys(store) == sorted(AWKWARD_KEYS, key=str.encode)


async def test_a_listing_holds_the_keys_of_its_prefix_past_a_key(store: ObjectStore) -> None:
    for key in ("d/1.gz", "d/2.gz", "d/2/a.gz", "d/3.gz", "d2/1.gz", "e.gz"):
        await put(store, key)

    assert await keys(store, "d/") == ["d/1.gz", "d/2.gz", "d/2/a.gz", "d/3.gz"]
    assert await keys(store, "d") == ["d/1.gz", "d/2.gz", "d/2/a.gz", "d/3.gz", "d2/1.gz"]
    assert await keys(store, "d/", "d/2.gz") == ["d/2/a.gz", "d/3.gz"]
    assert await keys(store, "", "d/2") == ["d/2.gz", "d/2/a.gz", "d/3.gz", "d2/1.gz", "e.gz"]
    assert await keys(store, "d/", "zzz") == []


async def test_delivery_is_checked_by_writing_the_marker_once_or_more(store: ObjectStore) -> None:
    for _ in range(2):
        await store.check_delivery("p/AWSLogs/123456789012/CloudTrail/", TRAIL)

    assert await keys(store) == ["p/AWSLogs/123456789012/CloudTrail/"]
    assert (await store.get("p/AWSLogs/123456789012/CloudTrail/")).body == b""


@pytest.mark.parametrize("kind", ["memory", "s3"])
async def test_a_bucket_that_does_not_exist_is_said_to_be_missing(kind: str, request: pytest.FixtureRequest) -> None:
    stores = InMemoryObjectStores() if kind == "memory" else request.getfixturevalue("s3")
    missing: ObjectStore = stores.bucket("no-such-bucket-anywhere")

    with pytest.raises(BucketNotFound):
        await put(missing, "k.gz")
    with pytest.raises(BucketNotFound):
        await missing.get("k.gz")
    with pytest.raises(BucketNotFound):
        await keys(missing)
    with pytest.raises(BucketNotFound):
        await missing.check_delivery("AWSLogs/123456789012/CloudTrail/", TRAIL)
