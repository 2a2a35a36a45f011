"""S3 over TLS with a CA of its own, buckets in the path and in the host's name: moto's server behind a TLS proxy."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from opentrail.adapters.object_store.s3 import S3Bucket, S3Buckets, S3Endpoint
from opentrail.adapters.object_store.s3_reading import S3Reader
from opentrail.ports import Unavailable
from opentrail.ports.object_store import ObjectNotFound
from tests.support.moto_server import moto_server
from tests.support.tls import Authority, TlsProxy, make_authority, tls_proxy

HOST = "s3.test"
TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
MARKER = "AWSLogs/123456789012/CloudTrail/"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls"), "127.0.0.1", HOST, f"*.{HOST}")


@pytest.fixture
async def proxy(moto: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TlsProxy]:
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **named: Any) -> Any:
        is_ours = isinstance(host, str) and (host == HOST or host.endswith(f".{HOST}"))
        return resolve("127.0.0.1" if is_ours else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with tls_proxy(authority, moto) as proxy:
        yield proxy


@pytest.fixture(params=["path", "virtual"])
async def endpoint(request: pytest.FixtureRequest, proxy: TlsProxy, authority: Authority) -> S3Endpoint:
    host = "127.0.0.1" if request.param == "path" else HOST
    return S3Endpoint(
        f"https://{host}:{proxy.port}",
        "us-east-1",
        "testing",
        "testing",
        addressing=request.param,
        ca_bundle=str(authority.ca_file),
    )


async def a_bucket(endpoint: S3Endpoint) -> S3Bucket:
    buckets = S3Buckets(endpoint)
    name = f"logs-{uuid4()}"
    await buckets.call("create_bucket", Bucket=name)
    return buckets.bucket(name)


async def test_objects_are_delivered_and_read_back(endpoint: S3Endpoint) -> None:
    bucket = await a_bucket(endpoint)

    await bucket.check_delivery(MARKER, TRAIL)
    for number in range(3):
        await bucket.put_if_absent(f"a b/ü+{number}.gz", b"body", content_type="x/y", metadata={"signature": "ab"})

    assert [summary.key async for summary in bucket.list("a b/")] == [f"a b/ü+{number}.gz" for number in range(3)]
    found = await bucket.get("a b/ü+1.gz")
    assert (found.body, found.content_type, found.metadata) == (b"body", "x/y", {"signature": "ab"})
    with pytest.raises(ObjectNotFound):
        await bucket.get("absent")


async def test_plain_reads_need_no_boto3(endpoint: S3Endpoint) -> None:
    bucket = await a_bucket(endpoint)
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        await bucket.put_if_absent(key, key.encode(), content_type="x/y")
    reader = S3Reader(endpoint)

    page = await reader.list_page(bucket.name, "", "", "")
    bodies = [await reader.get(bucket.name, key) for key in keys]
    with pytest.raises(ObjectNotFound):
        await reader.get(bucket.name, "absent")
    reader.close()

    assert page is not None
    assert [summary.key for summary in page[0]] == keys
    assert [found.body.decode() for found in bodies if found is not None] == keys


async def test_a_server_whose_ca_is_not_trusted_gets_nothing(endpoint: S3Endpoint) -> None:
    stranger = replace(endpoint, ca_bundle="")
    buckets = S3Buckets(stranger)

    assert await S3Reader(stranger).get("logs", "k") is None
    with pytest.raises(Unavailable):
        await buckets.bucket("logs").put_if_absent("k", b"body", content_type="x/y")
    with pytest.raises(Unavailable):
        await buckets.bucket("logs").get("k")


async def test_a_certificate_of_another_host_is_not_taken(proxy: TlsProxy, authority: Authority) -> None:
    endpoint = S3Endpoint(
        f"https://localhost:{proxy.port}", "us-east-1", "testing", "testing", ca_bundle=str(authority.ca_file)
    )

    assert await S3Reader(endpoint).get("logs", "k") is None
    with pytest.raises(Unavailable):
        await S3Buckets(endpoint).bucket("logs").get("k")


async def test_a_connection_serves_one_object_after_the_other(endpoint: S3Endpoint, authority: Authority) -> None:
    hosts: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append("")
        with suppress(asyncio.IncompleteReadError):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                hosts.append(next(line for line in head.split("\r\n") if line.startswith("Host: ")))
                writer.write(
                    b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: "e"\r\n'
                    b"Last-Modified: Mon, 01 Jun 2026 00:00:00 GMT\r\n\r\nbody"
                )
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.server_context())
    port = server.sockets[0].getsockname()[1]
    host = endpoint.url.removeprefix("https://").partition(":")[0]
    reader = S3Reader(replace(endpoint, url=f"https://{host}:{port}"))

    for bucket in ("logs", "logs", "other", "logs"):
        assert await reader.get(bucket, "k") is not None
    reader.close()
    server.close()

    if endpoint.addressing == "path":
        assert hosts == ["", *[f"Host: {host}:{port}"] * 4]
    else:
        logs, other = (f"Host: {bucket}.{host}:{port}" for bucket in ("logs", "other"))
        assert hosts == ["", logs, logs, "", other, logs]
