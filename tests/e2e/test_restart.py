"""Stopping, restarting and killing the whole process under load loses nothing and doubles nothing."""

import asyncio
import gzip
import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.conftest import MakeServer
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

KILLS = 200 if os.environ.get("OPENTRAIL_SIMULATE") == "full" else 20
CALLERS = 4

CREATE_USER_ANSWER = """<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User>
<Path>/</Path><UserName>{name}</UserName><UserId>AIDAEXAMPLE</UserId><CreateDate>2026-01-01T00:00:00Z</CreateDate>
<Arn>arn:aws:iam::123456789012:user/{name}</Arn></User></CreateUserResult>
<ResponseMetadata><RequestId>{name}</RequestId></ResponseMetadata></CreateUserResponse>"""


@asynccontextmanager
async def an_upstream(seen: Counter[str]) -> AsyncIterator[str]:
    """Serve IAM CreateUser, counting the user names that arrived; it outlives every kill of the gateway."""

    async def create_user(request: web.Request) -> web.Response:
        name = str((await request.post())["UserName"])
        seen[name] += 1
        return web.Response(text=CREATE_USER_ANSWER.format(name=name), content_type="text/xml")

    application = web.Application()
    application.router.add_post("/", create_user)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def call_until(stop: asyncio.Event, server: RunningServer, answered: Counter[str], prefix: str) -> None:
    """Call CreateUser with names of its own until stopped; count the names whose call was answered."""
    key = server.owner_key()
    credentials = Credentials(key["access_key_id"], key["secret_access_key"])
    number = 0
    async with ClientSession(timeout=ClientTimeout(total=5)) as session:
        while not stop.is_set():
            number += 1
            name = f"{prefix}-{number}"
            url = server.ready["gateway_url"] + "/"
            signed = AWSRequest(
                "POST",
                url,
                data=f"Action=CreateUser&Version=2010-05-08&UserName={name}",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            SigV4Auth(credentials, "iam", "us-east-1").add_auth(signed)
            try:
                async with session.post(url, data=signed.data, headers=dict(signed.headers.items())) as response:
                    await response.read()
                    if response.status == 200:
                        answered[name] += 1
            except (ClientError, TimeoutError, OSError):
                return


def recorded_names(events: list[dict[str, object]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for event in events:
        if event["eventName"] == "CreateUser" and event["eventSource"] == "iam.amazonaws.com":
            parameters = event["requestParameters"]
            assert isinstance(parameters, dict)
            counted[str(parameters["userName"])] += 1
    return counted


def delivered(server: RunningServer) -> list[dict[str, object]]:
    paths = (server.home / "archives" / "audit-archive").rglob("*_CloudTrail_*.json.gz")
    return [event for path in paths for event in json.loads(gzip.decompress(path.read_bytes()))["Records"]]


def digested_files(server: RunningServer) -> Counter[str]:
    counted: Counter[str] = Counter()
    for path in (server.home / "archives" / "audit-archive").rglob("*_CloudTrail-Digest_*.json.gz"):
        counted.update(file["s3Object"] for file in json.loads(gzip.decompress(path.read_bytes()))["logFiles"])
    return counted


def history(server: RunningServer) -> list[dict[str, object]]:
    lines = server.opentrail("lookup", "--json", "--max", "100000", "--event-name", "CreateUser").stdout.splitlines()
    return [json.loads(line) for line in lines]


def set_up_trail(server: RunningServer) -> None:
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    for arguments in (
        ("create-trail", "--name", "audit", "--s3-bucket-name", "audit-archive", "--enable-log-file-validation"),
        ("start-logging", "--name", "audit"),
    ):
        finished = server.aws("cloudtrail", *arguments)
        assert finished.returncode == 0, finished.stderr


@pytest.mark.timeout(1700)
async def test_sigkills_under_load_lose_and_double_nothing(make_server: MakeServer) -> None:
    chance = random.Random(20260101)
    seen: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    async with an_upstream(seen) as upstream:
        server = make_server(upstream=upstream).start()
        set_up_trail(server)
        for kill in range(KILLS):
            stop = asyncio.Event()
            callers = [
                asyncio.create_task(call_until(stop, server, answered, f"u{kill}-{caller}"))
                for caller in range(CALLERS)
            ]
            await asyncio.sleep(chance.uniform(0.05, 1.2))
            await asyncio.to_thread(server.kill)
            stop.set()
            await asyncio.gather(*callers)
            await asyncio.to_thread(server.start)
        await asyncio.to_thread(check_record, server, seen, answered)
        await asyncio.to_thread(server.stop)
    print(f"{KILLS} SIGKILLs: {sum(seen.values())} calls reached the upstream, {sum(answered.values())} were answered")


def check_record(server: RunningServer, seen: Counter[str], answered: Counter[str]) -> None:
    """Every call that reached the upstream is on record once: in history, in one file, and each file in one digest."""
    assert sum(answered.values()) > KILLS
    assert max(seen.values()) == 1
    wait_until(lambda: recorded_names(delivered(server)).total() >= len(seen), "all events to be delivered", 60)
    looked_up = recorded_names(history(server))
    in_files = recorded_names(delivered(server))
    assert set(seen) <= set(looked_up), "a call that reached the upstream is missing from history"
    assert set(answered) <= set(looked_up)
    assert max(looked_up.values()) == 1, "an event is twice in history"
    assert in_files == looked_up
    identities = [str(event["eventID"]) for event in delivered(server)]
    assert len(identities) == len(set(identities)), "an event is twice in files"
    files = {
        str(path.relative_to(server.home / "archives" / "audit-archive"))
        for path in (server.home / "archives" / "audit-archive").rglob("*_CloudTrail_*.json.gz")
    }
    wait_until(lambda: len(digested_files(server)) >= len(files), "all files to be in digests", 60)
    digested = digested_files(server)
    assert max(digested.values()) == 1, "a file is in two digests"
    assert len(digested) >= len(files)
    verdict = server.aws(
        "cloudtrail",
        "validate-logs",
        "--trail-arn",
        "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit",
        "--start-time",
        "2026-01-01T00:00:00Z",
    )
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


async def test_sigterm_drains_and_a_restart_goes_on_where_it_was(make_server: MakeServer) -> None:
    seen: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    async with an_upstream(seen) as upstream:
        server = make_server(upstream=upstream).start()
        set_up_trail(server)
        for round_number in range(2):
            stop = asyncio.Event()
            caller = asyncio.create_task(call_until(stop, server, answered, f"t{round_number}"))
            await asyncio.sleep(1)
            code = await asyncio.to_thread(server.stop)
            stop.set()
            await caller
            assert code == 0, server.log.read_text()[-2000:]
            await asyncio.to_thread(server.start)
        await asyncio.to_thread(
            wait_until, lambda: recorded_names(delivered(server)).total() >= len(seen), "all events to be delivered"
        )
        looked_up = await asyncio.to_thread(history, server)
        assert recorded_names(looked_up) == seen == recorded_names(delivered(server))
        assert set(answered) <= set(seen)
        unknown = [event for event in looked_up if "unknown" in json.dumps(event.get("additionalEventData"))]
        assert unknown == [], "a drained call has no unknown outcome"


def test_an_altered_journal_is_named_and_not_read(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.aws("s3", "mb", "s3://figures").returncode == 0
    server.stop()
    segment = max((server.home / "journal").rglob("*.sqlite"), key=lambda path: path.stat().st_size)
    alter_one_row(segment)

    restarted = server.opentrail("serve", "--gateway", "127.0.0.1:0", "--api", "127.0.0.1:0")

    assert restarted.returncode != 0
    assert segment.name in restarted.stderr + restarted.stdout


def alter_one_row(segment: Path) -> None:
    with sqlite3.connect(segment) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            blobs = [row[1] for row in connection.execute(f"pragma table_info({table})") if row[2].upper() == "BLOB"]
            for column in blobs:
                connection.execute(f"update {table} set {column} = replace({column}, x'22', x'23')")
