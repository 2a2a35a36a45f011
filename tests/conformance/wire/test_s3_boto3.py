"""The read-only S3 API over archives as boto3 sees it."""

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from tests.builders import a_credential, a_user, a_user_principal, an_archive
from tests.support.api import ApiInThread

Connect = Callable[..., Any]

KEYS = ["AWSLogs/1/a b+ü.json.gz", "AWSLogs/1/b.json.gz", "AWSLogs/2/c.json.gz", "top"]


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture
def s3(api: ApiInThread, connect: Connect) -> Any:
    for key in KEYS:
        put = api.world.bucket.put_if_absent(
            key,
            b"0123456789",
            content_type="application/json",
            content_encoding="gzip",
            metadata={"signature": "abcd"},
        )
        api.do(put)
    return connect("s3")


def test_both_listings_page_and_group(s3: Any) -> None:
    for operation in ("list_objects", "list_objects_v2"):
        pages = list(s3.get_paginator(operation).paginate(Bucket="logs", PaginationConfig={"PageSize": 1}))
        assert [item["Key"] for page in pages for item in page["Contents"]] == KEYS
    grouped = s3.list_objects_v2(Bucket="logs", Prefix="AWSLogs/", Delimiter="/")
    assert [item["Prefix"] for item in grouped["CommonPrefixes"]] == ["AWSLogs/1/", "AWSLogs/2/"]
    assert "Contents" not in grouped


def test_marker_may_be_a_key_that_is_not_there(s3: Any) -> None:
    listed = s3.list_objects(Bucket="logs", Marker="AWSLogs/1/a b+ü.json.gz0")

    assert [item["Key"] for item in listed["Contents"]] == KEYS[1:]


def test_object_comes_with_metadata_and_ranges(s3: Any) -> None:
    whole = s3.get_object(Bucket="logs", Key=KEYS[0])
    part = s3.get_object(Bucket="logs", Key=KEYS[0], Range="bytes=2-4")
    head = s3.head_object(Bucket="logs", Key=KEYS[0])

    assert whole["Body"].read() == b"0123456789"
    assert whole["Metadata"] == head["Metadata"] == {"signature": "abcd"}
    assert (whole["ContentType"], whole["ContentEncoding"]) == ("application/json", "gzip")
    assert (part["Body"].read(), part["ContentRange"]) == (b"234", "bytes 2-4/10")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert (head["ContentLength"], head["ETag"]) == (10, whole["ETag"])


def test_buckets_say_where_they_are(api: ApiInThread, s3: Any, connect: Connect) -> None:
    api.world.archives.create(an_archive("europe", "eu-west-1"))

    assert s3.get_bucket_location(Bucket="logs")["LocationConstraint"] is None
    assert s3.get_bucket_location(Bucket="europe")["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket="europe")["BucketRegion"] == "eu-west-1"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["europe", "logs"]
    assert s3.get_bucket_acl(Bucket="logs")["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert connect("s3", region="eu-west-1").get_bucket_location(Bucket="europe")["LocationConstraint"] == "eu-west-1"


def test_presigned_url_reads_an_object(api: ApiInThread, s3: Any) -> None:
    signer = boto3.client(
        "s3",
        endpoint_url=api.url,
        region_name="us-east-1",
        aws_access_key_id=a_credential().access_key_id,
        aws_secret_access_key=a_credential().secret_access_key,
        config=Config(signature_version="s3v4"),
    )
    url = signer.generate_presigned_url("get_object", Params={"Bucket": "logs", "Key": KEYS[0]})

    with urllib.request.urlopen(url) as response:
        assert response.read() == b"0123456789"
    assert s3.head_object(Bucket="logs", Key=KEYS[0])["ContentLength"] == 10


def test_url_presigned_by_the_old_scheme_is_refused(s3: Any) -> None:
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "logs", "Key": KEYS[0]})

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)

    assert b"<Code>InvalidRequest</Code>" in refused.value.read()


def test_errors(s3: Any) -> None:
    assert refusal(lambda: s3.get_object(Bucket="logs", Key="none")) == (404, "NoSuchKey")
    assert refusal(lambda: s3.get_object(Bucket="none", Key="none")) == (404, "NoSuchBucket")
    assert refusal(lambda: s3.list_objects(Bucket="none")) == (404, "NoSuchBucket")
    assert refusal(lambda: s3.list_objects_v2(Bucket="none")) == (404, "NoSuchBucket")
    assert refusal(lambda: s3.head_object(Bucket="logs", Key="none")) == (404, "404")
    assert refusal(lambda: s3.head_bucket(Bucket="none")) == (404, "404")
    assert refusal(lambda: s3.get_bucket_location(Bucket="none")) == (404, "NoSuchBucket")
    assert refusal(lambda: s3.get_object(Bucket="logs", Key="top", Range="bytes=10-")) == (416, "InvalidRange")
    assert refusal(lambda: s3.get_object(Bucket="logs", Key="top", IfMatch='"x"')) == (412, "PreconditionFailed")
    etag = s3.head_object(Bucket="logs", Key="top")["ETag"]
    assert refusal(lambda: s3.get_object(Bucket="logs", Key="top", IfNoneMatch=etag))[0] == 304
    assert refusal(lambda: s3.list_objects_v2(Bucket="logs", ContinuationToken="%%")) == (400, "InvalidArgument")


def test_errors_name_what_is_missing(s3: Any) -> None:
    with pytest.raises(ClientError) as key:
        s3.get_object(Bucket="logs", Key="none")
    with pytest.raises(ClientError) as bucket:
        s3.list_objects(Bucket="none")

    assert key.value.response["Error"]["Key"] == "none"
    assert bucket.value.response["Error"]["BucketName"] == "none"


def test_archives_cannot_be_written(s3: Any) -> None:
    for write in (
        lambda: s3.put_object(Bucket="logs", Key="k", Body=b"x"),
        lambda: s3.put_object(Bucket="logs", Key="k", Body=b"x" * 2_000_000),
        lambda: s3.delete_object(Bucket="logs", Key="top"),
        lambda: s3.delete_bucket(Bucket="logs"),
        lambda: s3.delete_objects(Bucket="logs", Delete={"Objects": [{"Key": "top"}]}),
        lambda: s3.create_multipart_upload(Bucket="logs", Key="k"),
    ):
        assert refusal(write) == (403, "AccessDenied")
    assert s3.get_object(Bucket="logs", Key="top")["Body"].read() == b"0123456789"


def test_reads_that_archives_do_not_have_say_so(s3: Any) -> None:
    assert refusal(lambda: s3.get_object_torrent(Bucket="logs", Key="top")) == (501, "NotImplemented")


def test_callers_need_permission_for_each_key(api: ApiInThread, s3: Any, connect: Connect) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject",'
        '"Resource":"arn:aws:s3:::logs/AWSLogs/1/*"}]}'
    )
    api.do(api.world.identities.create_user(a_user(read=policy)))
    credential = Credential("AKIAUSERUSERUSERUSER", a_credential().secret_access_key, a_user_principal())
    api.do(api.world.identities.add_credential(credential))
    reader = connect("s3", credential=credential)

    assert reader.get_object(Bucket="logs", Key=KEYS[1])["Body"].read() == b"0123456789"
    assert refusal(lambda: reader.get_object(Bucket="logs", Key="top")) == (403, "AccessDenied")
    assert refusal(lambda: reader.get_object(Bucket="logs", Key="AWSLogs/1/none")) == (403, "AccessDenied")
    assert refusal(lambda: reader.list_objects(Bucket="logs")) == (403, "AccessDenied")
