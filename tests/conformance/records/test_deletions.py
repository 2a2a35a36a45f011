"""A DeleteObjects call through the gateway is recorded with an event for each key, whatever the recorder."""

import asyncio

import boto3
import pytest
from botocore.config import Config

from tests.conformance.gateway.recording_gateway import recording_gateway
from tests.support.moto_server import moto_server

KEYS = ["a/1", "7", "schlüssel"]


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
@pytest.mark.parametrize("is_quiet", [False, True], ids=["answered in full", "quiet"])
async def test_every_deleted_key_is_on_record(mode: str, is_quiet: bool) -> None:
    with moto_server() as url:
        async with recording_gateway(url, mode) as gateway:
            await _delete(gateway.url, is_quiet=is_quiet)

    events = [event for event in gateway.events() if event["eventName"].startswith("DeleteObject")]

    assert [event["eventName"] for event in events] == ["DeleteObjects", *["DeleteObject"] * len(KEYS)]
    assert [event["requestParameters"]["key"] for event in events[1:]] == KEYS
    assert [event["resources"][0]["ARN"] for event in events[1:]] == [f"arn:aws:s3:::ledger/{key}" for key in KEYS]
    assert len({event["eventID"] for event in events}) == len(events)
    assert len({event["requestID"] for event in events}) == 1


async def _delete(url: str, *, is_quiet: bool) -> None:
    def work() -> None:
        client = boto3.session.Session().client(
            "s3",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="not-a-secret",
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.create_bucket(Bucket="ledger")
        for key in KEYS:
            client.put_object(Bucket="ledger", Key=key, Body=b"")
        document = {"Objects": [{"Key": key} for key in KEYS], "Quiet": is_quiet}
        client.delete_objects(Bucket="ledger", Delete=document)

    await asyncio.to_thread(work)
