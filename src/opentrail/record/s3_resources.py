"""The object and bucket that an S3 call is about, as S3's events list them."""

from typing import Any

from opentrail.protocol import Parameters
from opentrail.record.resources import Place
from opentrail.record.s3_tables import PREFIX_OPERATIONS

EXPRESS_SOURCE = "s3express.amazonaws.com"
"""``eventSource`` of calls on directory buckets."""

_DIRECTORY_BUCKET_ENDS = ("--x-s3", "--xa-s3")
"""Only directory buckets and their access points may have such names (S3 user guide, naming rules)."""


def resources(operation: str, parameters: Parameters, place: Place) -> list[dict[str, Any]]:
    """Return what ``resources`` of the call lists; none of CreateBucket, whose bucket is not there yet."""
    bucket = parameters.get("Bucket")
    if not isinstance(bucket, str) or not bucket or operation == "CreateBucket":
        return []
    if is_directory_bucket(bucket):
        arn = f"arn:{place.partition}:s3express:{place.region}:{place.account_id}:bucket/{bucket}"
        return [*_objects(operation, parameters, arn, "AWS::S3Express::Object"), _holder(arn, "DirectoryBucket", place)]
    if bucket.startswith("arn:") and ":accesspoint/" in bucket:
        objects = _objects(operation, parameters, f"{bucket}/object", "AWS::S3::Object")
        return [*objects, {"accountId": place.account_id, "type": "AWS::S3::AccessPoint", "ARN": bucket}]
    arn = bucket if bucket.startswith("arn:") else f"arn:{place.partition}:s3:::{bucket}"
    return [*_objects(operation, parameters, arn, "AWS::S3::Object"), _holder(arn, "Bucket", place)]


def is_directory_bucket(bucket: object) -> bool:
    """Say whether a bucket is one of S3 Express One Zone, by its name."""
    return isinstance(bucket, str) and bucket.endswith(_DIRECTORY_BUCKET_ENDS)


def _objects(operation: str, parameters: Parameters, arn: str, kind: str) -> list[dict[str, Any]]:
    key, prefix = parameters.get("Key"), parameters.get("Prefix")
    if isinstance(key, str):
        return [{"type": kind, "ARN": f"{arn}/{key}"}]
    if operation in PREFIX_OPERATIONS:
        return [{"type": kind, "ARNPrefix": f"{arn}/{prefix if isinstance(prefix, str) else ''}"}]
    return []


def _holder(arn: str, kind: str, place: Place) -> dict[str, Any]:
    service = "S3Express" if kind == "DirectoryBucket" else "S3"
    return {"accountId": place.account_id, "type": f"AWS::{service}::{kind}", "ARN": arn}
