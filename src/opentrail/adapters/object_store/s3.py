"""Any S3 endpoint: written through boto3, in threads of this adapter; read by ``s3_reading`` where that is plain.

Objects are put with CloudTrail's headers: ACL bucket-owner-full-control, and SSE-S3 or, for a trail with a key, SSE-KMS
with key and encryption context, to which S3 itself adds ``aws:s3:arn``. What the operator's settings ask for comes on
top: Object Lock. How a put is kept from overwriting, and what servers do without, is ``s3_putting``'s.
"""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from opentrail.adapters.object_store.bucket_policy import allows_delivery
from opentrail.adapters.object_store.s3_client import (
    CALL_SECONDS,
    MAX_CONNECTIONS,
    NotImplementedByServer,
    is_aws,
    make_client,
    translate,
)
from opentrail.adapters.object_store.s3_putting import Putter, ServerTraits
from opentrail.adapters.object_store.s3_reading import S3Endpoint as S3Endpoint
from opentrail.adapters.object_store.s3_reading import S3Reader
from opentrail.clock import Clock, SystemClock
from opentrail.ports import Unavailable
from opentrail.ports.object_store import (
    AccessRefused,
    AlreadyExists,
    BucketNotFound,
    ObjectNotFound,
    ObjectSummary,
    StoredObject,
)

MAX_OBJECT_BYTES = 256 * 1024 * 1024
"""Larger objects are not read: five times the largest log file before it is compressed."""

PolicyCheck = Callable[[str, str, str, str, str], bool]
"""(policy text, bucket, marker key, trail ARN, KMS key) -> whether that bucket policy lets CloudTrail deliver there."""


@dataclass(frozen=True)
class ObjectLock:
    """How long what is put stays locked: ``mode`` governance or compliance, from the moment of the put."""

    mode: str
    days: int


class S3Buckets:
    """One endpoint's buckets, sharing a client and its threads."""

    def __init__(
        self,
        endpoint: S3Endpoint,
        policy_check: PolicyCheck = allows_delivery,
        lock: ObjectLock | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._endpoint = endpoint
        self.policy_check = policy_check
        self.lock = lock
        self.clock = clock or SystemClock()
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, "s3")
        self._making = threading.Lock()
        self._client: Any = None
        self._traits: dict[str, ServerTraits] = {}
        self.reader = S3Reader(endpoint)

    def bucket(self, name: str) -> "S3Bucket":
        """Return the bucket of that name; whether it exists is seen on first use."""
        return S3Bucket(self, name)

    def traits(self, bucket: str) -> ServerTraits:
        """Return what this process has learned of the server behind a bucket."""
        return self._traits.setdefault(bucket, ServerTraits(honours_condition=is_aws(self._endpoint.url) or None))

    async def call(self, operation: str, key: str = "", **parameters: Any) -> Any:
        """Call one S3 operation in a thread and return its output, bodies read; raises the port's errors."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._call, operation, key, parameters)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await work
        except TimeoutError as error:
            raise Unavailable(f"S3 took longer than {CALL_SECONDS} s for {operation}") from error

    def _call(self, operation: str, key: str, parameters: dict[str, Any]) -> Any:
        # Imported here because a tenth of a second of a validation's start is too much for what it may not need.
        import botocore.exceptions

        if key:
            parameters["Key"] = key
        try:
            output = getattr(self._connected(), operation)(**parameters)
            if "Body" in output:
                output["Body"] = _body(output)
        except botocore.exceptions.ClientError as error:
            raise translate(error, str(parameters.get("Bucket", "")), key) from error
        except botocore.exceptions.NoCredentialsError as error:
            raise AccessRefused("NoCredentials", str(error)) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"S3 did not answer: {error}") from error
        return output

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = make_client(self._endpoint)
            return self._client

    def close(self) -> None:
        """Let the threads go once their requests ended."""
        self.reader.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _body(output: dict[str, Any]) -> bytes:
    size = int(output.get("ContentLength", 0))
    if size > MAX_OBJECT_BYTES:
        output["Body"].close()
        raise AccessRefused("ObjectTooLarge", f"it has {size} bytes, more than {MAX_OBJECT_BYTES}")
    read: bytes = output["Body"].read()
    return read


class S3Bucket:
    """One bucket of an S3 endpoint."""

    def __init__(self, service: S3Buckets, name: str) -> None:
        self._service = service
        self.name = name
        self._traits = service.traits(name)
        self._putter = Putter(name, service.call, self._traits, lambda text: _warn(text, name))

    async def put_if_absent(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str,
        content_encoding: str = "",
        metadata: Mapping[str, str] | None = None,
        encryption_context: Mapping[str, str] | None = None,
        kms_key_id: str = "",
    ) -> None:
        await self._check_lock()
        parameters = self._parameters(content_type, content_encoding, metadata, encryption_context, kms_key_id)
        await self._putter.put(key, body, parameters)

    def _parameters(
        self,
        content_type: str,
        content_encoding: str,
        metadata: Mapping[str, str] | None,
        encryption_context: Mapping[str, str] | None,
        kms_key_id: str,
    ) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "ContentType": content_type or "binary/octet-stream",
            "ACL": "bucket-owner-full-control",
            "Metadata": dict(metadata or {}),
        }
        if content_encoding:
            parameters["ContentEncoding"] = content_encoding
        if (lock := self._service.lock) is not None:
            parameters["ObjectLockMode"] = lock.mode.upper()
            parameters["ObjectLockRetainUntilDate"] = self._service.clock.now() + timedelta(days=lock.days)
        return parameters | (
            _kms_parameters(kms_key_id, encryption_context) if kms_key_id else {"ServerSideEncryption": "AES256"}
        )

    async def _check_lock(self) -> None:
        """Make sure, once a process, that a lock that was asked for will hold: some servers ignore the headers."""
        if self._service.lock is None or self._traits.locks_objects:
            return
        try:
            found = await self._service.call("get_object_lock_configuration", Bucket=self.name)
        except (ObjectNotFound, NotImplementedByServer) as error:
            raise AccessRefused("InvalidRequest", f"{self.name} does not lock objects: {error}") from error
        except AccessRefused:
            return  # not ours to read: the put itself decides
        if found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise AccessRefused("InvalidRequest", f"{self.name} does not lock objects")
        self._traits.locks_objects = True

    async def get(self, key: str) -> StoredObject:
        found = await self._service.reader.get(self.name, key)
        if found is not None:
            return found
        output = await self._service.call("get_object", key, Bucket=self.name)
        if not output.keys() >= {"ETag", "LastModified"}:  # an answer cut in its head is a success to boto3
            raise Unavailable(f"the answer with {self.name}/{key} was cut")
        body = output["Body"]
        return StoredObject(
            ObjectSummary(key, len(body), output["LastModified"], output["ETag"]),
            body,
            output.get("ContentType", ""),
            output.get("ContentEncoding", ""),
            {name.lower(): value for name, value in output.get("Metadata", {}).items()},
        )

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectSummary]:
        token = ""
        while (page := await self._service.reader.list_page(self.name, prefix, start_after, token)) is not None:
            for summary in page[0]:
                yield summary
            token = page[1]
            if not token:
                return
        parameters = {"Bucket": self.name, "Prefix": prefix}
        if start_after:
            parameters["StartAfter"] = start_after
        if token:
            parameters["ContinuationToken"] = token
        while True:
            output = await self._service.call("list_objects_v2", **parameters)
            if "IsTruncated" not in output:
                raise Unavailable(f"the listing of {self.name} was cut")
            for item in output.get("Contents", ()):
                yield ObjectSummary(item["Key"], item["Size"], item["LastModified"], item["ETag"])
            if not output.get("NextContinuationToken"):
                return
            parameters["ContinuationToken"] = output["NextContinuationToken"]

    async def check_delivery(self, marker_key: str, trail_arn: str, *, kms_key_id: str = "") -> None:
        await self._find()
        if await self._is_requester_pays():
            raise AccessRefused("AccessDenied", f"the requester pays for {self.name}, and CloudTrail pays for none")
        policy = await self._policy()
        if policy and not self._service.policy_check(policy, self.name, marker_key, trail_arn, kms_key_id):
            raise AccessRefused("AccessDenied", f"the policy of {self.name} does not let CloudTrail deliver")
        await self._check_lock()
        context = {"aws:cloudtrail:arn": trail_arn}
        marker = self._parameters("application/x-directory", "", None, context, kms_key_id)
        try:
            await self._putter.put(marker_key, b"", marker, may_overwrite=True)
        except AlreadyExists:
            return

    async def _find(self) -> None:
        try:
            await self._service.call("head_bucket", Bucket=self.name)
        except ObjectNotFound as error:  # a HEAD answer has no body to tell bucket from key
            raise BucketNotFound(self.name) from error
        except AccessRefused:
            return  # not ours to list: the marker decides

    async def _is_requester_pays(self) -> bool:
        try:
            output = await self._service.call("get_bucket_request_payment", Bucket=self.name)
        except (AccessRefused, ObjectNotFound, NotImplementedByServer):
            return False  # unknown to the server, or not ours to read: the marker decides
        return bool(output.get("Payer") == "Requester")

    async def _policy(self) -> str:
        try:
            output = await self._service.call("get_bucket_policy", Bucket=self.name)
        except (AccessRefused, ObjectNotFound, NotImplementedByServer):
            return ""  # none, or not ours to read: the marker decides
        return str(output["Policy"])


def _warn(text: str, bucket: str) -> None:
    import structlog

    structlog.get_logger(__name__).warning(text, bucket=bucket)


def _kms_parameters(key_id: str, context: Mapping[str, str] | None) -> dict[str, str]:
    parameters = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id}
    if context:
        parameters["SSEKMSEncryptionContext"] = base64.b64encode(orjson.dumps(dict(context))).decode()
    return parameters
