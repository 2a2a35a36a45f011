"""GetObject and HeadObject: delivered files with their metadata, whole or a range of them."""

import re
from datetime import UTC, datetime

from opentrail.aws.authorization import authorise
from opentrail.aws.s3.buckets import find_archive
from opentrail.aws.s3.errors import InvalidRange, NoSuchKey, NotModified, PreconditionFailed
from opentrail.aws.service import ApiPorts, Call, Outcome, Requirement
from opentrail.ports.object_store import ObjectNotFound, StoredObject
from opentrail.protocol import Parameters

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


async def get_object(ports: ApiPorts, call: Call) -> Outcome:
    """Answer an object's bytes; raises NoSuchKey, InvalidRange, and the errors of conditions that do not hold."""
    stored = await _stored(ports, call)
    span = _span(call.parameters.get("Range", ""), len(stored.body))
    output = _described(stored)
    if span is None:
        return Outcome(output | {"Body": stored.body, "ContentLength": len(stored.body)})
    part = stored.body[span.start : span.stop]
    content_range = f"bytes {span.start}-{span.stop - 1}/{len(stored.body)}"
    return Outcome(output | {"Body": part, "ContentLength": len(part), "ContentRange": content_range}, http_status=206)


async def head_object(ports: ApiPorts, call: Call) -> Outcome:
    """Answer what GetObject would, without the bytes."""
    stored = await _stored(ports, call)
    return Outcome(_described(stored) | {"ContentLength": len(stored.body)})


async def _stored(ports: ApiPorts, call: Call) -> StoredObject:
    archive = find_archive(ports, call)
    key: str = call.parameters["Key"]
    try:
        stored = await ports.archives.store(archive.name).get(key)
    except ObjectNotFound as error:
        # Who may not list the bucket is not told which keys there are, as in S3.
        await authorise(ports.identities, call, (Requirement("s3:ListBucket", f"arn:aws:s3:::{archive.name}"),))
        raise NoSuchKey(key) from error
    _check_conditions(call.parameters, stored.summary.etag, stored.summary.modified_at)
    return stored


def _described(stored: StoredObject) -> Parameters:
    output: Parameters = {
        "AcceptRanges": "bytes",
        "LastModified": stored.summary.modified_at,
        "ETag": stored.summary.etag,
        "ContentType": stored.content_type or "binary/octet-stream",
        "Metadata": dict(stored.metadata),
    }
    if stored.content_encoding:
        output["ContentEncoding"] = stored.content_encoding
    return output


def _check_conditions(parameters: Parameters, etag: str, modified_at: datetime) -> None:
    """Raise as RFC 9110 section 13 says; an entity tag that is given outranks a time that is given."""
    modified_at = modified_at.astimezone(UTC).replace(microsecond=0)
    if "IfMatch" in parameters:
        if not _names(parameters["IfMatch"], etag):
            raise PreconditionFailed
    elif "IfUnmodifiedSince" in parameters and modified_at > parameters["IfUnmodifiedSince"]:
        raise PreconditionFailed
    if "IfNoneMatch" in parameters:
        if _names(parameters["IfNoneMatch"], etag):
            raise NotModified
    elif "IfModifiedSince" in parameters and modified_at <= parameters["IfModifiedSince"]:
        raise NotModified


def _names(condition: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")}
    return "*" in tags or etag.strip('"') in tags


def _span(header: str, size: int) -> range | None:
    """Return the bytes that a Range header asks for; None for the whole object (no range, or one that is malformed)."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match.group(1) or match.group(2)):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size or start >= stop:
        raise InvalidRange
    return range(start, stop)
