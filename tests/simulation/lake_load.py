"""A process that writes to a lake table without end, to be killed: commits, compactions, days that end.

What it acknowledged, it appends to a file: the number of each commit that returned.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from opentrail.adapters.lake_table.delta import DeltaLakeTables
from opentrail.clock import format_time
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import LakeTable
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
COMMITS_A_DAY = 2
RETENTION_DAYS = 7
EVENTS = 5

STORE = EventDataStore(
    arn=event_data_store_arn("us-east-1", "123456789012", "11111111-1111-4111-8111-111111111111"),
    name="audit",
    account_id="123456789012",
    home_region="us-east-1",
    created_at=FIRST_DAY,
    updated_at=FIRST_DAY,
    retention_days=RETENTION_DAYS,
)


def moment(number: int) -> datetime:
    """Return when commit ``number`` is made, by the clock of this play."""
    return FIRST_DAY + timedelta(days=number / COMMITS_A_DAY)


def event_times(number: int) -> Mapping[str, datetime]:
    """Return the events of a commit by name: each is of another day, so that days have files to join."""
    return {f"{number}-{index}": moment(number) - timedelta(days=index) for index in range(EVENTS)}


def events(number: int) -> Sequence[bytes]:
    """Return the records of a commit."""
    times = event_times(number)
    return [orjson.dumps({"eventTime": format_time(at), "eventID": name}) for name, at in times.items()]


def work(folder: Path, acknowledged: Path, key: bytes, fingerprint: str) -> None:
    """Write until killed."""
    asyncio.run(_work(folder, acknowledged, key, fingerprint))


async def _work(folder: Path, acknowledged: Path, key: bytes, fingerprint: str) -> None:
    table = await DeltaLakeTables(folder).open(STORE)
    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        number = table.standing.number + 1
        now = moment(number)
        await table.commit(events(number), Position(f"{number:020d}"), now - timedelta(days=7), now + timedelta(days=1))
        os.write(descriptor, f"{number}\n".encode())
        await table.compact()
        await _end_days(table, now, key, fingerprint)


async def _end_days(table: LakeTable, now: datetime, key: bytes, fingerprint: str) -> None:
    before = (now - timedelta(days=RETENTION_DAYS)).date()
    days = await table.ending_days(before)
    if not days:
        return
    commits = table.standing.number
    said = {
        "eventDataStore": STORE.arn,
        "reason": "retention",
        "retentionDays": RETENTION_DAYS,
        "droppedAt": format_time(now),
        "commits": commits,
        "days": {str(day): {"count": proof.count, "root": proof.root} for day, proof in days.items()},
    }
    statement = orjson.dumps(said).decode()
    private = load_der_private_key(key, None)
    assert isinstance(private, rsa.RSAPrivateKey)
    signature = private.sign(statement.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
    await table.drop_days(before, commits, {"statement": statement, "fingerprint": fingerprint, "signature": signature})
