"""An event data store with a KMS key on a running server: imported, asked, verified, and nothing of it in the home."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ACCOUNT = "123456789012"
CANARY = "canary-of-the-store"


def a_key(kms: Any) -> str:
    owner = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
    service = {**owner, "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [owner, service]})
    return str(kms.create_key(Policy=policy)["KeyMetadata"]["Arn"])


def write_log_file(folder: Path, name: str, count: int) -> None:
    records = [
        {
            "eventVersion": "1.11",
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600 - number)),
            "eventID": f"{CANARY}-{name}-{number}",
            "eventName": "DeleteBucket",
            "eventSource": "s3.amazonaws.com",
            "awsRegion": "us-east-1",
            "userAgent": CANARY,
            "userIdentity": {"type": "IAMUser", "userName": CANARY},
            "requestParameters": {"bucketName": CANARY},
        }
        for number in range(count)
    ]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))


def holders(home: Path) -> list[str]:
    """Return the files that have the word in the clear; Parquet's columns are compressed, unless all are encrypted."""
    files = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    return [
        name
        for name, content in files.items()
        if CANARY.encode() in content or (name.endswith(".parquet") and not content.startswith(b"PARE"))
    ]


def code_of(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return str(refused.value.response["Error"]["Code"])


def ended(cloudtrail: Any, query_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_ended() -> bool:
        found.update(cloudtrail.get_query_results(QueryId=query_id))
        return found["QueryStatus"] not in ("QUEUED", "RUNNING")

    wait_until(is_ended, "the query's end", 60)
    return found


def test_nothing_of_a_store_with_a_key_lies_in_the_home_and_its_key_decides(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(upstream="").start()
    cloudtrail, kms = client(server, "cloudtrail"), client(server, "kms")
    key = a_key(kms)
    made = cloudtrail.create_event_data_store(Name="secret", KmsKeyId=key)
    sql = f"SELECT userIdentity.userName, requestParameters['bucketName'] FROM {made['EventDataStoreArn'][-36:]}"
    write_log_file(tmp_path / "logs", "one", 20)

    imported = server.opentrail("import", str(tmp_path / "logs"), "--into", "secret", seconds=120)
    query_id = cloudtrail.start_query(QueryStatement=sql + " WHERE eventName = 'DeleteBucket'")["QueryId"]
    rows = ended(cloudtrail, query_id)["QueryResultRows"]
    in_terminal = server.opentrail("query", "SELECT eventID FROM secret WHERE userAgent <> ''", "--csv")

    assert made["KmsKeyId"] == key
    assert imported.returncode == 0, imported.stdout + imported.stderr
    assert [[*row[0].values(), *row[1].values()] for row in rows] == [[CANARY, CANARY]] * 20
    assert in_terminal.stdout.count(CANARY) >= 20, in_terminal.stderr
    assert holders(server.home) == []

    kms.disable_key(KeyId=key)
    assert code_of(cloudtrail.start_query, QueryStatement=sql) == "InsufficientEncryptionPolicyException"
    assert code_of(cloudtrail.get_query_results, QueryId=query_id) == "InsufficientEncryptionPolicyException"

    kms.enable_key(KeyId=key)
    server.kill()
    in_terminal = server.opentrail("query", "SELECT eventID FROM secret WHERE userAgent <> ''", "--csv")
    assert in_terminal.stdout.count(CANARY) >= 20, in_terminal.stderr
    assert server.opentrail("verify-lake", "secret").returncode == 0
    assert holders(server.home) == []
