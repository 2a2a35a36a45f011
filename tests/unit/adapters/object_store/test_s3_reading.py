"""Plain reads need no boto3; whatever is not plain is left to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from opentrail.adapters.object_store import s3_reading
from opentrail.adapters.object_store.s3_reading import S3Endpoint, S3Reader
from opentrail.http_message import HttpRequest
from opentrail.ports.object_store import ObjectNotFound
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv4 import verify

OBJECT = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nLast-Modified: Mon, 01 Jun 2026 00:00:00 GMT\r\nETag: "e"\r\n'
    b"Content-Type: application/json\r\nContent-Encoding: gzip\r\nX-Amz-Meta-Signature: ab\r\n\r\nbody"
)
Answer = Callable[[HttpRequest], bytes]


def answer(status: int, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def a_reader(give: Answer) -> AsyncIterator[tuple[S3Reader, list[HttpRequest]]]:
    """A reader of a server that answers with ``give``, and the requests that came, each in a connection's order."""
    came: list[HttpRequest] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            line, *headers = head.decode().strip().split("\r\n")
            pairs = tuple((name, value) for name, _, value in (header.partition(": ") for header in headers))
            came.append(HttpRequest("GET", line.split(" ")[1], pairs, b"", ""))
            reply = give(came[-1])
            writer.write(reply)
            if not reply:
                writer.close()
                return

    async def tolerant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(tolerant, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    reader = S3Reader(S3Endpoint(url, "eu-west-1", "AKIDEXAMPLE", "secret"))
    try:
        yield reader, came
    finally:
        reader.close()
        server.close()


@pytest.mark.parametrize("key", ["plain.json.gz", "a b/ü+?=&%41#.gz", "a//b/../c"])
async def test_an_object_comes_with_its_metadata_for_a_request_that_is_signed(key: str) -> None:
    async with a_reader(lambda _: OBJECT) as (reader, came):
        found = await reader.get("logs", key)

    assert found is not None
    assert (found.summary.key, found.body, found.metadata) == (key, b"body", {"signature": "ab"})
    assert (found.content_type, found.content_encoding, found.summary.etag) == ("application/json", "gzip", '"e"')
    assert found.summary.modified_at == datetime(2026, 6, 1, tzinfo=UTC)
    (request,) = came
    scope = read_scope(request)
    assert scope is not None
    assert (scope.signing_name, scope.region) == ("s3", "eu-west-1")
    verify(request, scope, "secret", datetime.now(UTC))


async def test_a_connection_serves_one_object_after_the_other() -> None:
    connections = set()

    def give(request: HttpRequest) -> bytes:
        connections.add(id(asyncio.current_task()))
        return OBJECT

    async with a_reader(give) as (reader, _):
        for number in range(3):
            assert await reader.get("logs", f"k{number}") is not None

    assert len(connections) == 1


async def test_a_missing_key_is_not_found() -> None:
    async with a_reader(lambda _: answer(404, b"<Error><Code>NoSuchKey</Code></Error>")) as (reader, _):
        with pytest.raises(ObjectNotFound):
            await reader.get("logs", "k")


@pytest.mark.parametrize(
    "reply",
    [
        answer(404, b"<Error><Code>NoSuchBucket</Code></Error>"),
        answer(403, b"<Error><Code>AccessDenied</Code></Error>"),
        answer(301, b"<Error><Code>PermanentRedirect</Code></Error>"),
        answer(503, b"<Error><Code>SlowDown</Code></Error>"),
        answer(200, b"no date"),
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_what_is_not_plain_is_left_to_boto3(reply: bytes) -> None:
    async with a_reader(lambda _: reply) as (reader, _):
        assert await reader.get("logs", "k") is None


async def test_a_body_over_the_bound_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_reading, "MAX_BODY_BYTES", 3)

    async with a_reader(lambda _: OBJECT) as (reader, _):
        assert await reader.get("logs", "k") is None


async def test_a_refusal_is_met_once_and_a_slow_server_asked_again() -> None:
    async with a_reader(lambda _: answer(503)) as (reader, came):
        await reader.get("logs", "k")
        await reader.get("logs", "k")
        assert len(came) == 2

    async with a_reader(lambda _: answer(403)) as (reader, came):
        await reader.get("logs", "k")
        await reader.get("logs", "k")
        assert len(came) == 1


@pytest.mark.parametrize("endpoint", [S3Endpoint(), S3Endpoint("http://127.0.0.1:1")])
async def test_without_an_endpoint_or_a_key_boto3_is_asked(endpoint: S3Endpoint) -> None:
    assert await S3Reader(endpoint).get("logs", "k") is None


async def test_a_listing_is_read_page_by_page() -> None:
    page = (
        b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>"
        b"<Contents><Key>a&amp;b</Key><Size>7</Size><ETag>&quot;e&quot;</ETag>"
        b"<LastModified>2026-06-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>"
    )
    async with a_reader(lambda _: answer(200, page)) as (reader, came):
        found = await reader.list_page("logs", "p/", "p/a b", "")
        await reader.list_page("logs", "p/", "", "t&1")

    assert found is not None
    (summary,), token = found
    assert (summary.key, summary.size_bytes, summary.etag, token) == ("a&b", 7, '"e"', "t&1")
    assert [request.target for request in came] == [
        "/logs?list-type=2&prefix=p%2F&start-after=p%2Fa%20b",
        "/logs?list-type=2&prefix=p%2F&continuation-token=t%261",
    ]
    for request in came:
        scope = read_scope(request)
        assert scope is not None
        verify(request, scope, "secret", datetime.now(UTC))


@pytest.mark.parametrize("body", [b"<ListBucketResult>", b"", b"<L><Contents><Key>k</Key></Contents></L>"])
async def test_a_listing_that_cannot_be_read_is_left_to_boto3(body: bytes) -> None:
    async with a_reader(lambda _: answer(200, body)) as (reader, _):
        assert await reader.list_page("logs", "", "", "") is None
