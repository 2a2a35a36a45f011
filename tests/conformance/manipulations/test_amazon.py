"""``opentrail validate-logs --aws``: Amazon's own hosts over TLS, CloudTrail's keys, virtual-host buckets. The hosts'
names lead to this machine; everything else is as at Amazon."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from tests.support.delivered_trail import BUCKET, REGION, START_TIME, TRAIL, DeliveredTrail
from tests.support.object_server import ObjectServer, serving
from tests.support.tls import Authority, make_authority, tls_proxy

_AT_AMAZON = """
import socket, sys
ask = socket.getaddrinfo
def answer(host, port, *rest, **named):
    name = host.decode() if isinstance(host, bytes) else host
    assert str(name).endswith(".amazonaws.com"), name
    return ask("127.0.0.1", int(sys.argv[1]), *rest, **named)
socket.getaddrinfo = answer
from opentrail.cli import app
app(sys.argv[2:])
"""


class Amazon(ObjectServer):
    """S3 by virtual hosts and CloudTrail, each at its own name; ``asked`` are host and what was asked of it."""

    asked: set[tuple[str, str]]

    async def handle(self, request: web.BaseRequest) -> web.Response:
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.asked.add((request.host, operation or "S3"))
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        if operation == "DescribeTrails":
            return _json({"trailList": [{"TrailARN": TRAIL.arn, "Name": "main", "S3BucketName": BUCKET}]})
        if operation == "GetTrailStatus":
            return _json({"IsLogging": False, "StopLoggingTime": 1})
        if not operation:
            label, _, rest = request.host.partition(".s3.")
            assert (label, rest) == (BUCKET, "amazonaws.com")
            request = request.clone(rel_url=f"/{BUCKET}{request.raw_path}")
        return await super().handle(request)


def _json(answer: object) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/x-amz-json-1.1")


@pytest.fixture
async def amazon() -> tuple[Amazon, DeliveredTrail]:
    trail = await DeliveredTrail().deliver(12, 3, 3)
    server = Amazon(trail.objects, await trail.keys())
    server.asked = set()
    return server, trail


async def validate(server: Amazon, trail: DeliveredTrail, authority: Authority) -> subprocess.CompletedProcess[str]:
    times = ("--start-time", f"{START_TIME:%Y-%m-%dT%H:%M:%SZ}", "--end-time", f"{trail.end_time:%Y-%m-%dT%H:%M:%SZ}")
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CA_BUNDLE": str(authority.ca_file),
        "SSL_CERT_FILE": str(authority.ca_file),
    }
    async with serving(server) as url, tls_proxy(authority, url) as proxy:
        command = [sys.executable, "-c", _AT_AMAZON, str(proxy.port), "validate-logs", "--aws"]
        return await asyncio.to_thread(
            subprocess.run,
            [*command, "--trail-arn", TRAIL.arn, *times],
            capture_output=True, text=True, timeout=120, env=environment,
        )  # fmt: skip


@pytest.mark.slow
async def test_amazon_s_buckets_are_judged_with_amazon_s_keys(
    amazon: tuple[Amazon, DeliveredTrail], tmp_path: Path
) -> None:
    server, trail = amazon
    hosts = [f"*.{name}amazonaws.com" for name in (f"{REGION}.", f"s3.{REGION}.", "s3.", "")]
    authority = make_authority(tmp_path / "ca", *hosts)
    whole = await validate(server, trail, authority)
    spoilt = next(key for key in sorted(trail.objects) if "/CloudTrail/" in key)
    body, metadata = trail.objects[spoilt]
    trail.objects[spoilt] = (body[:-9] + bytes([body[-9] ^ 1]) + body[-8:], metadata)
    altered = await validate(server, trail, authority)

    assert (whole.returncode, whole.stderr) == (0, "")
    assert "12/12 digest files valid" in whole.stdout
    assert "36/36 log files valid" in whole.stdout
    assert altered.returncode == 1, altered.stderr
    assert f"{spoilt}\tINVALID" in altered.stderr
    cloudtrail = f"cloudtrail.{REGION}.amazonaws.com"
    assert server.asked == {
        (cloudtrail, "DescribeTrails"),
        (cloudtrail, "GetTrailStatus"),
        (cloudtrail, "ListPublicKeys"),
        (f"{BUCKET}.s3.amazonaws.com", "S3"),
    }
