"""Any S3 endpoint: written through boto3, in threads of this adapter; read by ``s3_reading`` where that is plain.

Objects are put with ``If-None-Match: *`` so that nothing is ever overwritten, with CloudTrail's headers: ACL
bucket-owner-full-control and SSE-S3, or SSE-KMS with key and encryption context. A server that does not implement
one of the first two is served without it: a look-up before the put, or the bucket's own default encryption. KMS
encryption that was asked for is never left out.
"""

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from opentrail.adapters.object_store.bucket_policy import allows_delivery
from opentrail.adapters.object_store.s3_reading import S3Endpoint as S3Endpoint
from opentrail.adapters.object_store.s3_reading import S3Reader, needs_path_style
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import (
    AccessRefused,
    AlreadyExists,
    BucketNotFound,
    ObjectNotFound,
    ObjectSummary,
    StoredObject,
)

MAX_CONNECTIONS = 64
"""Requests in flight to one endpoint, over all buckets."""

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
ATTEMPTS = 2
"""boto3's own tries; patience beyond them is the delivery's back-off."""

PolicyCheck = Callable[[str, str, str, str], bool]
"""(policy text, bucket, marker key, trail ARN) -> whether that bucket policy lets CloudTrail deliver there."""


class S3Buckets:
    """One endpoint's buckets, sharing a client and its threads."""

    def __init__(self, endpoint: S3Endpoint, policy_check: PolicyCheck = allows_delivery) -> None:
        self._endpoint = endpoint
        self.policy_check = policy_check
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, "s3")
        self._making = threading.Lock()
        self._client: Any = None
        self.reader = S3Reader(endpoint)
        self.has_conditional_put = True
        self.has_sse_s3 = True

    def bucket(self, name: str) -> "S3Bucket":
        """Return the bucket of that name; whether it exists is seen on first use."""
        return S3Bucket(self, name)

    async def call(self, operation: str, key: str = "", **parameters: Any) -> Any:
        """Call one S3 operation in a thread and return its output, bodies read; raises the port's errors."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._call, operation, key, parameters)

    def _call(self, operation: str, key: str, parameters: dict[str, Any]) -> Any:
        # Imported here because a tenth of a second of a validation's start is too much for what it may not need.
        import botocore.exceptions

        if key:
            parameters["Key"] = key
        try:
            output = getattr(self._connected(), operation)(**parameters)
            if "Body" in output:
                output["Body"] = output["Body"].read()
        except botocore.exceptions.ClientError as error:
            raise _translate(error, key or str(parameters.get("Bucket", ""))) from error
        except botocore.exceptions.NoCredentialsError as error:
            raise AccessRefused("NoCredentials", str(error)) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"S3 did not answer: {error}") from error
        return output

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = _make_client(self._endpoint)
            return self._client

    def close(self) -> None:
        """Let the threads go once their requests ended."""
        self.reader.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _NotImplemented(PortError):
    """The server does not know a header or operation (501)."""


class S3Bucket:
    """One bucket of an S3 endpoint."""

    def __init__(self, service: S3Buckets, name: str) -> None:
        self._service = service
        self.name = name

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
        parameters: dict[str, Any] = {
            "Body": body,
            "ContentType": content_type or "binary/octet-stream",
            "ContentMD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
            "ACL": "bucket-owner-full-control",
            "Metadata": dict(metadata or {}),
        }
        if content_encoding:
            parameters["ContentEncoding"] = content_encoding
        if kms_key_id:
            parameters |= _kms_parameters(kms_key_id, encryption_context)
        while True:
            try:
                await self._put(key, parameters, is_kms=bool(kms_key_id))
            except _NotImplemented as error:
                self._do_without(error, is_kms=bool(kms_key_id))
            else:
                return

    async def _put(self, key: str, parameters: Mapping[str, Any], *, is_kms: bool) -> None:
        extra: dict[str, Any] = {}
        if self._service.has_sse_s3 and not is_kms:
            extra["ServerSideEncryption"] = "AES256"
        if self._service.has_conditional_put:
            extra["IfNoneMatch"] = "*"
        elif await self._exists(key):
            raise AlreadyExists(key)
        await self._service.call("put_object", key, Bucket=self.name, **parameters, **extra)

    def _do_without(self, error: _NotImplemented, *, is_kms: bool) -> None:
        if self._service.has_conditional_put:
            self._service.has_conditional_put = False
            _warn("s3 server has no conditional put", self.name)
        elif self._service.has_sse_s3 and not is_kms:
            # That header may have been all that the server missed, so ask for conditional puts again.
            self._service.has_sse_s3, self._service.has_conditional_put = False, True
            _warn("s3 server has no SSE-S3", self.name)
        else:
            raise AccessRefused("NotImplemented", str(error)) from error

    async def _exists(self, key: str) -> bool:
        try:
            await self._service.call("head_object", key, Bucket=self.name)
        except ObjectNotFound:
            return False
        return True

    async def get(self, key: str) -> StoredObject:
        found = await self._service.reader.get(self.name, key)
        if found is not None:
            return found
        output = await self._service.call("get_object", key, Bucket=self.name)
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
            for item in output.get("Contents", ()):
                yield ObjectSummary(item["Key"], item["Size"], item["LastModified"], item["ETag"])
            if not output.get("NextContinuationToken"):
                return
            parameters["ContinuationToken"] = output["NextContinuationToken"]

    async def check_delivery(self, marker_key: str, trail_arn: str) -> None:
        try:
            await self._service.call("head_bucket", Bucket=self.name)
        except ObjectNotFound as error:  # a HEAD answer has no body to tell bucket from key
            raise BucketNotFound(self.name) from error
        policy = await self._policy()
        if policy and not self._service.policy_check(policy, self.name, marker_key, trail_arn):
            raise AccessRefused("AccessDenied", f"the policy of {self.name} does not let CloudTrail deliver")
        try:
            await self.put_if_absent(marker_key, b"", content_type="application/x-directory")
        except AlreadyExists:
            return

    async def _policy(self) -> str:
        try:
            output = await self._service.call("get_bucket_policy", Bucket=self.name)
        except (AccessRefused, ObjectNotFound, _NotImplemented):
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


def _make_client(endpoint: S3Endpoint) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=MAX_CONNECTIONS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        # Content-MD5 guards what we put; the newer checksum headers are unknown to many S3-compatible servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if needs_path_style(endpoint.url) else "auto"},
    )
    return boto3.session.Session().client(
        "s3",
        region_name=endpoint.region,
        endpoint_url=endpoint.url or None,
        aws_access_key_id=endpoint.access_key_id or None,
        aws_secret_access_key=endpoint.secret_access_key or None,
        aws_session_token=endpoint.session_token or None,
        config=config,
    )


_MISSING_BUCKET = frozenset({"NoSuchBucket"})
_MISSING_OBJECT = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchBucketPolicy"})
_BODYLESS = {"403": "AccessDenied"}
"""Codes that botocore makes of the status where a HEAD's answer has no body to name one."""
_PRESENT = frozenset({"PreconditionFailed", "412"})
_CLIENT_FAULTS_TO_RETRY = frozenset(
    {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "OperationAborted", "ConditionalRequestConflict"}
)
_SERVER_FAULT = 500
_NOT_IMPLEMENTED = 501
_TOO_MANY = 429


def _translate(error: Any, name: str) -> PortError:
    """Return the port's error for a botocore ClientError."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING_BUCKET:
        return BucketNotFound(name)
    if code in _MISSING_OBJECT:
        return ObjectNotFound(name)
    if code in _PRESENT:
        return AlreadyExists(name)
    if code == "NotImplemented" or status == _NOT_IMPLEMENTED:
        return _NotImplemented(str(error))
    if status >= _SERVER_FAULT or status == _TOO_MANY or code in _CLIENT_FAULTS_TO_RETRY:
        return Unavailable(str(error))
    return AccessRefused(_BODYLESS.get(code, code) or str(status), str(error))
