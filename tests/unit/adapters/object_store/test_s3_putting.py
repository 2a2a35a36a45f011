"""How objects are put into S3 servers of all kinds: what is sent, what is left out, what an answer is worth."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import botocore.exceptions
import pytest

from opentrail.adapters.object_store import s3_putting
from opentrail.adapters.object_store.s3 import ObjectLock, S3Bucket, S3Buckets, S3Endpoint
from opentrail.ports import Unavailable
from opentrail.ports.object_store import AccessRefused, AlreadyExists
from tests.builders import HandClock

TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
MARKER = "AWSLogs/123456789012/CloudTrail/"
AWS = "https://s3.eu-west-1.amazonaws.com"
OTHER = "http://127.0.0.1:1"


class Server:
    """An S3 server behind a boto3 client's methods. ``lacks`` are parameters that it answers with 501, ``ignores``
    those it takes no notice of; ``refuses`` operations that the caller may not do; ``answer`` replaces a put's output.
    """

    def __init__(
        self,
        lacks: set[str] = frozenset(),  # type: ignore[assignment]
        ignores: set[str] = frozenset(),  # type: ignore[assignment]
        refuses: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> None:
        self.lacks, self.ignores, self.refuses = lacks, ignores, refuses
        self.objects: dict[str, bytes] = {}
        self.parts: list[bytes] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answer: Any = None
        self.lock_configuration: Any = None

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.asked.append((operation, parameters))
            if operation in self.refuses:
                raise refusal("AccessDenied", 403)
            if self.lacks & {operation, *parameters}:
                raise refusal("NotImplemented", 501)
            return getattr(self, f"do_{operation}")(parameters)

        return call

    def check(self, sent: dict[str, Any]) -> None:
        if "IfNoneMatch" in sent and "IfNoneMatch" not in self.ignores and sent["Key"] in self.objects:
            raise refusal("PreconditionFailed", 412)

    def do_put_object(self, sent: dict[str, Any]) -> Any:
        self.check(sent)
        self.objects[sent["Key"]] = sent["Body"]
        return self.answer or {"ETag": f'"{hashlib.md5(sent["Body"]).hexdigest()}"'}

    def do_head_object(self, sent: dict[str, Any]) -> Any:
        if sent["Key"] not in self.objects:
            raise refusal("404", 404)
        return {"ETag": '"e"'}

    def do_get_object(self, sent: dict[str, Any]) -> Any:
        if sent["Key"] not in self.objects:
            raise refusal("NoSuchKey", 404)
        return {"Body": Reading(self.objects[sent["Key"]])}

    def do_get_object_lock_configuration(self, _: dict[str, Any]) -> Any:
        if self.lock_configuration is None:
            raise refusal("ObjectLockConfigurationNotFoundError", 404)
        return self.lock_configuration

    def do_create_multipart_upload(self, _: dict[str, Any]) -> Any:
        self.parts = []
        return {"UploadId": "upload-1"}

    def do_upload_part(self, sent: dict[str, Any]) -> Any:
        self.parts.append(sent["Body"])
        return {"ETag": f'"{sent["PartNumber"]}"'}

    def do_complete_multipart_upload(self, sent: dict[str, Any]) -> Any:
        self.check(sent)
        self.objects[sent["Key"]] = b"".join(self.parts)
        return {"ETag": '"whole-2"'}

    def do_abort_multipart_upload(self, _: dict[str, Any]) -> Any:
        self.parts = []
        return {}

    def done(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def last_put(self) -> dict[str, Any]:
        return next(sent for operation, sent in reversed(self.asked) if operation == "put_object")


class Reading(bytes):
    """The body of an answer."""

    def read(self) -> bytes:
        return bytes(self)


def refusal(code: str, status: int) -> botocore.exceptions.ClientError:
    answer = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(answer, "AnyOperation")


def a_bucket(server: Server, url: str = AWS, lock: ObjectLock | None = None) -> S3Bucket:
    buckets = S3Buckets(S3Endpoint(url), lock=lock, clock=HandClock())
    buckets._client = server
    return buckets.bucket("logs")


async def put(bucket: S3Bucket, key: str = "k", body: bytes = b"body", **changes: Any) -> None:
    await bucket.put_if_absent(key, body, **({"content_type": "application/json"} | changes))


async def test_a_put_carries_cloudtrails_headers_and_never_overwrites() -> None:
    server = Server()

    await put(a_bucket(server), content_encoding="gzip", metadata={"signature": "ab"})

    ((operation, sent),) = server.asked
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
    server = Server()

    await put(a_bucket(server), kms_key_id="arn:aws:kms:key", encryption_context={"aws:cloudtrail:arn": TRAIL})

    sent = server.last_put()
    assert (sent["ServerSideEncryption"], sent["SSEKMSKeyId"]) == ("aws:kms", "arn:aws:kms:key")
    assert json.loads(base64.b64decode(sent["SSEKMSEncryptionContext"])) == {"aws:cloudtrail:arn": TRAIL}


async def test_a_server_is_held_to_the_condition_once_and_then_believed() -> None:
    server = Server()
    bucket = a_bucket(server, OTHER)

    await put(bucket, "k1")
    await put(bucket, "k2")

    assert server.done() == ["head_object", "put_object", "put_object", "put_object"]
    assert [sent["Key"] for _, sent in server.asked] == ["k1", "k1", "k1", "k2"]


async def test_what_was_learned_of_a_bucket_serves_the_next_store_of_its_name() -> None:
    server = Server()
    buckets = S3Buckets(S3Endpoint(OTHER))
    buckets._client = server

    await put(buckets.bucket("logs"), "k1")
    await put(buckets.bucket("logs"), "k2")

    assert server.done() == ["head_object", "put_object", "put_object", "put_object"]


async def test_on_a_server_that_ignores_the_condition_an_object_that_is_there_is_left_alone() -> None:
    server = Server(ignores={"IfNoneMatch"})
    server.objects["theirs"] = b"theirs"
    bucket = a_bucket(server, OTHER)

    with pytest.raises(AlreadyExists):
        await put(bucket, "theirs")
    await put(bucket, "k1")
    server.objects["later"] = b"later"
    with pytest.raises(AlreadyExists):
        await put(bucket, "later")

    assert server.objects == {"theirs": b"theirs", "k1": b"body", "later": b"later"}


async def test_a_server_that_ignores_the_condition_is_looked_at_before_each_put() -> None:
    server = Server(ignores={"IfNoneMatch"})
    bucket = a_bucket(server, OTHER)

    for key in ("k1", "k2", "k3"):
        await put(bucket, key)

    assert server.done() == ["head_object", "put_object", "put_object", *["head_object", "put_object"] * 2]


async def test_one_who_may_write_and_not_look_is_served_all_the_same() -> None:
    server = Server(refuses={"head_object", "get_object"}, ignores={"IfNoneMatch"})
    server.answer = {"ETag": '"0123456789abcdef0123456789abcdef"'}

    await put(a_bucket(server, OTHER))

    assert server.objects == {"k": b"body"}


LACKING = [
    {"IfNoneMatch"},
    {"ServerSideEncryption"},
    {"ACL"},
    {"IfNoneMatch", "ServerSideEncryption"},
    {"ServerSideEncryption", "ACL"},
    {"IfNoneMatch", "ServerSideEncryption", "ACL"},
]


@pytest.mark.parametrize("lacks", LACKING, ids=lambda lacks: "+".join(sorted(lacks)))
async def test_what_a_server_does_not_implement_is_left_out_and_nothing_else(lacks: set[str]) -> None:
    server = Server(lacks=lacks)
    bucket = a_bucket(server, OTHER)

    await put(bucket, "k1")
    before = len(server.asked)
    await put(bucket, "k2")

    optional = {"IfNoneMatch", "ServerSideEncryption", "ACL"}
    assert optional & server.last_put().keys() == optional - lacks
    assert server.objects.keys() == {"k1", "k2"}
    assert server.done()[before:].count("put_object") == 1


async def test_without_the_condition_an_object_that_is_there_is_left_alone() -> None:
    server = Server(lacks={"IfNoneMatch"})
    bucket = a_bucket(server, OTHER)
    await put(bucket, "k1")

    with pytest.raises(AlreadyExists):
        await put(bucket, "k1", b"other")

    assert server.objects == {"k1": b"body"}


async def test_where_the_condition_is_known_to_hold_it_is_never_left_out() -> None:
    server = Server(lacks={"IfNoneMatch"})

    with pytest.raises(AccessRefused) as caught:
        await put(a_bucket(server, AWS))

    assert caught.value.code == "NotImplemented"
    assert all("IfNoneMatch" in sent for operation, sent in server.asked if operation == "put_object")


async def test_kms_encryption_is_never_left_out_and_its_refusal_changes_nothing_for_others() -> None:
    server = Server(lacks={"SSEKMSKeyId"})
    bucket = a_bucket(server, OTHER)

    with pytest.raises(AccessRefused):
        await put(bucket, "secret", kms_key_id="key")
    assert {sent["ServerSideEncryption"] for operation, sent in server.asked if operation == "put_object"} == {
        "aws:kms"
    }
    await put(bucket, "plain")

    assert {"IfNoneMatch", "ServerSideEncryption", "ACL"} <= server.last_put().keys()
    assert server.objects == {"plain": b"body"}


async def test_a_lock_goes_with_every_put() -> None:
    server = Server()
    server.lock_configuration = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    bucket = a_bucket(server, lock=ObjectLock("compliance", 30))

    await put(bucket, "k1")
    await put(bucket, "k2")

    sent = server.last_put()
    assert sent["ObjectLockMode"] == "COMPLIANCE"
    assert sent["ObjectLockRetainUntilDate"] == HandClock().now() + timedelta(days=30)
    assert sent["ContentMD5"]
    assert server.done() == ["get_object_lock_configuration", "put_object", "put_object"]


@pytest.mark.parametrize(
    "configuration", [None, {}, {"ObjectLockConfiguration": {}}, {"ObjectLockConfiguration": {"ObjectLockEnabled": ""}}]
)
async def test_a_lock_that_would_not_hold_is_refused_before_anything_is_written(configuration: Any) -> None:
    server = Server()
    server.lock_configuration = configuration

    with pytest.raises(AccessRefused) as caught:
        await put(a_bucket(server, OTHER, ObjectLock("governance", 1)))

    assert caught.value.code == "InvalidRequest"
    assert server.objects == {}


async def test_a_server_that_knows_no_locks_is_refused_and_one_that_hides_them_believed() -> None:
    lock = ObjectLock("governance", 1)

    with pytest.raises(AccessRefused):
        await put(a_bucket(Server(lacks={"get_object_lock_configuration"}), OTHER, lock))
    with pytest.raises(AccessRefused):
        await put(a_bucket(Server(lacks={"ObjectLockMode"}, refuses={"get_object_lock_configuration"}), OTHER, lock))

    hiding = Server(refuses={"get_object_lock_configuration"})
    await put(a_bucket(hiding, OTHER, lock))
    assert hiding.last_put()["ObjectLockMode"] == "GOVERNANCE"


async def test_without_a_setting_the_buckets_own_default_retention_is_left_to_it() -> None:
    server = Server()

    await put(a_bucket(server))

    assert not {name for name in server.last_put() if name.startswith("ObjectLock")}


@pytest.mark.parametrize("answer", [{"Nothing": 1}, {"ETag": ""}, {"ETag": '""'}])
async def test_an_answer_without_an_etag_is_none_of_an_object_store(answer: dict[str, Any]) -> None:
    server = Server()
    server.answer = answer

    with pytest.raises(Unavailable):
        await put(a_bucket(server))


async def test_a_wrong_etag_has_the_object_read_back_once_when_it_holds_what_was_put() -> None:
    server = Server()
    server.answer = {"ETag": '"0123456789abcdef0123456789abcdef"'}
    bucket = a_bucket(server)

    await put(bucket, "k1")
    await put(bucket, "k2")

    assert server.done() == ["put_object", "get_object", "put_object"]


@pytest.mark.parametrize("kept", [b"bod", None], ids=["cut", "gone"])
async def test_a_wrong_etag_of_an_object_that_holds_something_else_is_no_success(kept: bytes | None) -> None:
    class Losing(Server):
        def do_put_object(self, sent: dict[str, Any]) -> Any:
            if kept is not None:
                self.objects[sent["Key"]] = kept
            return {"ETag": '"0123456789abcdef0123456789abcdef"'}

    with pytest.raises(Unavailable):
        await put(a_bucket(Losing()))


async def test_under_kms_an_etag_says_nothing_and_is_not_asked_about() -> None:
    server = Server()
    server.answer = {"ETag": '"0123456789abcdef0123456789abcdef"', "ServerSideEncryption": "aws:kms"}

    await put(a_bucket(server), kms_key_id="key")

    assert server.done() == ["put_object"]


async def test_only_what_is_too_long_for_one_put_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_putting, "MAX_PUT_BYTES", 8)
    monkeypatch.setattr(s3_putting, "PART_BYTES", 4)
    server = Server()
    bucket = a_bucket(server, lock=None)

    await put(bucket, "short", b"12345678")
    assert server.done() == ["put_object"]
    await put(bucket, "long", b"123456789", metadata={"signature": "ab"})

    assert server.done()[1:] == ["create_multipart_upload", *["upload_part"] * 3, "complete_multipart_upload"]
    assert server.objects["long"] == b"123456789"
    begin, first, last = server.asked[1][1], server.asked[2][1], server.asked[-1][1]
    assert begin["Metadata"] == {"signature": "ab"}
    assert (begin["ACL"], begin["ServerSideEncryption"]) == ("bucket-owner-full-control", "AES256")
    assert first["ContentMD5"] == base64.b64encode(hashlib.md5(b"1234").digest()).decode()
    assert last["IfNoneMatch"] == "*"
    assert [part["PartNumber"] for part in last["MultipartUpload"]["Parts"]] == [1, 2, 3]


async def test_parts_never_overwrite_and_are_taken_back_when_they_cannot_be_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_putting, "MAX_PUT_BYTES", 8)
    server = Server()
    server.objects["long"] = b"theirs"

    with pytest.raises(AlreadyExists):
        await put(a_bucket(server), "long", b"123456789")

    assert server.done()[-1] == "abort_multipart_upload"
    assert server.objects == {"long": b"theirs"}


async def test_a_marker_that_is_there_is_written_again_on_condition_to_see_whether_we_may() -> None:
    server = Server(refuses={"put_object"}, lacks={"head_bucket", "get_bucket_policy", "get_bucket_request_payment"})
    server.lacks = server.lacks - {"head_bucket"}
    server.do_head_bucket = lambda _: {}  # type: ignore[attr-defined]
    server.objects[MARKER] = b""

    with pytest.raises(AccessRefused):
        await a_bucket(server, OTHER).check_delivery(MARKER, TRAIL)
