"""What S3's events say of objects, buckets, access points and directory buckets."""

import pytest

from opentrail.record.resources import Place
from opentrail.record.s3_resources import resources
from opentrail.record.s3_tables import code_of_status, encryption_named
from tests.unit.record.calls import ACCOUNT, recorded

PLACE = Place("aws", "eu-west-1", ACCOUNT)
ACCESS_POINT = f"arn:aws:s3:eu-west-1:{ACCOUNT}:accesspoint/reports"
OBJECT, BUCKET = ("AWS::S3::Object", "arn:aws:s3:::b/k"), ("AWS::S3::Bucket", "arn:aws:s3:::b")
DIRECTORY = "ledger--euw1-az1--x-s3"
DIRECTORY_ARN = f"arn:aws:s3express:eu-west-1:{ACCOUNT}:bucket/{DIRECTORY}"


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("GetObject", {"Bucket": "b", "Key": "k"}, [OBJECT, BUCKET]),
        ("CompleteMultipartUpload", {"Bucket": "b", "Key": "k"}, [OBJECT, BUCKET]),
        ("ListObjectsV2", {"Bucket": "b", "Prefix": "p/"}, [("AWS::S3::Object", "arn:aws:s3:::b/p/"), BUCKET]),
        ("GetBucketAcl", {"Bucket": "b"}, [BUCKET]),
        ("CreateBucket", {"Bucket": "b"}, []),
        ("ListBuckets", {}, []),
        (
            "PutObject",
            {"Bucket": ACCESS_POINT, "Key": "k"},
            [("AWS::S3::Object", f"{ACCESS_POINT}/object/k"), ("AWS::S3::AccessPoint", ACCESS_POINT)],
        ),
        (
            "PutObject",
            {"Bucket": DIRECTORY, "Key": "k"},
            [("AWS::S3Express::Object", f"{DIRECTORY_ARN}/k"), ("AWS::S3Express::DirectoryBucket", DIRECTORY_ARN)],
        ),
    ],
)
def test_the_resources_of_a_call(operation: str, parameters: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = resources(operation, parameters, PLACE)

    assert [(resource["type"], resource.get("ARN") or resource.get("ARNPrefix")) for resource in found] == expected


def test_calls_on_directory_buckets_are_of_a_source_of_their_own() -> None:
    event = recorded("s3", "GetObject", {"Bucket": DIRECTORY, "Key": "k"})

    assert event["eventSource"] == "s3express.amazonaws.com"
    assert recorded("s3", "GetObject", {"Bucket": "b", "Key": "k"})["eventSource"] == "s3.amazonaws.com"


@pytest.mark.parametrize(
    ("status", "has_key", "code"),
    [
        (404, True, "NoSuchKey"),
        (404, False, "NoSuchBucket"),
        (403, True, "AccessDenied"),
        (418, False, "BadRequest"),
        (502, False, "ServiceUnavailable"),
    ],
)
def test_answers_without_a_body_have_the_code_of_their_status(status: int, has_key: bool, code: str) -> None:
    assert code_of_status(status, has_key=has_key)[0] == code


def test_unknown_encryption_is_not_named() -> None:
    assert [encryption_named(header) for header in ("aws:kms", "rot13", None)] == ["SSE_KMS", None, None]


def test_the_data_api_of_rds_has_the_source_that_selectors_take() -> None:
    event = recorded("rds-data", "ExecuteStatement", {"resourceArn": "arn:aws:rds:eu-west-1:1:cluster:c"})

    assert (event["eventSource"], event["eventCategory"]) == ("rdsdata.amazonaws.com", "Data")
    assert [resource["type"] for resource in event["resources"]] == ["AWS::RDS::DBCluster"]
