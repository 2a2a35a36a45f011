"""Lake ingest: journal entries to committed, flushed Delta rows, against parsing the same JSON alone.

Prints both rates, the ratio, bytes a row and resident memory; asserts that every event is in the table once.
``python -m bench.lake_ingest [--events N]``
"""

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.ports.journal import Position
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn

BATCH = 10_000
ACCOUNT = "123456789012"


def an_event(number: int, now: datetime) -> bytes:
    """Return one event of about 1.3 kB, as the journal holds them."""
    user = number * 7919 % 2000
    return orjson.dumps(
        {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": f"AROAEXAMPLE{user:08d}:session-{user}",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/role-{user}/session-{user}",
                "accountId": ACCOUNT,
                "accessKeyId": f"ASIAEXAMPLE{user:08d}",
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": f"AROAEXAMPLE{user:08d}",
                        "arn": f"arn:aws:iam::{ACCOUNT}:role/role-{user}",
                        "accountId": ACCOUNT,
                        "userName": f"role-{user}",
                    },
                    "attributes": {"creationDate": "2026-11-20T01:02:03Z", "mfaAuthenticated": "false"},
                },
            },
            "eventTime": (now - timedelta(seconds=number % 7200)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": ("s3", "ec2", "iam", "sts", "kms")[number % 5] + ".amazonaws.com",
            "eventName": ("GetObject", "DescribeInstances", "CreateUser", "AssumeRole", "Decrypt")[number % 5],
            "awsRegion": ("us-east-1", "eu-west-1")[number % 2],
            "sourceIPAddress": f"192.0.2.{number % 250}",
            "userAgent": "aws-cli/2.15.0 Python/3.11.6 Linux/6.1 exe/x86_64 prompt/off command/s3.cp",
            "requestParameters": {"bucketName": f"bucket-{number % 97}", "key": f"folder/{number}", "n": number},
            "responseElements": None,
            "additionalEventData": {"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256"},
            "requestID": f"{number:016x}",
            "eventID": f"{number:08x}-0000-4000-8000-{number:012x}",
            "readOnly": number % 5 != 2,
            "resources": [{"type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::bucket-{number % 97}"}],
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
            "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
        }
    )


def resident_mb() -> int:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 1_000_000


async def main(events: int) -> None:
    now = datetime.now(UTC)
    store = EventDataStore(
        arn=event_data_store_arn("us-east-1", ACCOUNT, "11111111-1111-4111-8111-111111111111"),
        name="bench",
        account_id=ACCOUNT,
        home_region="us-east-1",
        created_at=now,
        updated_at=now,
    )
    parsing = writing = parsing_cpu = writing_cpu = 0.0
    before = resident_mb()
    with tempfile.TemporaryDirectory(prefix="lake-") as folder:
        tables = LocalLakeTables(Path(folder))
        table = await tables.open(store)
        opened = resident_mb()
        for start in range(0, events, BATCH):
            batch = [an_event(number, now) for number in range(start, min(start + BATCH, events))]
            began, began_cpu = time.perf_counter(), time.process_time()
            for data in batch:
                orjson.loads(data)
            parsed, parsed_cpu = time.perf_counter(), time.process_time()
            position = Position(f"{start + len(batch):020d}")
            await table.commit(batch, position, now - timedelta(days=7), now + timedelta(days=1))
            parsing += parsed - began
            writing += time.perf_counter() - parsed
            parsing_cpu += parsed_cpu - began_cpu
            writing_cpu += time.process_time() - parsed_cpu
        files = (await table.version()).files
        began = time.perf_counter()
        joined = await table.compact()
        compacting = time.perf_counter() - began
        after = (await table.version()).files
        assert sum(file.rows for file in files) == sum(file.rows for file in after) == events
        await tables.close()
        size = sum(file.size_bytes for file in after)
    print(f"parse alone  {events / parsing:12,.0f} events/s")
    print(f"commit       {events / writing:12,.0f} events/s   ratio {parsing / writing:.2f}")
    print(f"processor    {parsing_cpu / events * 1e6:.1f} and {writing_cpu / events * 1e6:.1f} us an event")
    print(f"compaction   {joined} files to {len(after)} in {compacting:.1f} s; {size / events:.0f} bytes a row")
    print(f"resident     {before} MB before, {opened} MB with a table open, {resident_mb()} MB after the run")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    asyncio.run(main(parser.parse_args().events))
