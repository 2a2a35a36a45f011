"""boto3 before moto through the gateway: signatures and data survive, and every call is on record."""

import asyncio
import hashlib
import io
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from tests.conformance.gateway.recording_gateway import RecordingGateway, recording_gateway
from tests.support.moto_server import moto_server


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


def a_client(service: str, gateway: RecordingGateway, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=gateway.url,
        region_name="us-east-1",
        aws_access_key_id="AKIAUPSTREAM00000001",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 1}, **config),
    )


KEYS = ["plain", "with space", "a+b", "é/ü€", "dots/../up", "./here", "a%2Fb", "a//b", "~tilde*'()!", "q?x=1&y", "tr/"]


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
async def test_objects_keep_their_keys_and_bytes(moto: str, mode: str) -> None:
    bucket = f"keys-{mode}"

    def use(gateway: RecordingGateway) -> None:
        s3 = a_client("s3", gateway)
        s3.create_bucket(Bucket=bucket)
        for key in KEYS:
            body = os.urandom(50_000)
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            got = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
        listed = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert sorted(listed) == sorted(KEYS)

    async with recording_gateway(moto, mode) as gateway:
        await asyncio.to_thread(use, gateway)
    events = gateway.events()

    names = [event["eventName"] for event in events]
    assert names.count("PutObject") == names.count("GetObject") == len(KEYS)
    assert [event["requestParameters"]["key"] for event in events if event["eventName"] == "PutObject"] == KEYS
    assert names.count("CreateBucket") == 1
    assert all("errorCode" not in event for event in events)


async def test_a_multipart_upload_arrives_whole(moto: str) -> None:
    body = os.urandom(12 * 1024 * 1024)

    def use(gateway: RecordingGateway) -> bytes:
        s3 = a_client("s3", gateway)
        s3.create_bucket(Bucket="multipart")
        config = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024)
        s3.upload_fileobj(io.BytesIO(body), "multipart", "big", Config=config)
        target = io.BytesIO()
        s3.download_fileobj("multipart", "big", target)
        return target.getvalue()

    async with recording_gateway(moto, "fail-closed") as gateway:
        assert await asyncio.to_thread(use, gateway) == body

    names = [event["eventName"] for event in gateway.events()]
    assert names.count("UploadPart") == 3
    assert names.count("CreateMultipartUpload") == names.count("CompleteMultipartUpload") == 1


async def test_a_presigned_url_works_and_its_secret_is_not_on_record(moto: str) -> None:
    def use(gateway: RecordingGateway) -> tuple[str, bytes]:
        s3 = a_client("s3", gateway, signature_version="s3v4")
        s3.create_bucket(Bucket="presigned")
        s3.put_object(Bucket="presigned", Key="a key", Body=b"data")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a key"})
        with urllib.request.urlopen(url) as answer:
            return url, answer.read()

    async with recording_gateway(moto, "fail-closed") as gateway:
        url, data = await asyncio.to_thread(use, gateway)

    assert data == b"data"
    signature = url.split("X-Amz-Signature=")[1].split("&")[0]
    assert signature not in str(gateway.events())
    assert gateway.events()[-1]["userIdentity"]["accessKeyId"] == "AKIAUPSTREAM00000001"


async def test_other_protocols_pass_and_are_recorded_with_their_parameters(moto: str) -> None:
    def use(gateway: RecordingGateway) -> None:
        a_client("iam", gateway).create_user(UserName="ann")
        a_client("ec2", gateway).describe_instances()
        dynamodb = a_client("dynamodb", gateway)
        dynamodb.create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
            dynamodb.describe_table(TableName="missing")

    async with recording_gateway(moto, "fail-closed") as gateway:
        await asyncio.to_thread(use, gateway)
    events = gateway.events()

    assert [event["eventName"] for event in events] == [
        "CreateUser",
        "DescribeInstances",
        "CreateTable",
        "DescribeTable",
    ]
    assert events[0]["requestParameters"] == {"userName": "ann"}
    assert events[2]["requestParameters"]["tableName"] == "table"
    assert events[3]["errorCode"] == "ResourceNotFoundException"


async def test_a_trusted_upstream_teaches_who_its_keys_are(moto: str) -> None:
    def use(gateway: RecordingGateway) -> None:
        iam = a_client("iam", gateway)
        iam.create_user(UserName="bob")
        key = iam.create_access_key(UserName="bob")["AccessKey"]
        bob = boto3.client(
            "iam",
            endpoint_url=gateway.url,
            region_name="us-east-1",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        bob.list_users()

    async with recording_gateway(moto, "fail-closed", learns=True) as gateway:
        await asyncio.to_thread(use, gateway)

    event = gateway.events()[-1]
    assert event["userIdentity"]["userName"] == "bob"
    assert event["additionalEventData"]["opentrail"]["identity"] == "claimed"
