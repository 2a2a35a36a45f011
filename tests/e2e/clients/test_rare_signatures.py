"""Signatures that clients of other languages and times make: chunk by chunk, and Signature Version 2's for queries."""

import base64
import hashlib
import hmac
import http.client
import os
import zlib
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.clients.stage import Stage, identities, parameters_of, user_identity

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USER = "rare-user"
BUCKET = "rare-signatures"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="module", autouse=True)
def _user(stage: Stage) -> None:
    stage.make_user(USER)
    stage.upstream("s3").create_bucket(Bucket=BUCKET)


class StreamingAuth(S3SigV4Auth):  # type: ignore[misc]
    """What Java's, Go's and C++'s clients say of a body that they sign piece by piece."""

    def __init__(self, credentials: Credentials, payload: str) -> None:
        super().__init__(credentials, "s3", "us-east-1")
        self._payload = payload

    def payload(self, request: AWSRequest) -> str:
        return self._payload


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ChunkSigner:
    """Signs each piece over the signature before it, beginning with the header's."""

    def __init__(self, secret: str, authorization: str, timestamp: str) -> None:
        self._scope = f"{timestamp[:8]}/us-east-1/s3/aws4_request"
        self._timestamp = timestamp
        self._previous = authorization.rpartition("Signature=")[2]
        self._key = b"AWS4" + secret.encode()
        for part in (timestamp[:8], "us-east-1", "s3", "aws4_request"):
            self._key = hmac.digest(self._key, part.encode(), "sha256")

    def _sign(self, kind: str, *hashes: str) -> str:
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", self._timestamp, self._scope, self._previous, *hashes])
        self._previous = hmac.digest(self._key, text.encode(), "sha256").hex()
        return self._previous

    def chunk(self, data: bytes) -> bytes:
        signature = self._sign("PAYLOAD", EMPTY_HASH, _hash(data))
        return b"%x;chunk-signature=%s\r\n%b" % (len(data), signature.encode(), data + b"\r\n" if data else b"")

    def trailer(self, line: str) -> bytes:
        signature = self._sign("TRAILER", _hash(f"{line}\n".encode()))
        return f"{line}\r\nx-amz-trailer-signature:{signature}\r\n".encode()


def upload(stage: Stage, key: str, data: bytes, *, with_trailer: bool) -> int:
    """Upload in signed chunks; return the status."""
    pair = stage.key(USER)
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if with_trailer else "")
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(len(data)),
        **({"X-Amz-Trailer": "x-amz-checksum-crc32"} if with_trailer else {}),
    }
    request = AWSRequest("PUT", f"{stage.before.url}/{BUCKET}/{key}", headers, b"")
    request.context["client_config"] = None
    StreamingAuth(Credentials(pair["access_key_id"], pair["secret_access_key"]), kind).add_auth(request)
    signed = dict(request.headers.items())
    signer = ChunkSigner(pair["secret_access_key"], signed["Authorization"], signed["X-Amz-Date"])
    chunks = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    body = b"".join(map(signer.chunk, [*chunks, b""]))
    if with_trailer:
        body += signer.trailer("x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode())
    address = urlsplit(stage.before.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    connection.request("PUT", f"/{BUCKET}/{key}", body + b"\r\n", signed)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("with_trailer", [False, True])
def test_an_object_in_signed_chunks_keeps_its_bytes_and_is_its_users(stage: Stage, with_trailer: bool) -> None:
    data, key = os.urandom(1_000_001), f"chunks-{with_trailer}"
    mark = stage.mark()

    status = upload(stage, key, data, with_trailer=with_trailer)
    [event] = mark.events()

    assert status == 200
    stored = stage.upstream("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert _hash(stored) == _hash(data)
    assert mark.assert_unchanged() == 1
    assert event["eventName"] == "PutObject"
    assert identities([event]) == {user_identity(USER)}
    assert event["requestParameters"]["key"] == key
    assert "opentrail" not in event["additionalEventData"]
    assert "chunk-signature" not in str(event)


def test_a_query_with_signature_version_2_is_its_users(stage: Stage) -> None:
    simpledb = stage.boto("sdb", USER)
    mark = stage.mark()

    simpledb.create_domain(DomainName="domain")
    simpledb.delete_domain(DomainName="domain")
    events = mark.events()

    assert mark.assert_unchanged() == 2
    assert [event["eventName"] for event in events] == ["CreateDomain", "DeleteDomain"]
    assert identities(events) == {user_identity(USER)}
    assert parameters_of(events, "CreateDomain") == [{"domainName": "domain"}]
    assert not [event for event in events if "opentrail" in event.get("additionalEventData", {})]
    assert "Signature" not in str([event["requestParameters"] for event in events])
