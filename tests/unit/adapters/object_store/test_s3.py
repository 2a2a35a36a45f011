"""What the S3 adapter asks of a server, and how it reads what servers of all kinds answer."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from opentrail.adapters.object_store.s3 import MAX_OBJECT_BYTES, S3Bucket, S3Buckets, S3Endpoint
from opentrail.adapters.object_store.s3_client import make_client
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
            if answer is None and operation == "put_object":
                return {"ETag": f'"{hashlib.md5(parameters["Body"]).hexdigest()}"'}
            return answer if answer is not None else {}

        return call


def a_bucket(answer: Callable[[str, dict[str, Any]], Any], **service: Any) -> tuple[S3Bucket, CannedClient]:
    buckets = S3Buckets(S3Endpoint("http://127.0.0.1:1"), **service)
    buckets._client = client = CannedClient(answer)
    return buckets.bucket("logs"), client


async def put(bucket: S3Bucket, **changes: Any) -> None:
    await bucket.put_if_absent("k", b"body", **({"content_type": "application/json"} | changes))


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


def policy_answer(policy: Any) -> Callable[[str, dict[str, Any]], Any]:
    return lambda operation, _: policy if operation == "get_bucket_policy" else None


async def test_a_bucket_whose_policy_forbids_delivery_is_refused_before_anything_is_written() -> None:
    bucket, client = a_bucket(policy_answer({"Policy": "P"}), policy_check=lambda *_: False)

    with pytest.raises(AccessRefused):
        await bucket.check_delivery(MARKER, TRAIL)

    assert "put_object" not in [operation for operation, _ in client.asked]


async def test_the_policy_is_judged_for_this_bucket_marker_and_trail() -> None:
    judged: list[tuple[str, ...]] = []

    def judge(*question: str) -> bool:
        judged.append(question)
        return True

    bucket, client = a_bucket(policy_answer({"Policy": "P"}), policy_check=judge)

    await bucket.check_delivery(MARKER, TRAIL, kms_key_id="key")

    assert judged == [("P", "logs", MARKER, TRAIL, "key")]
    sent = client.asked[-1][1]
    assert (sent["Key"], sent["ServerSideEncryption"], sent["SSEKMSKeyId"]) == (MARKER, "aws:kms", "key")


@pytest.mark.parametrize("payer", ["Requester", "BucketOwner"])
async def test_a_bucket_for_which_the_requester_pays_is_refused(payer: str) -> None:
    bucket, client = a_bucket(
        lambda operation, _: {"Payer": payer, "Policy": ""} if operation.startswith("get") else None
    )

    if payer == "BucketOwner":
        await bucket.check_delivery(MARKER, TRAIL)
        return
    with pytest.raises(AccessRefused):
        await bucket.check_delivery(MARKER, TRAIL)

    assert "put_object" not in [operation for operation, _ in client.asked]


async def test_a_bucket_that_we_may_not_look_at_is_judged_by_the_marker_alone() -> None:
    def answer(operation: str, _: dict[str, Any]) -> Any:
        return None if operation == "put_object" else refusal("AccessDenied", 403)

    bucket, client = a_bucket(answer)

    await bucket.check_delivery(MARKER, TRAIL)

    assert client.asked[-1][1]["Key"] == MARKER


@pytest.mark.parametrize("code", ["AccessDenied", "KMS.DisabledException", "AccessControlListNotSupported"])
async def test_a_marker_that_cannot_be_written_refuses_the_bucket_with_s3s_code(code: str) -> None:
    def answer(operation: str, _: dict[str, Any]) -> Any:
        return {"put_object": refusal(code, 403), "get_bucket_policy": refusal("NoSuchBucketPolicy", 404)}.get(
            operation
        )

    bucket, _ = a_bucket(answer)

    with pytest.raises(AccessRefused) as caught:
        await bucket.check_delivery(MARKER, TRAIL)

    assert caught.value.code == code


@pytest.mark.parametrize("answer", [refusal("NoSuchBucketPolicy", 404), refusal("AccessDenied", 403)])
async def test_without_a_policy_to_read_the_marker_decides(answer: Exception) -> None:
    bucket, client = a_bucket(policy_answer(answer), policy_check=lambda *_: False)

    await bucket.check_delivery(MARKER, TRAIL)

    assert client.asked[-1][0] == "put_object"


async def test_a_listing_follows_every_page() -> None:
    def answer(_: str, sent: dict[str, Any]) -> Any:
        page = {"": ("a", "t1"), "t1": ("b", "t2"), "t2": ("c", "")}[sent.get("ContinuationToken", "")]
        item = {"Key": page[0], "Size": 1, "LastModified": None, "ETag": '"e"'}
        return {"Contents": [item], "IsTruncated": bool(page[1])} | (
            {"NextContinuationToken": page[1]} if page[1] else {}
        )

    bucket, client = a_bucket(answer)

    assert [item.key async for item in bucket.list("p", "start")] == ["a", "b", "c"]
    assert client.asked[0][1] == {"Bucket": "logs", "Prefix": "p", "StartAfter": "start"}


async def test_a_missing_object_is_not_found() -> None:
    bucket, _ = a_bucket(lambda *_: refusal("NoSuchKey", 404))

    with pytest.raises(ObjectNotFound):
        await bucket.get("k")


async def test_a_missing_bucket_is_told_by_its_own_name() -> None:
    bucket, _ = a_bucket(lambda *_: refusal("NoSuchBucket", 404))

    with pytest.raises(BucketNotFound, match=r"^logs$"):
        await bucket.get("k")


async def test_an_object_that_no_log_file_is_as_large_as_is_not_read() -> None:
    body = io.BytesIO(b"never read")
    bucket, _ = a_bucket(lambda *_: {"Body": body, "ContentLength": MAX_OBJECT_BYTES + 1})

    with pytest.raises(AccessRefused) as refused:
        await bucket.get("k")

    assert refused.value.code == "ObjectTooLarge"
    assert body.closed


@pytest.mark.parametrize(
    ("url", "style"),
    [
        ("http://127.0.0.1:9000", "path"),
        ("http://[::1]:9000", "path"),
        ("http://localhost:9000", "path"),
        ("http://minio:9000", "path"),
        ("https://s3.example.com", "auto"),
        ("", "auto"),
        ("https://s3.eu-west-1.amazonaws.com", "auto"),
    ],
)
def test_buckets_stand_in_the_path_where_a_host_name_cannot_hold_them(url: str, style: str) -> None:
    client = make_client(S3Endpoint(url, "us-east-1", "a", "b"))

    assert client.meta.config.s3["addressing_style"] == style


@pytest.mark.parametrize("addressing", ["path", "virtual"])
@pytest.mark.parametrize("url", ["http://minio:9000", "https://s3.example.com"])
def test_the_settings_say_where_buckets_stand(url: str, addressing: str) -> None:
    client = make_client(S3Endpoint(url, "us-east-1", "a", "b", addressing=addressing))

    assert client.meta.config.s3["addressing_style"] == addressing


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://s3.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"),
        ("https://s3.us-east-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"),
        ("", "https://s3.eu-west-1.amazonaws.com"),
        ("https://s3.example.com", "https://s3.example.com"),
        ("https://s3.amazonaws.com.example.com", "https://s3.amazonaws.com.example.com"),
    ],
)
def test_amazons_own_hosts_are_left_to_boto3_which_follows_a_bucket_to_its_region(url: str, host: str) -> None:
    assert make_client(S3Endpoint(url, "eu-west-1", "a", "b")).meta.endpoint_url == host
