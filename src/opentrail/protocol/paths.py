"""Request paths as services see them: S3's buckets taken from the Host header, other services' paths normalised.

``identify``, ``requests`` and ``sigv4`` read paths through this module, so that what is verified, what is named and
what is parsed is the same path.
"""

import re
from functools import lru_cache

from opentrail.http_message import HttpRequest

S3_SIGNING_NAMES = frozenset({"s3", "s3express", "s3-outposts", "s3-object-lambda"})
"""Signing names under which a path is an object key: it is neither normalised nor encoded twice."""

REMEMBERED_HOST_CHARACTERS = 300
"""Longest Host whose bucket is remembered, for the last 1024 of them; DNS names end at 253 characters."""

_S3_HOST = re.compile(
    r"(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,254}?)"
    r"\.(?:s3(?:[.-][a-z0-9.-]+)?|s3express-[a-z0-9-]+(?:\.[a-z0-9.-]+)?|localhost)(?::[0-9]{1,5})?"
)


def virtual_host_bucket(host: str) -> str:
    """Return the bucket that a Host header names: ``logs.s3.us-east-1.amazonaws.com``, ``logs.localhost:4700``.

    Empty when the host names none (path-style addressing).
    """
    if "." not in host:
        return ""
    return _remembered_bucket(host) if len(host) <= REMEMBERED_HOST_CHARACTERS else _bucket_of(host)


def _bucket_of(host: str) -> str:
    match = _S3_HOST.fullmatch(host)
    return match.group("bucket") if match else ""


_remembered_bucket = lru_cache(maxsize=1024)(_bucket_of)


def object_path(request: HttpRequest) -> str:
    """Return the path of an S3 request in path style: ``/bucket/key``, still percent-encoded, not normalised."""
    known = request.known_object_path
    if known is not None:
        return known
    path = request.path
    if path[:1] != "/":
        path = "/" + path.partition("://")[2].partition("/")[2]
    bucket = virtual_host_bucket(request.host)
    path = f"/{bucket}{path}" if bucket else path
    request.known_object_path = path
    return path


def service_segments(path: str) -> tuple[str, ...]:
    """Return a path's segments, percent-encoded, with ``.``, ``..`` and empty segments resolved as SigV4 does."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if segments:
                segments.pop()
        elif segment and segment != ".":
            segments.append(segment)
    return tuple(segments)


def object_segments(path: str) -> tuple[str, ...]:
    """Return an S3 path as (), (bucket,) or (bucket, key); a key keeps its slashes and dots."""
    bucket, separator, key = path[1:].partition("/")
    if not bucket:
        return ()
    return (bucket, key) if separator and key else (bucket,)
