"""What the S3 adapter asks of a server, and how it reads what servers of all kinds answer."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from opentrail.adapters.object_store.s3 import S3Bucket, S3Buckets, S3Endpoint, _make_client
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import AccessRefused, AlreadyExists, BucketNotFound, ObjectNotFound

TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
MARKER = "AWSLogs/123456789012/CloudTrail/"


def refusal(code: str, status: int = 400) -> botocore.exceptions.ClientError:
    answer = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(answer, "AnyOperation")


class CannedClient:
    """A boto3 client whose answers are a function of operation and parameters; ``asked`` keeps every request."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], Any]) -> None:
        self._answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            self.asked.append((operation, parameters))
            answer = self._answer(operation, parameters)
            if isinstance(answer, BaseException):
                raise answer
            return answer if answer is not None else {}

        return call


def a_bucket(answer: Callable[[str, dict[str, Any]], Any], **service: Any) -> tuple[S3Bucket, CannedClient]:
    buckets = S3Buckets(S3Endpoint("http://127.0.0.1:1"), **service)
    buckets._client = client = CannedClient(answer)
    return buckets.bucket("logs"), client


async def put(bucket: S3Bucket, **changes: Any) -> None:
    await bucket.put_if_absent("k", b"body", **({"content_type": "application/json"} | changes))


async def test_a_put_carries_cloudtrails_headers_and_never_overwrites() -> None:
    bucket, client = a_bucket(lambda *_: None)

    await put(bucket, content_encoding="gzip", metadata={"signature": "ab"})

    ((operation, sent),) = client.asked
    assert operation == "put_object"
    assert sent == {
        "Bucket": "logs",
        "Key": "k",
        "Body": b"body",
        "ContentType": "application/json",
        "ContentEncoding": "gzip",
        "ContentMD5": base64.b64encode(hashlib.md5(b"body").digest()).decode(),
        "ACL": "bucket-owner-full-control",
        "Metadata": {"signature": "ab"},
        "ServerSideEncryption": "AES256",
        "IfNoneMatch": "*",
    }


async def test_a_kms_key_comes_with_its_encryption_context() -> None:
    bucket, client = a_bucket(lambda *_: None)

    await put(bucket, kms_key_id="arn:aws:kms:key", encryption_context={"aws:cloudtrail:arn": TRAIL})

    sent = client.asked[0][1]
    assert (sent["ServerSideEncryption"], sent["SSEKMSKeyId"]) == ("aws:kms", "arn:aws:kms:key")
    assert json.loads(base64.b64decode(sent["SSEKMSEncryptionContext"])) == {"aws:cloudtrail:arn": TRAIL}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal("PreconditionFailed", 412), AlreadyExists),
        (refusal("NoSuchBucket", 404), BucketNotFound),
        (refusal("AccessDenied", 403), AccessRefused),
        (refusal("InvalidAccessKeyId", 403), AccessRefused),
        (refusal("KMS.NotFoundException", 400), AccessRefused),
        (refusal("ConditionalRequestConflict", 409), Unavailable),
        (refusal("SlowDown", 503), Unavailable),
        (refusal("InternalError", 500), Unavailable),
        (refusal("TooManyRequests", 429), Unavailable),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"), Unavailable),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="http://x"), Unavailable),
        (botocore.exceptions.NoCredentialsError(), AccessRefused),
    ],
)
async def test_an_answer_becomes_the_ports_error(answer: Exception, expected: type[PortError]) -> None:
    bucket, _ = a_bucket(lambda *_: answer)

    with pytest.raises(expected):
        await put(bucket)


async def test_a_refusal_keeps_s3s_code() -> None:
    bucket, _ = a_bucket(lambda *_: refusal("InvalidObjectState", 403))

    with pytest.raises(AccessRefused) as caught:
        await bucket.get("k")

    assert caught.value.code == "InvalidObjectState"


async def test_a_refusal_without_a_body_is_told_by_s3s_code_not_by_the_status() -> None:
    bucket, _ = a_bucket(lambda *_: refusal("403", 403))

    with pytest.raises(AccessRefused) as caught:
        await put(bucket)

    assert caught.value.code == "AccessDenied"


async def test_a_server_without_conditional_puts_is_asked_first() -> None:
    def answer(operation: str, sent: dict[str, Any]) -> Any:
        if "IfNoneMatch" in sent:
            return refusal("NotImplemented", 501)
        return refusal("404", 404) if operation == "head_object" else None

    bucket, client = a_bucket(answer)

    await put(bucket)
    await put(bucket)

    assert [operation for operation, _ in client.asked] == [
        "put_object",
        "head_object",
        "put_object",
        "head_object",
        "put_object",
    ]
    assert client.asked[-1][1]["ServerSideEncryption"] == "AES256"


async def test_on_such_a_server_an_object_that_is_there_is_left_alone() -> None:
    bucket, client = a_bucket(lambda _, sent: refusal("NotImplemented", 501) if "IfNoneMatch" in sent else None)

    with pytest.raises(AlreadyExists):
        await put(bucket)

    assert [operation for operation, _ in client.asked] == ["put_object", "head_object"]


async def test_a_server_without_sse_s3_is_left_to_its_own_encryption() -> None:
    def answer(operation: str, sent: dict[str, Any]) -> Any:
        if "ServerSideEncryption" in sent:
            return refusal("NotImplemented", 501)
        return refusal("404", 404) if operation == "head_object" else None

    bucket, client = a_bucket(answer)

    await put(bucket)

    sent = client.asked[-1][1]
    assert "ServerSideEncryption" not in sent
    assert sent["IfNoneMatch"] == "*"


async def test_kms_encryption_is_never_left_out() -> None:
    def answer(operation: str, sent: dict[str, Any]) -> Any:
        return refusal("404", 404) if operation == "head_object" else refusal("NotImplemented", 501)

    bucket, client = a_bucket(answer)

    with pytest.raises(AccessRefused):
        await put(bucket, kms_key_id="key")

    puts = [sent for operation, sent in client.asked if operation == "put_object"]
    assert {sent["ServerSideEncryption"] for sent in puts} == {"aws:kms"}


def policy_answer(policy: Any) -> Callable[[str, dict[str, Any]], Any]:
    return lambda operation, _: policy if operation == "get_bucket_policy" else None


async def test_a_bucket_whose_policy_forbids_delivery_is_refused_before_anything_is_written() -> None:
    bucket, client = a_bucket(policy_answer({"Policy": "P"}), policy_check=lambda *_: False)

    with pytest.raises(AccessRefused):
        await bucket.check_delivery(MARKER, TRAIL)

    assert "put_object" not in [operation for operation, _ in client.asked]


async def test_the_policy_is_judged_for_this_bucket_marker_and_trail() -> None:
    judged: list[tuple[str, str, str, str]] = []

    def judge(*question: str) -> bool:
        judged.append(question)  # type: ignore[arg-type]
        return True

    bucket, client = a_bucket(policy_answer({"Policy": "P"}), policy_check=judge)

    await bucket.check_delivery(MARKER, TRAIL)

    assert judged == [("P", "logs", MARKER, TRAIL)]
    assert client.asked[-1][1]["Key"] == MARKER


@pytest.mark.parametrize("answer", [refusal("NoSuchBucketPolicy", 404), refusal("AccessDenied", 403)])
async def test_without_a_policy_to_read_the_marker_decides(answer: Exception) -> None:
    bucket, client = a_bucket(policy_answer(answer), policy_check=lambda *_: False)

    await bucket.check_delivery(MARKER, TRAIL)

    assert client.asked[-1][0] == "put_object"


async def test_a_listing_follows_every_page() -> None:
    def answer(_: str, sent: dict[str, Any]) -> Any:
        page = {"": ("a", "t1"), "t1": ("b", "t2"), "t2": ("c", "")}[sent.get("ContinuationToken", "")]
        item = {"Key": page[0], "Size": 1, "LastModified": None, "ETag": '"e"'}
        return {"Contents": [item]} | ({"NextContinuationToken": page[1]} if page[1] else {})

    bucket, client = a_bucket(answer)

    assert [item.key async for item in bucket.list("p", "start")] == ["a", "b", "c"]
    assert client.asked[0][1] == {"Bucket": "logs", "Prefix": "p", "StartAfter": "start"}


async def test_a_missing_object_is_not_found() -> None:
    bucket, _ = a_bucket(lambda *_: refusal("NoSuchKey", 404))

    with pytest.raises(ObjectNotFound):
        await bucket.get("k")


@pytest.mark.parametrize(
    ("url", "style"),
    [
        ("http://127.0.0.1:9000", "path"),
        ("http://[::1]:9000", "path"),
        ("http://localhost:9000", "path"),
        ("http://minio:9000", "path"),
        ("https://s3.example.com", "auto"),
        ("", "auto"),
    ],
)
def test_buckets_stand_in_the_path_where_a_host_name_cannot_hold_them(url: str, style: str) -> None:
    client = _make_client(S3Endpoint(url, "us-east-1", "a", "b"))

    assert client.meta.config.s3["addressing_style"] == style
