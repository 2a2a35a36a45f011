"""PutAuditEvents, durable before the answer, against raw SQLite batch inserts: python -m bench.put_audit_events

A server, 32 connections, 100 events of about 1.2 kB a call, every request another one, signed beforehand. The other
side inserts records of the same events into SQLite with the same durability (WAL, synchronous=FULL), a commit for every
100. Sides alternate; medians. Asserted: every event of every call is in the event data store once.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

import boto3
import orjson
import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from deltalake import DeltaTable

from tests.support.server import RunningServer

CALLERS = 32
EVENTS_A_CALL = 100
ROWS_SECONDS = 120
"""How long the last rows may take to be in the table: a commit waits for ten seconds at most."""

_SELECTORS = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ActivityAuditLog"]}]}]


def event_data(number: int, account: str) -> str:
    """Return the data of one audit event, about 1.2 kB."""
    said = {
        "version": "1.0",
        "userIdentity": {
            "type": "Employee",
            "principalId": f"user-{number % 500}",
            "details": {"department": "billing", "session": f"{number:032x}", "groups": ["readers", "writers"]},
        },
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
        "eventSource": "billing.example.com",
        "eventName": ("InvoiceRead", "InvoiceChanged", "CustomerRead", "PaymentMade")[number % 4],
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "UID": f"{number:08x}-0000-4000-8000-{number:012x}",
        "requestParameters": {"invoice": f"INV-{number:09d}", "fields": [f"field-{one}" for one in range(30)]},
        "responseElements": {"status": "done", "lines": [{"line": one, "amount": number % 997} for one in range(8)]},
        "sourceIPAddress": f"192.0.2.{number % 250}",
        "recipientAccountId": account,
        "additionalEventData": {"trace": f"{number:016x}", "note": "x" * 160},
    }
    return orjson.dumps(said).decode()


def signed_calls(url: str, key: dict[str, str], channel: str, first: int, count: int) -> list[bytes]:
    """Return ``count`` calls as they go over the wire."""
    credentials = Credentials(key["access_key_id"], key["secret_access_key"])
    account = channel.split(":")[4]
    target = f"{urlsplit(url).path}?channelArn={quote(channel, safe='')}"
    calls = []
    for call in range(count):
        numbers = range(first + call * EVENTS_A_CALL, first + (call + 1) * EVENTS_A_CALL)
        entries = [{"id": str(number), "eventData": event_data(number, account)} for number in numbers]
        body = orjson.dumps({"auditEvents": entries})
        request = AWSRequest(
            "POST", url, data=body, params={"channelArn": channel}, headers={"Content-Type": "application/json"}
        )
        SigV4Auth(credentials, "cloudtrail-data", "us-east-1").add_auth(request)
        headers = {"Host": urlsplit(url).netloc, "Content-Length": str(len(body)), **dict(request.headers.items())}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        calls.append("\r\n".join(lines).encode() + body)
    return calls


class Caller(asyncio.Protocol):
    """One connection that sends a call when the one before was answered, until none is left. Every answer is read and
    must have taken all events. Callers are elsewhere in practice; here they take little of the server's cores."""

    def __init__(self, waiting: Iterator[bytes], each: list[float], done: "asyncio.Future[None]") -> None:
        self._waiting, self._each, self._done = waiting, each, done
        self._answer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        try:
            assert head.startswith(b"HTTP/1.1 200 "), (head, body)
            assert len(orjson.loads(body)["successful"]) == EVENTS_A_CALL, body
        except AssertionError as error:
            self._done.set_exception(error)
            return
        self._each.append(time.perf_counter() - self._began)
        self._answer.clear()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def _send(self) -> None:
        call = next(self._waiting, None)
        if call is None:
            self._done.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(call)


def _content_length(head: bytearray) -> int:
    lines = bytes(head).lower().split(b"\r\n")
    return next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))


async def put_all(url: str, calls: Sequence[bytes]) -> tuple[float, list[float]]:
    """Return the seconds of all calls together, and of each."""
    waiting, each, loop = iter(calls), list[float](), asyncio.get_running_loop()
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or 0
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(CALLERS)]
    began = time.perf_counter()
    for end in ends:
        await loop.create_connection(partial(Caller, waiting, each, end), host, port)
    await asyncio.gather(*ends)
    return time.perf_counter() - began, each


def insert_all(folder: Path, batches: Sequence[Sequence[bytes]]) -> float:
    """Return the seconds of inserting the records, a row each, with a commit a batch."""
    with closing(sqlite3.connect(folder / "raw.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE event (position INTEGER PRIMARY KEY, body BLOB)")
        began = time.perf_counter()
        for batch in batches:
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO event (body) VALUES (?)", [(record,) for record in batch])
            connection.execute("COMMIT")
        seconds = time.perf_counter() - began
        stored = connection.execute("SELECT count(*) FROM event").fetchone()[0]
    assert stored == sum(map(len, batches))
    return seconds


def a_channel(client: Any) -> tuple[str, str]:
    """Return the ARNs of a new store of audit events and of a channel into it."""
    store = client.create_event_data_store(
        Name="bench", AdvancedEventSelectors=_SELECTORS, TerminationProtectionEnabled=False
    )["EventDataStoreArn"]
    destinations = [{"Type": "EVENT_DATA_STORE", "Location": store}]
    return store, client.create_channel(Name="bench", Source="Custom", Destinations=destinations)["ChannelArn"]


def count_in_store(client: Any, store: str) -> int:
    """Return how many different events a query finds in the store."""
    query = client.start_query(
        QueryStatement=f"SELECT count(DISTINCT eventData.uid), count(*) FROM {store.rpartition('/')[2]}"
    )["QueryId"]
    while True:
        found = client.get_query_results(QueryId=query)
        if found["QueryStatus"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.2)
    values = [int(next(iter(cell.values()))) for cell in found["QueryResultRows"][0]]
    assert values[0] == values[1], values
    return values[0]


def record_like(number: int, account: str) -> bytes:
    """Return about what the journal holds of an event."""
    wrapped = {"eventCategory": "ActivityAuditLog", "eventID": f"{number:036x}", "metadata": {"channelARN": "x" * 90}}
    return orjson.dumps(wrapped)[:-1] + b',"eventData":' + event_data(number, account).encode() + b"}"


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds up to now: of the server's own process, of those it started, and of this one, the client."""

    server: float
    rows: float
    client: float

    def __sub__(self, before: "Used") -> "Used":
        return Used(self.server - before.server, self.rows - before.rows, self.client - before.client)

    def an_event(self, events: int) -> str:
        """Return what each event took, in microseconds."""
        values = (("server", self.server), ("its other processes", self.rows), ("client", self.client))
        return ", ".join(f"{name} {seconds / events * 1e6:.1f}" for name, seconds in values)


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    return sum(_stat(pid)[11:13]) / 100


def used_by(pid: int) -> Used:
    """Return the processor time that a server and this process have used."""
    children = [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in _read(task / "children").split()]
    ended = sum(_stat(pid)[13:15])
    return Used(processor_seconds(pid), ended / 100 + sum(map(processor_seconds, children)), time.process_time())


def _stat(pid: int) -> list[int]:
    """Return the numbers of a process's status behind its name, the first at index 1; zeros where it ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return [0, *map(int, fields[1:])] if fields else [0] * 50


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def rows_in_table(table: Path) -> int:
    """Return how many rows the files have that the table's log names."""
    if not (table / "_delta_log").is_dir():
        return 0
    return sum(DeltaTable(str(table)).get_add_actions(flatten=True)["num_records"].to_pylist())


def wait_for_rows(table: Path, rows: int) -> float:
    """Return the seconds until the table has ``rows`` rows."""
    began = time.perf_counter()
    while (found := rows_in_table(table)) < rows:
        assert time.perf_counter() - began < ROWS_SECONDS, (found, rows)
        time.sleep(0.2)
    assert found == rows, (found, rows)
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found: events a second of both sides, and all processor time of ours, rows included."""

    rate: float
    raw_rate: float
    used: Used


class Bench:
    """A server with a channel, and rounds of calls to it."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._url, self._key = server.ready["api_url"], server.owner_key()
        self.client = boto3.client(
            "cloudtrail",
            endpoint_url=self._url,
            region_name="us-east-1",
            aws_access_key_id=self._key["access_key_id"],
            aws_secret_access_key=self._key["secret_access_key"],
        )
        self.store, self._channel = a_channel(self.client)
        self._events = 0

    def round(self, calls: int) -> Round:
        """Put ``calls`` times 100 events, wait until their rows are in the table, and insert the same as raw rows."""
        first, events = self._events, calls * EVENTS_A_CALL
        url = self._url + "/PutAuditEvents"
        signed = signed_calls(url, self._key, self._channel, first, calls)
        before = used_by(self._server.pid)
        seconds, each = uvloop.run(put_all(url, signed))
        answered = used_by(self._server.pid) - before
        self._events += events
        table = self._server.home / "lake" / self.store.rpartition("/")[2] / "table"
        client, behind = time.process_time(), rows_in_table(table)
        waited = wait_for_rows(table, self._events)
        used = used_by(self._server.pid) - before
        used = Used(used.server, used.rows, used.client - (time.process_time() - client))
        inserting = self._insert(first, events)
        p99 = sorted(each)[int(len(each) * 0.99)] * 1000
        print(
            f"{events / seconds:,.0f} events/s, p99 {p99:.0f} ms; raw SQLite {events / inserting:,.0f} events/s\n"
            f"  us an event when all are answered: {answered.an_event(events)};"
            f" {self._events - behind:,} rows to come\n"
            f"  us an event when all rows are in the table, {waited:.1f} s later: {used.an_event(events)}",
            flush=True,
        )
        return Round(events / seconds, events / inserting, used)

    def _insert(self, first: int, events: int) -> float:
        account = self._channel.split(":")[4]
        records = [record_like(first + at, account) for at in range(events)]
        batches = [records[at : at + EVENTS_A_CALL] for at in range(0, len(records), EVENTS_A_CALL)]
        with tempfile.TemporaryDirectory() as raw:
            return insert_all(Path(raw), batches)

    def check(self) -> None:
        """Assert that every event of every call is in the store once."""
        assert count_in_store(self.client, self.store) == self._events


def measure(calls: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder) / "home", upstream="http://127.0.0.1:9").start()
        try:
            bench = Bench(server)
            found = [bench.round(calls) for _ in range(rounds)]
            bench.check()
        finally:
            server.stop()
    rate, raw_rate = statistics.median(one.rate for one in found), statistics.median(one.raw_rate for one in found)
    events = calls * EVENTS_A_CALL
    own = statistics.median(one.used.server for one in found) / events * 1e6
    rows = statistics.median(one.used.rows for one in found) / events * 1e6
    said = {"events_a_second": round(rate), "raw": round(raw_rate), "ratio": round(rate / raw_rate, 2)}
    print(json.dumps(said | {"server_us": round(own, 1), "rows_us": round(rows, 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    measure(arguments.calls, arguments.rounds)
