"""Event data stores whose tables lie in a bucket: through a server's restart, and the bucket's absence."""

import json
import time
import urllib.request
from collections.abc import Iterator

import boto3
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.e2e.conftest import MakeServer
from tests.support.moto_server import moto_server
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

KEY = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
BUCKET, PREFIX = "audit-lake", "tables"


@pytest.fixture
def bucket_url() -> Iterator[str]:
    with moto_server() as url:
        s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEY)
        s3.create_bucket(Bucket=BUCKET)
        yield url


def settings_for(url: str, location: str = f"s3://{BUCKET}/{PREFIX}") -> dict[str, str]:
    return {
        "OPENTRAIL_LAKE_LOCATION": location,
        "OPENTRAIL_LAKE_URL": url,
        "OPENTRAIL_LAKE_ACCESS_KEY_ID": KEY["aws_access_key_id"],
        "OPENTRAIL_LAKE_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
        "OPENTRAIL_LAKE_CACHE": "1KB",
    }


def keys_in(url: str) -> list[str]:
    s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEY)
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return [str(one["Key"]) for one in listed]


def committed(url: str) -> int:
    return sum(key.endswith(".parquet") for key in keys_in(url))


def queried(server: RunningServer, store: str) -> list[str]:
    """Return the names of users that were made, by a query of the store."""
    cloudtrail = client(server, "cloudtrail")
    statement = (
        f"SELECT element_at(requestParameters, 'userName') AS name FROM {store} "
        "WHERE eventName = 'CreateUser' ORDER BY name"
    )
    query_id = cloudtrail.start_query(QueryStatement=statement)["QueryId"]

    def has_ended() -> bool:
        status = cloudtrail.describe_query(QueryId=query_id)["QueryStatus"]
        assert status in {"QUEUED", "RUNNING", "FINISHED"}
        return bool(status == "FINISHED")

    wait_until(has_ended, "the query", 60)
    rows = cloudtrail.get_query_results(QueryId=query_id)["QueryResultRows"]
    return [row[0]["name"] for row in rows]


def test_store_in_a_bucket_is_queried_verified_and_read_by_others(make_server: MakeServer, bucket_url: str) -> None:
    server = make_server(settings=settings_for(bucket_url)).start()
    cloudtrail, iam = client(server, "cloudtrail"), client(server, "iam")
    arn = cloudtrail.create_event_data_store(Name="audit", TerminationProtectionEnabled=False)["EventDataStoreArn"]
    store = arn.rpartition("/")[2]
    iam.create_user(UserName="user-1")
    # New settings commit what came under the old ones.
    cloudtrail.update_event_data_store(EventDataStore=arn, RetentionPeriod=30)
    wait_until(lambda: committed(bucket_url) > 0, "a commit in the bucket")
    iam.create_user(UserName="user-2")

    assert queried(server, store) == ["user-1", "user-2"]
    server.kill()
    server.start()
    assert queried(server, store) == ["user-1", "user-2"]
    server.stop()

    verified = server.opentrail("verify-lake")
    assert verified.returncode == 0, verified.stderr + verified.stdout
    assert "audit: valid: " in verified.stdout
    options = {
        "AWS_ENDPOINT_URL": bucket_url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
    }  # fmt: skip
    table = DeltaTable(f"s3://{BUCKET}/{PREFIX}/{store}/table", storage_options=options)
    assert "CreateUser" in pa.table(table.to_pyarrow_table())["eventname"].to_pylist()
    s3 = boto3.client("s3", endpoint_url=bucket_url, region_name="us-east-1", **KEY)
    s3.delete_object(Bucket=BUCKET, Key=next(key for key in keys_in(bucket_url) if key.endswith(".parquet")))
    changed = server.opentrail("verify-lake")
    assert changed.returncode == 1
    assert "audit: REMOVED" in changed.stderr


def test_events_wait_while_the_bucket_is_away_and_none_is_lost(make_server: MakeServer) -> None:
    with moto_server() as url:
        port = int(url.rpartition(":")[2])
    server = make_server(settings=settings_for(url)).start()
    cloudtrail, iam = client(server, "cloudtrail"), client(server, "iam")
    arn = cloudtrail.create_event_data_store(Name="audit", TerminationProtectionEnabled=False)["EventDataStoreArn"]
    iam.create_user(UserName="user-1")
    wait_until(lambda: "lake_delivery_interrupted" in server.log.read_text(), "the log to say so")
    with urllib.request.urlopen(server.ready["api_url"] + "/healthz") as response:
        assert json.load(response)["lake"] == "waiting for its tables"
    assert "lake.url" in server.opentrail("doctor").stdout

    with moto_server(port):
        s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEY)
        s3.create_bucket(Bucket=BUCKET)
        iam.create_user(UserName="user-2")
        deadline = time.monotonic() + 90
        while not committed(url) and time.monotonic() < deadline:
            time.sleep(1)

        assert queried(server, arn.rpartition("/")[2]) == ["user-1", "user-2"]
        server.stop()
