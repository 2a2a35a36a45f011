"""Answers that are late, cut, garbage or another server's: never taken for success, and never for an empty bucket."""

import asyncio
import hashlib

import pytest

from opentrail.adapters.object_store import s3, s3_client, s3_reading
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.ports import Unavailable
from opentrail.ports.object_store import AlreadyExists, BucketNotFound
from tests.support.scripted_s3 import Give, S3Request, error, reply, scripted_s3

ETAG = f'ETag: "{hashlib.md5(b"body").hexdigest()}"'
WELCOME = reply(200, b"<html>Welcome to the hotel</html>", "Content-Type: text/html")
SOME_XML = b"<ListBucketResult><Contents><Key>k</Key>"


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "ATTEMPTS", 1)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(s3_reading, "ANSWER_SECONDS", 0.3)


def buckets(url: str, region: str = "us-east-1") -> S3Buckets:
    return S3Buckets(S3Endpoint(url, region, "testing", "testing"))


def on_put(answer: bytes | None) -> Give:
    return lambda request: error(404, "NoSuchKey") if request.method != "PUT" else answer


@pytest.mark.parametrize(
    "answer",
    [
        WELCOME,
        error(200, "InternalError"),
        reply(200, b"<Error", "Content-Type: application/xml"),
        reply(200, b"", length=10),
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"nonsense\r\n\r\n",
        error(500, "InternalError"),
        error(503, "SlowDown"),
        reply(502, b"<html>Bad gateway</html>"),
        None,
    ],
    ids=[
        "hotel",
        "200-error",
        "200-garbage",
        "cut-body",
        "closed",
        "cut-head",
        "no-http",
        "500",
        "503",
        "502",
        "hangs",
    ],
)
async def test_a_put_is_tried_again_unless_its_answer_is_that_of_an_object_store(answer: bytes | None) -> None:
    async with scripted_s3(on_put(answer)) as server:
        with pytest.raises(Unavailable):
            await buckets(server.url).bucket("logs").put_if_absent("k", b"body", content_type="x/y")

    assert "PUT" in [request.method for request in server.requests]


async def test_no_put_waits_for_leave_to_send_its_body() -> None:
    def give(request: S3Request) -> bytes | None:
        return reply(200, b"", ETAG) if request.method == "PUT" else error(404, "NoSuchKey")

    async with scripted_s3(give) as server:
        await buckets(server.url).bucket("logs").put_if_absent("k", b"body", content_type="x/y")

    assert server.requests
    assert not any("expect" in request.headers for request in server.requests)


async def test_an_operation_that_takes_for_ever_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "CALL_SECONDS", 0.05)
    async with scripted_s3(lambda _: None) as server:
        with pytest.raises(Unavailable, match="took longer"):
            await buckets(server.url).call("head_bucket", Bucket="logs")


async def test_an_answer_that_is_cut_in_its_head_does_not_say_that_an_object_is_there() -> None:
    async with scripted_s3(lambda _: b"HTTP/1.1 200 OK\r\nSer") as server:
        with pytest.raises(Unavailable):
            await buckets(server.url).bucket("logs").put_if_absent("k", b"body", content_type="x/y")


async def test_a_put_whose_answer_was_lost_is_found_at_the_next_try() -> None:
    kept: dict[str, bytes] = {}

    def give(request: S3Request) -> bytes | None:
        if request.method == "HEAD":
            return reply(200, b"", ETAG) if kept else reply(404)
        if request.method == "PUT":
            kept[request.target] = request.body
            return b""
        return reply(200, b"body", ETAG, "Last-Modified: Mon, 01 Jun 2026 00:00:00 GMT")

    async with scripted_s3(give) as server:
        bucket = buckets(server.url).bucket("logs")
        with pytest.raises(Unavailable):
            await bucket.put_if_absent("k", b"body", content_type="x/y")
        with pytest.raises(AlreadyExists):
            await bucket.put_if_absent("k", b"body", content_type="x/y")

        assert (await bucket.get("k")).body == b"body"
    assert kept == {"/logs/k": b"body"}


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"bo", ETAG, "Last-Modified: Mon, 01 Jun 2026 00:00:00 GMT", length=4),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo",
        b"HTTP/1.1 200 OK\r\nSer",
        b"",
        error(500, "InternalError"),
        None,
    ],
    ids=["cut", "cut-chunk", "cut-head", "closed", "500", "hangs"],
)
async def test_an_object_that_does_not_come_whole_is_not_read(answer: bytes | None) -> None:
    async with scripted_s3(lambda _: answer) as server:
        with pytest.raises(Unavailable):
            await buckets(server.url).bucket("logs").get("k")


@pytest.mark.parametrize(
    "answer",
    [
        error(200, "InternalError"),
        reply(200, SOME_XML, "Content-Type: application/xml"),
        reply(200, SOME_XML, "Content-Type: application/xml", length=5000),
        reply(200, b"\x00\xff", "Content-Type: application/xml"),
        b"HTTP/1.1 200 OK\r\nSer",
        None,
    ],
    ids=["200-error", "garbage", "cut", "bytes", "cut-head", "hangs"],
)
async def test_a_listing_that_is_none_is_not_an_empty_bucket(answer: bytes | None) -> None:
    async with scripted_s3(lambda _: answer) as server:
        with pytest.raises(Unavailable):
            _ = [summary async for summary in buckets(server.url).bucket("logs").list("")]


async def test_a_server_of_another_region_is_asked_again_with_the_one_it_names() -> None:
    def give(request: S3Request) -> bytes | None:
        if request.signing_region != "garage":
            return error(400, "AuthorizationHeaderMalformed", "<Region>garage</Region>")
        return reply(200, b"", ETAG) if request.method == "PUT" else error(404, "NoSuchKey")

    async with scripted_s3(give) as server:
        bucket = buckets(server.url, "eu-west-1").bucket("logs")
        await bucket.put_if_absent("k1", b"body", content_type="x/y")
        before = len(server.requests)
        await bucket.put_if_absent("k2", b"body", content_type="x/y")

    assert {request.signing_region for request in server.requests[before:]} == {"garage"}


async def test_a_bucket_that_is_gone_is_told_from_a_server_that_is() -> None:
    async with scripted_s3(lambda _: error(404, "NoSuchBucket")) as server:
        bucket = buckets(server.url).bucket("logs")
        with pytest.raises(BucketNotFound):
            await bucket.get("k")
    with pytest.raises(Unavailable):
        await bucket.get("k")


async def test_a_server_that_hangs_holds_up_no_other_work_of_the_loop() -> None:
    async with scripted_s3(lambda _: None) as server:
        put = asyncio.create_task(buckets(server.url).bucket("logs").put_if_absent("k", b"body", content_type="x/y"))
        turns = 0
        while not put.done():
            await asyncio.sleep(0.01)
            turns += 1

    assert isinstance(put.exception(), Unavailable)
    assert turns > 5
