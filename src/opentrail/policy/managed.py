"""Managed policies by name, for users that need no policy of their own: the meaning of AWS's names, in our words."""

import json
from collections.abc import Mapping
from typing import Any


def _allow(*statements: tuple[str, list[str], str | list[str]]) -> str:
    document: dict[str, Any] = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
            for sid, actions, resources in statements
        ],
    }
    return json.dumps(document)


MANAGED_POLICIES: Mapping[str, str] = {
    "AdministratorAccess": _allow(("Everything", ["*"], "*")),
    "AWSCloudTrail_FullAccess": _allow(
        ("WholeTrail", ["cloudtrail:*", "cloudtrail-data:*"], "*"),
        (
            "WhereItDelivers",
            [
                "s3:CreateBucket",
                "s3:GetBucketLocation",
                "s3:GetBucketPolicy",
                "s3:GetObject",
                "s3:ListAllMyBuckets",
                "s3:ListBucket",
                "s3:PutBucketPolicy",
                "sns:CreateTopic",
                "sns:GetTopicAttributes",
                "sns:ListTopics",
                "sns:SetTopicAttributes",
                "logs:CreateLogGroup",
                "logs:DescribeLogGroups",
                "kms:ListAliases",
                "kms:ListKeys",
            ],
            "*",
        ),
    ),
    "AWSCloudTrail_ReadOnlyAccess": _allow(
        (
            "ReadTrails",
            [
                "cloudtrail:Describe*",
                "cloudtrail:Get*",
                "cloudtrail:List*",
                "cloudtrail:LookupEvents",
                "cloudtrail:SearchSampleQueries",
            ],
            "*",
        ),
        ("ReadLogFiles", ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::*"),
    ),
}
"""Name -> document (JSON text) that ``parse_policy`` takes as an identity policy."""
