"""Kills a process that writes to a lake table, again and again, and holds the table to everything it acknowledged."""

import asyncio
import hashlib
import multiprocessing
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from opentrail.adapters.lake_table.audit import LocalLakeAudit
from opentrail.adapters.lake_table.delta import DeltaLakeTables
from opentrail.clock import format_time
from opentrail.ports.lake_seals import LakeSeal
from opentrail.ports.lake_table import Standing
from opentrail.ports.signer import PublicKey
from opentrail.query.lake_verification import LakeSummary, LakeVerification
from opentrail.query.public_keys import FixedKeys
from tests.simulation.lake_load import RETENTION_DAYS, STORE, event_times, moment, work

KILLS = 200 if os.environ.get("OPENTRAIL_SIMULATE") == "full" else 20
NOW = datetime(2036, 1, 1, tzinfo=UTC)


class Keys:
    """One key pair, that signs tombstones in the processes and seals here."""

    def __init__(self) -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        self.fingerprint = hashlib.md5(der).hexdigest()
        ever = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
        self.listed = FixedKeys((PublicKey(der, self.fingerprint, *ever),))

    @property
    def der(self) -> bytes:
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def seal(self, standing: Standing) -> LakeSeal:
        said = {
            "eventDataStore": STORE.arn,
            "commits": standing.number,
            "head": standing.head,
            "sealedAt": format_time(NOW - timedelta(days=1)),
        }
        statement = orjson.dumps(said).decode()
        signature = self.private.sign(statement.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
        return LakeSeal(STORE.arn, statement, self.fingerprint, signature)


def acknowledged(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_and_kill(folder: Path, acks: Path, keys: Keys, chance: random.Random) -> None:
    """Run one process on the table and kill it some time after a few commits."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.simulation.lake_load"])
    wanted = len(acknowledged(acks)) + chance.randint(1, 4)
    process = context.Process(target=work, args=(folder, acks, keys.der, keys.fingerprint))
    process.start()
    deadline = time.monotonic() + 60
    while len(acknowledged(acks)) < wanted and process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(chance.random() * 0.1)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


async def verify(folder: Path, keys: Keys, acks: list[int]) -> LakeSummary:
    """Open the table once more, and check that it has what was acknowledged, of the days that have not ended."""
    tables = DeltaLakeTables(folder)
    table = await tables.open(STORE)
    standing = table.standing
    assert len(set(acks)) == len(acks)
    assert standing.number >= max(acks)
    found = [
        name
        for file in (await table.version()).files
        for name in pq.ParquetFile(file.location).read(columns=["eventid"])["eventid"].to_pylist()
    ]
    assert len(found) == len(set(found))
    since = (moment(standing.number) - timedelta(days=RETENTION_DAYS)).date()
    kept = {name for number in acks for name, at in event_times(number).items() if at.date() >= since}
    assert kept <= set(found)
    await tables.close()
    return await LakeVerification(STORE, [keys.seal(standing)], LocalLakeAudit(folder, 1), keys.listed, NOW).run()


@pytest.mark.e2e
def test_killing_the_writer_loses_and_doubles_nothing(tmp_path: Path) -> None:
    keys, chance, acks = Keys(), random.Random(20261121), tmp_path / "acknowledged"
    for _ in range(KILLS):
        write_and_kill(tmp_path / "lake", acks, keys, chance)

    summary = asyncio.run(verify(tmp_path / "lake", keys, acknowledged(acks)))

    assert [finding.text() for finding in summary.findings] == []
    assert summary.commits >= len(acknowledged(acks)) > KILLS
    assert summary.ended_days > 0, f"{summary.commits} commits were too few to end a day"
