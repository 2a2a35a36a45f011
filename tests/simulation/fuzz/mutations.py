"""Seeded damage to requests and answers: bytes turned, cut, doubled and spliced, and the shapes that break parsers."""

import gzip
import random
from dataclasses import dataclass, replace

from opentrail.http_message import HeaderList, HttpRequest, HttpResponse

MAX_BODY_BYTES = 64 * 1024
"""What a mutated body may grow to."""

NASTY: tuple[bytes, ...] = (
    b"[" * 3000,
    b'{"a":' * 2000,
    b"<a>" * 3000,
    b"\x81" * 3000,
    b"\xbf\x61a" * 1500,
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5f\x41a",
    b"\xc1\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"a.1." * 3000 + b"=1",
    b"&Action=DeleteUser",
    b"%41ction=%44eleteUser&",
    b"Member.999999999999999999=1&",
    b"&a=1" * 3000,
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b"<?xml version='1.0' encoding='utf-16'?><a/>",
    b"1e99999",
    b"-1" + b"0" * 5000,
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"\x00",
    b"\xff\xfe",
    b"NaN",
    b"null",
    b"{}",
    b"[]",
    b"%",
    b"%00",
    b"%2F..%2f",
    b"/../",
    b"//",
    b"9999-99-99T99:99:99Z",
    b"Infinity",
    b"====",
    b"arn:aws:iam::1:user/" + b"a" * 2000,
    gzip.compress(b"[" * 100_000),
    gzip.compress(b"a" * 2_000_000),
)
HEADERS: HeaderList = (
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "aws-chunked"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "application/x-amz-json-1.1"),
    ("Content-Type", "application/cbor"),
    ("Content-Type", "application/xml"),
    ("Content-Type", "multipart/form-data; boundary=x"),
    ("Smithy-Protocol", "rpc-v2-cbor"),
    ("X-Amz-Target", "DynamoDB_20120810.PutItem"),
    ("X-Amz-Target", "." * 2000),
    ("X-Amz-Account-Id", "123456789012"),
    ("X-Amz-Outpost-Id", "op-1"),
    ("X-Amz-Date", "99999999T999999Z"),
    ("X-Amz-Content-SHA256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
    ("X-Amz-Copy-Source", "%"),
    ("x-amz-meta-a", "\udcff"),
    ("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=A/20260101/s3/aws4_request, SignedHeaders=;, Signature=g"),
    ("Authorization", "AWS A:b"),
    ("User-Agent", "a" * 5000),
    ("Date", "Mon, 99 Foo 99999 99:99:99 +9999"),
)
HOSTS = ("", "logs.s3.amazonaws.com", "a" * 5000, ".", "[::1]:4700", "x.s3express-a--x-s3.b", "s3-control.", "rds.x")
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "", "G" * 1000)
QUERIES = (
    "?",
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A/20260101/us-east-1/s3/aws4_request&X-Amz-Date=20260101T000000Z"
    "&X-Amz-Expires=9&X-Amz-SignedHeaders=host&X-Amz-Signature=0",
    "?AWSAccessKeyId=A&Signature=b&Expires=1",
    "?Action=ListUsers&Version=2010-05-08",
    "?" + "a=b&" * 3000,
    "?%%%&=&&=%ff",
    "?acl&list-type=2&uploads&versionId=",
)
STATUSES = (0, 100, 199, 200, 204, 301, 304, 400, 403, 404, 500, 503, 599, 999)


@dataclass(frozen=True)
class Seed:
    """A request and the answer to it, both well formed."""

    request: HttpRequest
    response: HttpResponse


def mutate(random_: random.Random, seed: Seed, other: Seed) -> Seed:
    """Return ``seed`` damaged in one to four places; ``other`` lends the parts that are spliced in."""
    request, response = seed.request, seed.response
    for _ in range(random_.choice((1, 1, 1, 2, 2, 3, 4))):
        if random_.random() < 0.7:
            request = _mutate_request(random_, request, other.request)
        else:
            response = _mutate_response(random_, response, other.response)
    return Seed(request, response)


def _mutate_request(random_: random.Random, request: HttpRequest, other: HttpRequest) -> HttpRequest:
    body = request.body or b""
    match random_.randrange(10):
        case 0 | 1 | 2 | 3:
            body = _mutate_bytes(random_, body, other.body or b"")
        case 4:
            body = other.body or b""
        case 5:
            target = _mutate_text(random_, request.target, other.target)
            request = replace(request, target=target)
        case 6:
            path = random_.choice((request.target, other.target)).partition("?")[0]
            request = replace(request, target=path + random_.choice(QUERIES))
        case 7:
            request = replace(request, header_list=_mutate_headers(random_, request.header_list, other.header_list))
        case 8:
            request = replace(request, method=random_.choice((*METHODS, other.method)))
        case _:
            return replace(request, body=None, body_size_bytes=random_.choice((0, 1, 2**40)))
    return replace(request, body=body, body_size_bytes=len(body))


def _mutate_response(random_: random.Random, response: HttpResponse, other: HttpResponse) -> HttpResponse:
    match random_.randrange(6):
        case 0 | 1 | 2:
            body = _mutate_bytes(random_, response.body or b"", other.body or b"")
            return replace(response, body=body, body_size_bytes=len(body))
        case 3:
            return replace(response, status=random_.choice(STATUSES))
        case 4:
            headers = _mutate_headers(random_, response.header_list, other.header_list)
            return replace(response, header_list=headers)
        case _:
            return replace(response, body=random_.choice((None, other.body)), status=other.status)


def _mutate_bytes(random_: random.Random, content: bytes, other: bytes) -> bytes:
    at = random_.randrange(len(content) + 1)
    end = min(len(content), at + random_.choice((1, 1, 2, 8, 100)))
    match random_.randrange(8):
        case 0:
            changed = bytes(byte ^ (1 << random_.randrange(8)) for byte in content[at:end])
            content = content[:at] + changed + content[end:]
        case 1:
            content = content[:at] + content[end:]
        case 2:
            content = content[:at] + random_.randbytes(random_.choice((1, 2, 8))) + content[at:]
        case 3:
            content = content[:at] + random_.choice(NASTY) + content[at:]
        case 4:
            content = content[:at] + random_.choice(NASTY) + content[end:]
        case 5:
            content = content[:at] + content[at:end] * random_.choice((2, 3, 50)) + content[end:]
        case 6:
            content = content[:at]
        case _:
            content = content[:at] + other[random_.randrange(len(other) + 1) :]
    return content[:MAX_BODY_BYTES]


def _mutate_text(random_: random.Random, text: str, other: str) -> str:
    changed = _mutate_bytes(random_, text.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))
    return changed[:16_384].decode("latin-1")


def _mutate_headers(random_: random.Random, headers: HeaderList, other: HeaderList) -> HeaderList:
    items = list(headers)
    at = random_.randrange(len(items) + 1)
    match random_.randrange(6):
        case 0:
            items.insert(at, random_.choice(HEADERS))
        case 1 if items:
            del items[at % len(items)]
        case 2 if items:
            name, value = items[at % len(items)]
            items[at % len(items)] = (name, _mutate_text(random_, value, value))
        case 3:
            items.insert(0, ("Host", random_.choice(HOSTS)))
        case 4 if other:
            items.insert(at, random_.choice(other))
        case _:
            items = [*other]
    return tuple(items)
