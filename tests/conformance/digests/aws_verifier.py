"""Runs AWS's own verifier over objects given as JSON on the standard input; executed by the AWS CLI's interpreter.

Only the network is replaced: S3 and ListPublicKeys answer from the given values. Prints what the command prints, errors
and results in the order they were written, and exits as it does.
"""

import base64
import io
import json
import sys
from argparse import Namespace
from datetime import datetime
from typing import Any

from awscli.clidriver import create_clidriver  # type: ignore[import-not-found,unused-ignore]
from awscli.customizations.cloudtrail.validation import (  # type: ignore[import-not-found,unused-ignore]
    CloudTrailValidateLogs,
)
from botocore.exceptions import ClientError


class Objects:
    """The part of an S3 client that the verifier uses."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self._objects = {(item["bucket"], item["key"]): item for item in objects}

    def get_client(self, bucket: str) -> "Objects":
        return self

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if (Bucket, Key) not in self._objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "gone"}}, "GetObject")
        item = self._objects[Bucket, Key]
        return {"Body": io.BytesIO(base64.b64decode(item["body"])), "Metadata": item["metadata"]}

    def get_paginator(self, operation: str) -> "Objects":
        return self

    def paginate(self, Bucket: str, Marker: str, Prefix: str) -> "Listing":
        keys = sorted(key for bucket, key in self._objects if bucket == Bucket)
        return Listing([key for key in keys if key.startswith(Prefix) and key > Marker])


class Listing:
    def __init__(self, keys: list[str]) -> None:
        self._keys = keys

    def search(self, expression: str) -> list[str]:
        return self._keys


class CloudTrail:
    """The parts of a CloudTrail and an Organizations client that the verifier uses."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._keys = given["keys"]
        self._given = given

    def describe_trails(self) -> dict[str, Any]:
        trail = {"TrailARN": self._given["trail_arn"], "S3BucketName": self._given["bucket"]}
        prefix = {"S3KeyPrefix": self._given["key_prefix"]} if self._given["key_prefix"] else {}
        return {"trailList": [trail | prefix | {"IsOrganizationTrail": bool(self._given["organization_id"])}]}

    def describe_organization(self) -> dict[str, Any]:
        return {"Organization": {"Id": self._given["organization_id"]}}

    def list_public_keys(self, StartTime: datetime, EndTime: datetime) -> dict[str, Any]:
        start, end = StartTime.isoformat(), EndTime.isoformat()
        return {
            "PublicKeyList": [
                {"Value": key["value"], "Fingerprint": key["fingerprint"]}
                for key in self._keys
                if key["valid_from"] <= end and key["valid_until"] >= start
            ]
        }


def main() -> int:
    given = json.load(sys.stdin)
    sys.stderr = sys.stdout
    command = CloudTrailValidateLogs(create_clidriver().session)
    command.handle_args(
        Namespace(
            trail_arn=given["trail_arn"],
            start_time=given["start_time"],
            end_time=given["end_time"],
            s3_bucket=None if given["organization_id"] else given["bucket"],
            s3_prefix=given["key_prefix"] or None,
            account_id=given["account_id"] or None,
            verbose=True,
        )
    )
    command._source_region = given["region"]
    command.s3_client_provider = Objects(given["objects"])
    command.cloudtrail_client = CloudTrail(given)
    command.organization_client = command.cloudtrail_client
    command._call()
    return 1 if command._invalid_digests + command._invalid_backfill_digests + command._invalid_logs else 0


if __name__ == "__main__":
    sys.exit(main())
