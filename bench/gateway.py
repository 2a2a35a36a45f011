"""The recording gateway against nginx's proxy_pass and a bare aiohttp proxy: python -m bench.gateway

One process each, and ours with two gateway processes as well, before one and the same upstream (nginx answering 200),
32 connections of wrk. Rates: signed S3 GETs and DynamoDB PutItems of 1 KB, recorded fail-open and fail-closed; the
journal must hold an event for every call that was answered, and no gap. The gateway is joined with its recorder and a
journal as `opentrail serve` joins them, without the workers that read the journal.

fail-closed is also set against nginx plus two durable commits a call, measured in the same run: the time that nginx
takes for a call and twice that of a durable commit of a row as long as the events just recorded, with the journal's
settings of SQLite. A commit is what its caller waits for, so it is measured with 32 callers who each wait for theirs
and share them (`shared commits`). Beside it stand the two extremes: a commit of its own for each row (`own commits`),
and rows without callers, 32 in a commit (`bulk rows`). Nothing of a sum overlaps, and SQLite has the machine to itself
while it is measured; the gateway shares the machine with its clients and its upstream.

Then the latency that one connection sees, and a PutObject of 1 GB with the gateway's resident memory. Sides alternate;
medians; ratios.
"""

import argparse
import asyncio
import platform
import queue
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from opentrail.adapters.journal import codec
from opentrail.adapters.journal.local import LocalJournal
from opentrail.event import Event
from opentrail.event.encoding import encode_event
from tests.conformance.gateway.recording_gateway import all_events
from tests.conformance.gateway.serve import gateway_process, resident_bytes

CONNECTIONS = 32
PROCESSES = 2
SIDES = {
    "fail-open": ("fail-open", 1),
    "fail-closed": ("fail-closed", 1),
    f"fail-open, {PROCESSES} processes": ("fail-open", PROCESSES),
    f"fail-closed, {PROCESSES} processes": ("fail-closed", PROCESSES),
}
"""Ours by name: mode, and how many gateway processes (``gateway_processes``)."""

NGINX = "/usr/sbin/nginx"
WRK = "/usr/bin/wrk"

_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIAUPSTREAM00000001/20260101/us-east-1/{service}/aws4_request, "
    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
    "Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

_NGINX_COMMON = """
daemon off; worker_processes 1; user root; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {servers}
}}
"""

_UPSTREAM = """
server {{
  listen 127.0.0.1:{port};
  default_type application/json;
  location / {{ add_header x-amz-request-id 4442587FB7D0A2F9; return 200 '{{}}'; }}
}}
"""

_PROXY = """
upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
server {{
  listen 127.0.0.1:{port};
  location / {{
    proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    proxy_request_buffering off;
  }}
}}
"""

_LUA = """
wrk.method = "{method}"
wrk.path = "{path}"
wrk.headers["Host"] = "gateway.test"
wrk.headers["Authorization"] = "{authorization}"
wrk.headers["X-Amz-Date"] = "20260101T000000Z"
wrk.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
wrk.headers["User-Agent"] = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python"
{more}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of request."""

    name: str
    method: str
    path: str
    service: str
    more: str = ""

    def lua(self) -> str:
        authorization = _AUTHORIZATION.format(service=self.service)
        return _LUA.format(method=self.method, path=self.path, authorization=authorization, more=self.more)


_ITEM = '{"TableName":"orders","Item":{"id":{"S":"42"},"note":{"S":"' + "x" * 940 + '"}}}'
LOADS = (
    Load("S3 GetObject", "GET", "/bucket/folder/key.bin", "s3"),
    Load(
        "DynamoDB PutItem 1 KB",
        "POST",
        "/",
        "dynamodb",
        'wrk.headers["X-Amz-Target"] = "DynamoDB_20120810.PutItem"\n'
        'wrk.headers["Content-Type"] = "application/x-amz-json-1.0"\n'
        f"wrk.body = [[{_ITEM}]]",
    ),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What wrk saw."""

    requests: int
    rate: float
    p50_us: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one gateway's journal held in the end, and how long its events are on average."""

    calls: int
    event_bytes: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def nginx(servers: str, port: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(_NGINX_COMMON.format(folder=folder, servers=servers))
        with _process([NGINX, "-p", folder, "-e", f"{folder}/error.log", "-c", str(config)], port) as url:
            yield url


@contextmanager
def _process(command: list[str], port: int) -> Iterator[str]:
    process = subprocess.Popen(command)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def run_wrk(url: str, load: Load, seconds: float, connections: int) -> Measured:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(load.lua())
        script.flush()
        command = [WRK, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", script.name, url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    assert "Socket errors" not in output, output
    requests = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p50 = re.search(r"50%\s+([\d.]+)(us|ms|s)", output)
    assert requests is not None
    assert rate is not None
    assert p50 is not None
    unit = {"us": 1.0, "ms": 1e3, "s": 1e6}[p50[2]]
    return Measured(int(requests[1]), float(rate[1]), float(p50[1]) * unit)


@contextmanager
def recording(upstream: str, mode: str, processes: int = 1) -> Iterator[str]:
    """A gateway with a journal of its own; afterwards an event for every answered call must be there."""
    with tempfile.TemporaryDirectory() as folder:
        with gateway_process(upstream, mode, Path(folder), processes) as (process, url):
            yield url
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        events = asyncio.run(_events(Path(folder, "journal")))
        calls = [len(encode_event(event)) for event in events if event["eventType"] == "AwsApiCall"]
        _recorded.append(Recorded(len(calls), round(statistics.mean(calls))))
        gaps = [event["serviceEventDetails"] for event in events if event["eventType"] == "AwsServiceEvent"]
        assert not gaps, gaps


_recorded: list[Recorded] = []


async def _events(folder: Path) -> list[Event]:
    journal = await LocalJournal.open(folder)
    events = await all_events(journal)
    await journal.close()
    return events


@contextmanager
def _durable_table() -> Iterator[sqlite3.Connection]:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(f"{folder}/db", isolation_level=None, check_same_thread=False)) as db,
    ):
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE row (body BLOB)")
        yield db


def _store(db: sqlite3.Connection, rows: list[tuple[bytes]]) -> None:
    db.execute("BEGIN")
    db.executemany("INSERT INTO row VALUES (?)", rows)
    db.execute("COMMIT")


def durable_rows_a_second(seconds: float, row_bytes: int, rows_a_commit: int) -> float:
    """Rows a second that SQLite stores durably, so many in a commit."""
    rows = [(b"x" * row_bytes,)] * rows_a_commit
    with _durable_table() as db:
        stored, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            _store(db, rows)
            stored += len(rows)
        return stored / (time.perf_counter() - started)


def shared_commits_a_second(seconds: float, row_bytes: int) -> float:
    """Rows a second when CONNECTIONS callers each wait until theirs is durable, and whoever waits shares a commit: an
    event loop for the callers, a thread for the commits, nothing else."""
    row = (b"x" * row_bytes,)
    stored = 0

    async def measure(db: sqlite3.Connection) -> float:
        nonlocal stored
        loop = asyncio.get_running_loop()
        arrived: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()

        def settle(group: list[asyncio.Future[None]]) -> None:
            for waiter in group:
                waiter.set_result(None)

        def commit() -> None:
            while (first := arrived.get()) is not None:
                group = [first]
                while not arrived.empty() and (another := arrived.get()) is not None:
                    group.append(another)
                _store(db, [row] * len(group))
                loop.call_soon_threadsafe(settle, group)

        async def caller(until: float) -> None:
            nonlocal stored
            while loop.time() < until:
                durable = loop.create_future()
                arrived.put(durable)
                await durable
                stored += 1

        committing = threading.Thread(target=commit)
        committing.start()
        started = loop.time()
        await asyncio.gather(*(caller(started + seconds) for _ in range(CONNECTIONS)))
        elapsed = loop.time() - started
        arrived.put(None)
        await asyncio.to_thread(committing.join)
        assert db.execute("SELECT count(*) FROM row").fetchone()[0] == stored
        return stored / elapsed

    with _durable_table() as db:
        return uvloop.run(measure(db))


def measure_rates(upstream: str, upstream_port: int, load: Load, seconds: float, rounds: int) -> None:
    """Print the rates of every side for one kind of request."""
    rates: dict[str, list[float]] = {}
    commits: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in ("direct", "nginx", "aiohttp", *SIDES):
            measured = _measure(name, upstream, upstream_port, load, seconds, CONNECTIONS)
            rates.setdefault(name, []).append(measured.rate)
        length, size = min(seconds, 2), _recorded[-1].event_bytes
        commits.setdefault("shared commits", []).append(shared_commits_a_second(length, size))
        commits.setdefault("own commits", []).append(durable_rows_a_second(length, size, 1))
        commits.setdefault("bulk rows", []).append(durable_rows_a_second(length, size, CONNECTIONS))
    median = {name: statistics.median(values) for name, values in rates.items()}
    with_commits = {name: 1 / (1 / median["nginx"] + 2 / statistics.median(values)) for name, values in commits.items()}
    print(f"\n{load.name}, {CONNECTIONS} connections, events of {_recorded[-1].event_bytes} bytes")
    for name, rate in median.items():
        print(f"  {name:<34} {rate:>9,.0f} requests/s  {rate / median['nginx']:.2f}x nginx")
    for name, values in commits.items():
        print(f"  {name:<34} {statistics.median(values):>9,.0f} rows/s")
        print(f"  {'nginx plus two of these':<34} {with_commits[name]:>9,.0f} requests/s (computed)")
    for name, (mode, _) in SIDES.items():
        if mode == "fail-open":
            print(f"  {name:<26} / nginx                  {median[name] / median['nginx']:.2f}x (must 0.15x)")
        else:
            ratios = ", ".join(f"{median[name] / rate:.2f}x of {kind}" for kind, rate in with_commits.items())
            print(f"  {name:<26} / nginx plus two: {ratios} (must 0.30x of shared commits)")


def _measure(name: str, upstream: str, upstream_port: int, load: Load, seconds: float, connections: int) -> Measured:
    with ExitStack() as stack:
        url = stack.enter_context(_side(name, upstream, upstream_port))
        run_wrk(url, load, 1, connections)
        measured = run_wrk(url, load, seconds, connections)
    if name.startswith("fail"):
        assert _recorded[-1].calls >= measured.requests, "calls are missing from the record"
    return measured


@contextmanager
def _side(name: str, upstream: str, upstream_port: int) -> Iterator[str]:
    port = free_port()
    if name == "direct":
        yield upstream
    elif name == "nginx":
        with nginx(_PROXY.format(port=port, upstream=upstream_port), port) as url:
            yield url
    elif name == "aiohttp":
        with _process([sys.executable, "-m", "bench.aiohttp_proxy", upstream, str(port)], port) as url:
            yield url
    else:
        with recording(upstream, *SIDES[name]) as url:
            yield url


def measure_latency(upstream: str, upstream_port: int, seconds: float) -> None:
    """Print what each side adds to the median latency of one connection."""
    print(f"\n{LOADS[0].name}, 1 connection")
    direct = _measure("direct", upstream, upstream_port, LOADS[0], seconds, 1).p50_us
    for name in ("nginx", "aiohttp", "fail-open", "fail-closed"):
        p50 = _measure(name, upstream, upstream_port, LOADS[0], seconds, 1).p50_us
        print(f"  {name:<34} p50 {p50:>7,.0f} us, added {p50 - direct:>6,.0f} us")


def measure_large_object(upstream: str, upstream_port: int, size: int) -> None:
    """Print how fast one large object passes and by how much the gateway's memory grows."""
    print(f"\nPutObject of {size / 2**30:g} GB")
    port = free_port()
    with nginx(_PROXY.format(port=port, upstream=upstream_port), port) as url:
        nginx_rate, _ = _put(url, size, 0)
    with (
        tempfile.TemporaryDirectory() as folder,
        gateway_process(upstream, "fail-closed", Path(folder)) as (process, url),
    ):
        _put(url, 2**20, process.pid)
        before = resident_bytes(process.pid)
        rate, highest = _put(url, size, process.pid)
    print(f"  nginx                              {nginx_rate / 2**20:>9,.0f} MB/s")
    print(f"  fail-closed                        {rate / 2**20:>9,.0f} MB/s  {rate / nginx_rate:.2f}x nginx")
    print(f"  resident memory                    {before / 2**20:.0f} MB before, {highest / 2**20:.0f} MB at most")


def _put(url: str, size: int, pid: int) -> tuple[float, int]:
    address = urlsplit(url)
    assert address.port is not None
    head = (
        f"PUT /bucket/large HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: {_AUTHORIZATION.format(service='s3')}\r\n"
        f"Content-Length: {size}\r\n\r\n"
    )
    piece, highest = b"x" * 2**20, 0
    with socket.create_connection(("127.0.0.1", address.port)) as connection:
        started = time.perf_counter()
        connection.sendall(head.encode())
        for _ in range(size // len(piece)):
            connection.sendall(piece)
            highest = max(highest, resident_bytes(pid)) if pid else 0
        answer = connection.recv(65536)
        elapsed = time.perf_counter() - started
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return size / elapsed, highest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each side")
    parser.add_argument("--megabytes", type=int, default=1024, help="size of the large object")
    options = parser.parse_args()
    is_compiled = not str(codec.__file__).endswith(".py")
    build = "what every call passes through is compiled" if is_compiled else "interpreted"
    print(f"Python {platform.python_version()}, {build}")
    port = free_port()
    with nginx(_UPSTREAM.format(port=port), port) as upstream:
        for load in LOADS:
            measure_rates(upstream, port, load, options.seconds, options.rounds)
        measure_latency(upstream, port, options.seconds)
        measure_large_object(upstream, port, options.megabytes * 2**20)


if __name__ == "__main__":
    main()
