"""The boto3 client of one S3 endpoint, and what its errors mean to the port."""

import re
from typing import Any
from urllib.parse import urlsplit

from opentrail.adapters.object_store.s3_reading import S3Endpoint, is_path_style
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import AccessRefused, AlreadyExists, BucketNotFound, ObjectNotFound

MAX_CONNECTIONS = 64
"""Requests in flight to one endpoint, over all buckets."""

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
ATTEMPTS = 2
"""boto3's own tries; patience beyond them is the delivery's back-off."""

CALL_SECONDS = 180
"""For one operation, all tries and its whole body; a thread that a dripping server holds for longer is left behind."""

_AWS_HOST = re.compile(r"s3([.-][a-z0-9-]+)?\.amazonaws\.com(\.cn)?")

_MISSING_BUCKET = frozenset({"NoSuchBucket"})
_MISSING_OBJECT = frozenset(
    {"NoSuchKey", "404", "NotFound", "NoSuchBucketPolicy", "ObjectLockConfigurationNotFoundError"}
)
_BODYLESS = {"403": "AccessDenied"}
"""Codes that botocore makes of the status where a HEAD's answer has no body to name one."""
_PRESENT = frozenset({"PreconditionFailed", "412"})
_CLIENT_FAULTS_TO_RETRY = frozenset(
    {
        "SlowDown",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "OperationAborted",
        "ConditionalRequestConflict",
        "BadDigest",
        "IncompleteBody",
    }
)
_SERVER_FAULT = 500
_NOT_IMPLEMENTED = 501
_TOO_MANY = 429


class NotImplementedByServer(PortError):
    """The server does not know a header or operation (501)."""


def is_aws(url: str) -> bool:
    """Say whether an endpoint is Amazon's own: none at all, or one of a Region's standard hosts."""
    return not url or _AWS_HOST.fullmatch(urlsplit(url).hostname or "") is not None


def make_client(endpoint: S3Endpoint) -> Any:
    """Return a boto3 client. One for Amazon's own S3 finds each bucket's Region, whichever host was named."""
    import boto3
    from botocore.config import Config
    from botocore.handlers import add_expect_header

    style = endpoint.addressing
    if style == "auto" and is_path_style(endpoint):
        style = "path"
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=MAX_CONNECTIONS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        # Content-MD5 guards what we put; the newer checksum headers are unknown to many S3-compatible servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": style},
    )
    client = boto3.session.Session().client(
        "s3",
        region_name=endpoint.region,
        endpoint_url=None if is_aws(endpoint.url) else endpoint.url,
        aws_access_key_id=endpoint.access_key_id or None,
        aws_secret_access_key=endpoint.secret_access_key or None,
        aws_session_token=endpoint.session_token or None,
        verify=endpoint.ca_bundle or None,
        config=config,
    )
    # botocore reads on for ever when the answer to Expect is cut short; bodies of ours are not worth the round trip.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


def translate(error: Any, bucket: str, key: str = "") -> PortError:
    """Return the port's error for a botocore ClientError about a bucket, or the object ``key`` in it."""
    name = key or bucket
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING_BUCKET:
        return BucketNotFound(bucket)
    if code in _MISSING_OBJECT:
        return ObjectNotFound(name)
    if code in _PRESENT:
        return AlreadyExists(name)
    if code == "NotImplemented" or status == _NOT_IMPLEMENTED:
        return NotImplementedByServer(str(error))
    if status >= _SERVER_FAULT or status == _TOO_MANY or code in _CLIENT_FAULTS_TO_RETRY:
        return Unavailable(str(error))
    return AccessRefused(_BODYLESS.get(code, code) or str(status), str(error))
