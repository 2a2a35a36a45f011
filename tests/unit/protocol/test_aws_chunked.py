"""Bodies in S3's own chunks, in each of the kinds that clients send."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation
from opentrail.protocol.aws_chunked import join_chunks
from opentrail.protocol.bounds import MalformedValue
from opentrail.protocol.identify import identify
from opentrail.protocol.requests import MalformedRequest, parse_request
from opentrail.protocol.scope import read_scope

SIGNATURE = b";chunk-signature=" + b"a" * 64
TRAILER = b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
TRAILER_SIGNATURE = b"x-amz-trailer-signature:" + b"b" * 64 + b"\r\n"

KINDS = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (SIGNATURE, b""),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (SIGNATURE, TRAILER + TRAILER_SIGNATURE),
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (b"", TRAILER),
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD": (b";chunk-signature=" + b"30" * 71 + b"**", b""),
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER": (b";chunk-signature=" + b"30" * 71 + b"**", TRAILER),
}

DELETE = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>"
TAGS = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"


def chunked(content: bytes, kind: str, size: int = 20) -> bytes:
    signature, trailer = KINDS[kind]
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(p), signature, p) for p in pieces) + b"0%s\r\n%s\r\n" % (
        signature,
        trailer,
    )


def a_request(method: str, target: str, body: bytes, kind: str, encoding: str = "aws-chunked") -> HttpRequest:
    scope = "AKIA/20260304/us-east-1/s3/aws4_request"
    headers = (
        ("Host", "127.0.0.1:4700"),
        ("Content-Encoding", encoding),
        ("X-Amz-Content-SHA256", kind),
        ("X-Amz-Decoded-Content-Length", "1"),
        ("X-Amz-Trailer", "x-amz-checksum-crc32c"),
        ("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
    )
    return HttpRequest(method, target, headers, body, "127.0.0.1", len(body))


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunked_document_is_named_and_parsed(kind: str) -> None:
    delete = a_request("POST", "/logs?delete", chunked(DELETE, kind), kind)
    tag = a_request("PUT", "/logs/key?tagging", chunked(TAGS, kind), kind, encoding="")

    assert identify(delete, read_scope(delete)) == Operation("s3", "DeleteObjects")
    assert parse_request(Operation("s3", "DeleteObjects"), delete)["Delete"] == {
        "Objects": [{"Key": "a"}, {"Key": "b"}]
    }
    assert parse_request(Operation("s3", "PutObjectTagging"), tag)["Tagging"] == {
        "TagSet": [{"Key": "k", "Value": "v"}]
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunked_object_is_what_its_chunks_hold_in_its_own_encoding(kind: str) -> None:
    content = gzip.compress(b"object" * 50)

    parsed = parse_request(
        Operation("s3", "PutObject"), a_request("PUT", "/logs/key", chunked(content, kind), kind, "aws-chunked,gzip")
    )

    assert parsed["Body"] == content
    assert "gzip" in parsed["ContentEncoding"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5\r\nhel",
        b"zz\r\n",
        b"5\r\nhello\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"-1\r\n",
        b"fffffffff\r\n",
        b"1\r\na\r\n" * 100_001,
    ],
    ids=range(8),
)
def test_what_is_no_chunk_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedValue):
        join_chunks(body)
    if body:
        with pytest.raises(MalformedRequest):
            parse_request(
                Operation("s3", "DeleteObjects"),
                a_request("POST", "/logs?delete", body, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            )


@given(st.binary(max_size=200), st.sampled_from(sorted(KINDS)), st.integers(1, 64))
def test_every_content_comes_back(content: bytes, kind: str, size: int) -> None:
    assert join_chunks(chunked(content, kind, size)) == content


@given(st.binary(max_size=60))
def test_garbage_is_malformed_or_read(body: bytes) -> None:
    try:
        join_chunks(body)
    except MalformedValue:
        return
