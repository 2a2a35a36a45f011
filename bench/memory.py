"""Resident memory of `opentrail serve`, at rest and under load: python -m bench.memory

The server is measured new, then with one event data store, a trail that also delivers to a log group and ten rules, at
rest and under load; the processes beside it, which work for it and end when they are idle, are told apart. The other
side is the same interpreter with the same web stack and nothing else: what is paid before Opentrail starts.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from aiohttp import ClientSession, web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support import server as server_support
from tests.support.server import RunningServer

BARE = "import aiohttp, asyncio, botocore.session, sqlalchemy, starlette, uvicorn, uvloop, time; time.sleep(600)"
ANSWER = (
    '<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
    "<RequestId>1</RequestId></ResponseMetadata></CreateUserResponse>"
)
CALLERS = 32
RULES = 10
REST_SECONDS = 10.0
"""How long a server is left alone before it counts as at rest."""


def resident_mb(pid: int) -> float:
    """Return the resident set of a process in MB (10**6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


def children_mb(pid: int) -> float:
    """Return the resident set of all processes that a process started, theirs with them."""
    found = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            with suppress(ProcessLookupError, FileNotFoundError):
                found += resident_mb(child) + children_mb(child)
    return found


def furnish(server: RunningServer) -> None:
    """Make one event data store, a trail with a log group and ten rules, and let an event pass through them."""
    key = server.owner_key()

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=server.ready["gateway_url"],
            region_name="us-east-1",
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
        )

    made = server.opentrail("archive", "create", "audit")
    assert made.returncode == 0, made.stderr
    cloudtrail, logs, events = client("cloudtrail"), client("logs"), client("events")
    cloudtrail.create_event_data_store(Name="all")
    logs.create_log_group(logGroupName="trails")
    account = server.ready["account_id"]
    cloudtrail.create_trail(
        Name="main",
        S3BucketName="audit",
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:us-east-1:{account}:log-group:trails:*",
        CloudWatchLogsRoleArn=f"arn:aws:iam::{account}:role/delivery",
    )
    cloudtrail.start_logging(Name="main")
    for number in range(RULES):
        events.put_rule(Name=f"rule-{number}", EventPattern=f'{{"detail": {{"eventName": ["D{number}"]}}}}')


async def load(server: RunningServer, seconds: float) -> tuple[int, float, float]:
    """Call through the gateway from CALLERS connections; return (calls answered, highest resident MB seen, its
    processes')."""
    key = server.owner_key()
    credentials = Credentials(key["access_key_id"], key["secret_access_key"])
    url = server.ready["gateway_url"] + "/"
    body = "Action=CreateUser&Version=2010-05-08&UserName=someone"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = AWSRequest("POST", url, data=body, headers=form)
    SigV4Auth(credentials, "iam", "us-east-1").add_auth(signed)
    headers = dict(signed.headers.items())
    answered, peak, beside = 0, 0.0, 0.0
    deadline = time.monotonic() + seconds

    async def call(session: ClientSession) -> None:
        nonlocal answered, peak, beside
        while time.monotonic() < deadline:
            async with session.post(url, data=body, headers=headers) as response:
                assert response.status == 200, await response.text()
                answered += 1
            if answered % 500 == 0:
                peak = max(peak, resident_mb(server.pid))
                beside = max(beside, children_mb(server.pid))

    async with ClientSession() as session:
        await asyncio.gather(*(call(session) for _ in range(CALLERS)))
    return answered, max(peak, resident_mb(server.pid)), beside


async def at_rest(server: RunningServer) -> float:
    """Return the resident MB once nothing has been asked of a server for a while."""
    await asyncio.sleep(REST_SECONDS)
    return statistics.median([resident_mb(server.pid) for _ in range(5)])


async def measure(seconds: float) -> None:
    """Print both sides."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text=ANSWER, content_type="text/xml")

    application = web.Application()
    application.router.add_post("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server_support.READY_SECONDS = 300  # a busy machine is no reason to give up
    bare = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", BARE])
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder) / "home", upstream=upstream)
        try:
            await asyncio.to_thread(server.start)
            new = await at_rest(server)
            await asyncio.to_thread(furnish, server)
            furnished = await at_rest(server)
            bare_mb = resident_mb(bare.pid)
            answered, under_load, beside = await load(server, seconds)
            after = await at_rest(server)
        finally:
            bare.kill()
            bare.wait()
            await asyncio.to_thread(server.close)
            await runner.cleanup()
    print(f"bare interpreter with the web stack           {bare_mb:7.0f} MB")
    print(f"opentrail serve, new, at rest                 {new:7.0f} MB   bar 250 MB")
    print(f"with a store, a trail and log group, {RULES} rules  {furnished:7.0f} MB   bar 250 MB")
    print(f"the same under load                           {under_load:7.0f} MB   bar 1000 MB")
    print(f"processes beside it, under load               {beside:7.0f} MB")
    print(f"at rest again                                 {after:7.0f} MB")
    print(f"({answered} calls over {CALLERS} connections in {seconds:.0f} s)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="length of the load")
    asyncio.run(measure(parser.parse_args().seconds))
