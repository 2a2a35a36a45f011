"""Imports and follows as users run them: folders, moto's buckets and queues, servers that are killed."""

import gzip
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson
import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import MakeServer
from tests.support.corpus import shared
from tests.support.moto_server import moto_server
from tests.support.server import OPENTRAIL, wait_until

pytestmark = pytest.mark.e2e

BUCKET = "trail-logs"
PREFIX = "AWSLogs/123456789012/CloudTrail/us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}


def opentrail(home: Path, *arguments: str, exit_code: int = 0) -> str:
    done = subprocess.run(
        [*OPENTRAIL, "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **CREDENTIALS},
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout


def log_file(first: int, count: int = 10, day: str = "2026-01-05") -> bytes:
    records = [
        {
            "eventVersion": "1.11",
            "eventTime": f"{day}T10:00:00Z",
            "eventID": f"00000000-0000-4000-8000-{number:012d}",
            "eventName": "DeleteBucket",
            "eventSource": "s3.amazonaws.com",
            "awsRegion": "us-east-1",
            "userIdentity": {"type": "IAMUser", "userName": "anaya"},
        }
        for number in range(first, first + count)
    ]
    return gzip.compress(orjson.dumps({"Records": records}))


def key(number: int, day: str = "2026/01/05") -> str:
    return f"{PREFIX}/{day}/123456789012_CloudTrail_us-east-1_20260105T1000Z_{number:016d}.json.gz"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def s3(moto: str) -> Any:
    made = client("s3", moto)
    made.create_bucket(Bucket=BUCKET)
    yield made
    for one in made.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        made.delete_object(Bucket=BUCKET, Key=one["Key"])
    made.delete_bucket(Bucket=BUCKET)


def test_a_folder_is_imported_without_a_server_and_answers_who_deleted_a_bucket(tmp_path: Path) -> None:
    home = tmp_path / "home"

    said = opentrail(home, "import", str(shared("corpus", "real", "invictus-ir")), exit_code=1)
    again = opentrail(home, "import", str(shared("corpus", "real", "invictus-ir")), exit_code=1)

    assert "2,900 events" in said
    assert "LICENSE: it is not JSON" in said
    assert "sealed through commit" in opentrail(home, "verify-lake")
    who = "SELECT userIdentity.arn, element_at(requestParameters, 'bucketName') FROM imported"
    deleted = opentrail(home, "query", f"{who} WHERE eventName = 'DeleteBucket' ORDER BY eventTime", "--csv")
    assert deleted.count("arn:aws:iam::123837392027:user/bert-jan,stratus-red-team-") == 8
    assert "0 events of 56 files" in again
    assert "2,900 were there already" in again
    assert "invictus-ir" in opentrail(home, "imports")


def test_a_bucket_is_imported_by_the_server_through_the_command_and_through_the_aws_cli(
    make_server: MakeServer, moto: str, s3: Any
) -> None:
    for number in range(5):
        s3.put_object(Bucket=BUCKET, Key=key(number), Body=log_file(number * 10))
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/2026/01/05/broken.json.gz", Body=b"nonsense")
    server = make_server(upstream=moto).start()

    said = opentrail(server.home, "import", f"s3://{BUCKET}/AWSLogs/", "--endpoint-url", moto, exit_code=1)
    query = "SELECT count(*) AS n, min(userIdentity.userName) AS who FROM imported WHERE eventName = 'DeleteBucket'"
    answer = opentrail(server.home, "query", query, "--csv")

    assert "50 events of 6 files imported into imported" in said, (said, server.log.read_text()[-3000:])
    assert f"s3://{BUCKET}/{PREFIX}/2026/01/05/broken.json.gz: it is not JSON" in said
    assert "50,anaya" in answer
    opentrail(server.home, "import", "s3://no-such-bucket/AWSLogs/", "--endpoint-url", moto, exit_code=2)
    nothing = opentrail(server.home, "import", f"s3://{BUCKET}/elsewhere/", "--endpoint-url", moto)
    assert "no file there may be a log file" in nothing
    stores = orjson.loads(server.aws("cloudtrail", "list-event-data-stores").stdout)["EventDataStores"]
    made = server.aws("cloudtrail", "create-event-data-store", "--name", "second")
    assert [one["Name"] for one in stores] == ["imported"]
    source = {
        "S3": {
            "S3LocationUri": f"s3://{BUCKET}/AWSLogs/",
            "S3BucketRegion": "us-east-1",
            "S3BucketAccessRoleArn": "arn:aws:iam::123456789012:role/import",
        }
    }
    begun = server.aws(
        "cloudtrail",
        "start-import",
        "--destinations",
        orjson.loads(made.stdout)["EventDataStoreArn"],
        "--import-source",
        orjson.dumps(source).decode(),
    )
    assert begun.returncode == 0, begun.stderr
    import_id = orjson.loads(begun.stdout)["ImportId"]

    def state() -> dict[str, Any]:
        shown: dict[str, Any] = orjson.loads(server.aws("cloudtrail", "get-import", "--import-id", import_id).stdout)
        return shown

    wait_until(lambda: state()["ImportStatus"] in ("COMPLETED", "FAILED"), "the import to end")
    assert state()["ImportStatistics"]["EventsCompleted"] == 50
    failures = orjson.loads(server.aws("cloudtrail", "list-import-failures", "--import-id", import_id).stdout)
    assert [one["Location"] for one in failures["Failures"]] == [f"s3://{BUCKET}/{PREFIX}/2026/01/05/broken.json.gz"]
    trail = orjson.loads(server.aws("cloudtrail", "lookup-events", "--max-items", "50").stdout)["Events"]
    assert not [one for one in trail if one["EventName"] == "DeleteBucket"]


def test_a_bucket_is_followed_by_listing_and_by_a_queue_after_days_away(tmp_path: Path, moto: str, s3: Any) -> None:
    home = tmp_path / "home"
    s3.put_object(Bucket=BUCKET, Key=key(1), Body=log_file(0))
    follow = ("follow", f"s3://{BUCKET}/AWSLogs/", "--endpoint-url", moto, "--once", "--every", "1")

    first = opentrail(home, *follow)
    s3.put_object(Bucket=BUCKET, Key=key(2), Body=log_file(10))
    s3.put_object(Bucket=BUCKET, Key=key(3, "2026/01/09"), Body=log_file(20, day="2026-01-09"))
    second = opentrail(home, *follow)
    third = opentrail(home, *follow)

    assert "10 events of 1 files" in first
    assert "20 events of 2 files" in second
    assert third == ""
    sqs = client("sqs", moto)
    queue = sqs.create_queue(QueueName="notices")["QueueUrl"]
    notice = {"s3Bucket": BUCKET, "s3ObjectKey": [key(4), key(5)]}
    envelope = {
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:us-east-1:1:t",
        "Message": orjson.dumps(notice).decode(),
    }
    s3.put_object(Bucket=BUCKET, Key=key(4), Body=log_file(30))
    s3.put_object(Bucket=BUCKET, Key=key(5), Body=log_file(40))
    sqs.send_message(QueueUrl=queue, MessageBody=orjson.dumps(envelope).decode())
    by_queue = opentrail(home, "follow", "--queue", queue, "--endpoint-url", moto, "--once")
    assert "20 events of 2 files" in by_queue
    left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (left["ApproximateNumberOfMessages"], left["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_an_import_whose_process_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "logs"
    folder.mkdir()
    for number in range(1_300):
        (folder / f"{number:05d}.json.gz").write_bytes(log_file(number * 100, 100))
    command = [*OPENTRAIL, "--home", str(home), "import", str(folder)]
    for kill in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            if (list(home.glob("lake/*/table/calendarday=*/*.parquet")) and kill < 2) or kill == 2:
                time.sleep(0.05 * kill)
                break
            time.sleep(0.02)
        process.kill()
        process.wait()

    said = opentrail(home, "import", str(folder), "--json")

    ended = orjson.loads(said)
    assert ended["status"] == "COMPLETED"
    again = orjson.loads(opentrail(home, "import", str(folder), "--json"))
    assert (again["statistics"]["events_completed"], again["statistics"]["duplicates"]) == (0, 130_000)
    rows = sum(pq.read_metadata(file).num_rows for file in _current_files(home))
    assert rows == 130_000


def _current_files(home: Path) -> list[str]:
    from deltalake import DeltaTable

    (table,) = home.glob("lake/*/table")
    return list(DeltaTable(str(table)).file_uris())
