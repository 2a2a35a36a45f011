"""Resident memory of `opentrail serve`, at rest and under load: python -m bench.memory

The other side is the same interpreter with the same web stack and nothing else: what is paid before Opentrail starts.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import ClientSession, web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.server import RunningServer

BARE = "import aiohttp, asyncio, botocore.session, sqlalchemy, starlette, uvicorn, uvloop, time; time.sleep(60)"
ANSWER = (
    '<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
    "<RequestId>1</RequestId></ResponseMetadata></CreateUserResponse>"
)
CALLERS = 32


def resident_mb(pid: int) -> float:
    """Return the resident set of a process in MB (10**6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


async def load(server: RunningServer, seconds: float) -> tuple[int, float]:
    """Call through the gateway from CALLERS connections; return (calls answered, highest resident MB seen)."""
    key = server.owner_key()
    credentials = Credentials(key["access_key_id"], key["secret_access_key"])
    url = server.ready["gateway_url"] + "/"
    body = "Action=CreateUser&Version=2010-05-08&UserName=someone"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = AWSRequest("POST", url, data=body, headers=form)
    SigV4Auth(credentials, "iam", "us-east-1").add_auth(signed)
    headers = dict(signed.headers.items())
    answered, peak = 0, 0.0
    deadline = time.monotonic() + seconds

    async def call(session: ClientSession) -> None:
        nonlocal answered, peak
        while time.monotonic() < deadline:
            async with session.post(url, data=body, headers=headers) as response:
                assert response.status == 200, await response.text()
                answered += 1
            if answered % 500 == 0:
                peak = max(peak, resident_mb(server.pid))

    async with ClientSession() as session:
        await asyncio.gather(*(call(session) for _ in range(CALLERS)))
    return answered, max(peak, resident_mb(server.pid))


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
    bare = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", BARE])
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder) / "home", upstream=upstream)
        try:
            await asyncio.to_thread(server.start)
            await asyncio.sleep(5)
            at_rest = statistics.median([resident_mb(server.pid) for _ in range(5)])
            bare_mb = resident_mb(bare.pid)
            answered, under_load = await load(server, seconds)
        finally:
            bare.kill()
            bare.wait()
            await asyncio.to_thread(server.close)
            await runner.cleanup()
    print(f"bare interpreter with the web stack   {bare_mb:7.0f} MB")
    print(f"opentrail serve at rest               {at_rest:7.0f} MB   ratio {at_rest / bare_mb:.2f}   bar 250 MB")
    print(
        f"opentrail serve under load            {under_load:7.0f} MB   ratio {under_load / bare_mb:.2f}   bar 1000 MB"
    )
    print(f"({answered} calls over {CALLERS} connections in {seconds:.0f} s)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="length of the load")
    asyncio.run(measure(parser.parse_args().seconds))
