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
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import orjson
import uvloop
from aiohttp import ClientSession, TCPConnector
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.server import RunningServer

CALLERS = 32
EVENTS_A_CALL = 100
Calls = Sequence[tuple[bytes, dict[str, str]]]
"""The body and headers of each."""

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


def signed_calls(
    url: str, key: dict[str, str], channel: str, first: int, count: int
) -> list[tuple[bytes, dict[str, str]]]:
    """Return the bodies and headers of ``count`` calls."""
    credentials = Credentials(key["access_key_id"], key["secret_access_key"])
    account = channel.split(":")[4]
    calls = []
    for call in range(count):
        numbers = range(first + call * EVENTS_A_CALL, first + (call + 1) * EVENTS_A_CALL)
        entries = [{"id": str(number), "eventData": event_data(number, account)} for number in numbers]
        body = orjson.dumps({"auditEvents": entries})
        request = AWSRequest(
            "POST", url, data=body, params={"channelArn": channel}, headers={"Content-Type": "application/json"}
        )
        SigV4Auth(credentials, "cloudtrail-data", "us-east-1").add_auth(request)
        calls.append((body, dict(request.headers.items())))
    return calls


async def put_all(url: str, channel: str, calls: Calls) -> tuple[float, list[float]]:
    """Return the seconds of all calls together, and of each."""
    waiting = iter(calls)
    each: list[float] = []

    async def caller(session: ClientSession) -> None:
        for body, headers in waiting:
            began = time.perf_counter()
            async with session.post(url, params={"channelArn": channel}, data=body, headers=headers) as response:
                answer: dict[str, Any] = orjson.loads(await response.read())
                assert response.status == 200, answer
                assert len(answer["successful"]) == EVENTS_A_CALL, answer
            each.append(time.perf_counter() - began)

    async with ClientSession(connector=TCPConnector(limit=CALLERS)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(caller(session) for _ in range(CALLERS)))
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


def measure(calls: int, rounds: int) -> None:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder) / "home", upstream="http://127.0.0.1:9").start()
        try:
            url, key = server.ready["api_url"], server.owner_key()
            client = boto3.client(
                "cloudtrail",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id=key["access_key_id"],
                aws_secret_access_key=key["secret_access_key"],
            )
            store, channel = a_channel(client)
            account = channel.split(":")[4]
            for number in range(rounds):
                first = number * calls * EVENTS_A_CALL
                signed = signed_calls(url + "/PutAuditEvents", key, channel, first, calls)
                used = processor_seconds(server.pid)
                seconds, each = uvloop.run(put_all(url + "/PutAuditEvents", channel, signed))
                used = processor_seconds(server.pid) - used
                records = [record_like(first + at, account) for at in range(calls * EVENTS_A_CALL)]
                batches = [records[at : at + EVENTS_A_CALL] for at in range(0, len(records), EVENTS_A_CALL)]
                with tempfile.TemporaryDirectory() as raw:
                    inserting = insert_all(Path(raw), batches)
                events = calls * EVENTS_A_CALL
                found.append((events / seconds, events / inserting, used / events * 1e6))
                p99 = sorted(each)[int(len(each) * 0.99)] * 1000
                print(
                    f"round {number + 1}: {events / seconds:,.0f} events/s, p99 {p99:.0f} ms,"
                    f" {used / events * 1e6:.1f} us of the server's processor time an event;"
                    f" raw SQLite {events / inserting:,.0f} events/s",
                    flush=True,
                )
            assert count_in_store(client, store) == rounds * calls * EVENTS_A_CALL
        finally:
            server.stop()
    ours, raw_rate = statistics.median(one[0] for one in found), statistics.median(one[1] for one in found)
    print(json.dumps({"events_a_second": round(ours), "raw": round(raw_rate), "ratio": round(ours / raw_rate, 2)}))


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    measure(arguments.calls, arguments.rounds)
