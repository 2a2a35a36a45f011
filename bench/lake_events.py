"""Events of about the size of real ones, for benchmarks of the lake."""

from datetime import datetime, timedelta

import orjson

ACCOUNT = "123456789012"


def user_of(number: int) -> int:
    """Return whose the ``number``-th event is: one of 2,000 users, or for one in a thousand one of 500 rare ones."""
    return 10_000 + number // 1000 % 500 if number % 1000 == 500 else number * 7919 % 2000


def an_event(number: int, now: datetime, count: int, span_seconds: int = 7200) -> bytes:
    """Return one event of about 1.3 kB: the ``number``-th of ``count`` in a span before ``now``."""
    user = user_of(number)
    return orjson.dumps(
        {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": f"AROAEXAMPLE{user:08d}:session-{user}",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/role-{user}/session-{user}",
                "accountId": ACCOUNT,
                "accessKeyId": f"ASIAEXAMPLE{user:08d}",
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": f"AROAEXAMPLE{user:08d}",
                        "arn": f"arn:aws:iam::{ACCOUNT}:role/role-{user}",
                        "accountId": ACCOUNT,
                        "userName": f"role-{user}",
                    },
                    "attributes": {"creationDate": "2026-11-20T01:02:03Z", "mfaAuthenticated": "false"},
                },
            },
            "eventTime": (now - timedelta(seconds=span_seconds - number * span_seconds // count)).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "eventSource": ("s3", "ec2", "iam", "sts", "kms")[number % 5] + ".amazonaws.com",
            "eventName": ("GetObject", "DescribeInstances", "CreateUser", "AssumeRole", "Decrypt")[number % 5],
            "awsRegion": ("us-east-1", "eu-west-1")[number % 2],
            "sourceIPAddress": f"192.0.2.{number % 250}",
            "userAgent": "aws-cli/2.15.0 Python/3.11.6 Linux/6.1 exe/x86_64 prompt/off command/s3.cp",
            "requestParameters": {"bucketName": f"bucket-{number % 97}", "key": f"folder/{number}", "n": number},
            "responseElements": None,
            "additionalEventData": {"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256"},
            "requestID": f"{number:016x}",
            "eventID": f"{number:08x}-0000-4000-8000-{number:012x}",
            "readOnly": number % 5 != 2,
            "resources": [{"type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::bucket-{number % 97}"}],
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
            "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
        }
    )
