"""GetObject and HeadObject: delivered files with their metadata, whole or a range of them."""

import re
from datetime import UTC, datetime

from opentrail.aws.authorization import authorise, key_caller
from opentrail.aws.s3.buckets import access_list, find_archive
from opentrail.aws.s3.errors import (
    InvalidRange,
    NoSuchKey,
    NoSuchVersion,
    NotModified,
    PreconditionFailed,
    refusal,
)
from opentrail.aws.service import ApiPorts, Call, Outcome, Requirement
from opentrail.ports.archives import ArchivedObject, ArchiveStore
from opentrail.ports.object_store import AccessRefused, ObjectNotFound
from opentrail.protocol import Parameters

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


async def get_object(ports: ApiPorts, call: Call) -> Outcome:
    """Answer an object's bytes; raises NoSuchKey, InvalidRange, the errors of conditions that do not hold, and
    AccessDenied when the key of an encrypted object does not let the caller decrypt."""
    found = await described_object(ports, call)
    _check_conditions(call.parameters, found.summary.etag, found.summary.modified_at)
    stored = await _read(ports, call, found.summary.key)
    span = _span(call.parameters.get("Range", ""), len(stored.body))
    output = _described(stored)
    if span is None:
        return Outcome(output | {"Body": stored.body, "ContentLength": len(stored.body)})
    part = stored.body[span.start : span.stop]
    content_range = f"bytes {span.start}-{span.stop - 1}/{len(stored.body)}"
    return Outcome(output | {"Body": part, "ContentLength": len(part), "ContentRange": content_range}, http_status=206)


async def head_object(ports: ApiPorts, call: Call) -> Outcome:
    """Answer what GetObject would, without the bytes; no key is asked for that."""
    found = await described_object(ports, call)
    _check_conditions(call.parameters, found.summary.etag, found.summary.modified_at)
    return Outcome(_described(found) | {"ContentLength": found.summary.size_bytes})


async def get_object_acl(ports: ApiPorts, call: Call) -> Outcome:
    """Answer the only access list an object has: its archive's owner in full control."""
    await described_object(ports, call)
    return Outcome(access_list(find_archive(ports, call)))


async def get_object_tagging(ports: ApiPorts, call: Call) -> Outcome:
    """Answer that an object has no tags."""
    found = await described_object(ports, call)
    return Outcome({"VersionId": found.version_id, "TagSet": []})


async def described_object(ports: ApiPorts, call: Call) -> ArchivedObject:
    """Return what is known of the object that ``call`` names, no bytes; raises NoSuchKey and NoSuchVersion."""
    key: str = call.parameters["Key"]
    try:
        found = await _store(ports, call).describe(key)
    except ObjectNotFound as error:
        await _check_may_list(ports, call)
        raise NoSuchKey(call.parameters["Key"]) from error
    version_id: str = call.parameters.get("VersionId", found.version_id)
    if version_id != found.version_id:
        raise NoSuchVersion(key, version_id)
    return found


async def _read(ports: ApiPorts, call: Call, key: str) -> ArchivedObject:
    try:
        caller = await key_caller(ports.identities, call, "s3")
        return await _store(ports, call).read(key, caller)
    except ObjectNotFound as error:
        await _check_may_list(ports, call)
        raise NoSuchKey(call.parameters["Key"]) from error
    except AccessRefused as error:
        raise refusal(error) from error


async def _check_may_list(ports: ApiPorts, call: Call) -> None:
    """Raise AccessDenied for who may not list the bucket: they are not told which keys there are, as in S3."""
    bucket: str = call.parameters["Bucket"]
    await authorise(ports.identities, call, (Requirement("s3:ListBucket", f"arn:aws:s3:::{bucket}"),))


def _store(ports: ApiPorts, call: Call) -> ArchiveStore:
    return ports.archives.store(find_archive(ports, call).name)


def _described(stored: ArchivedObject) -> Parameters:
    output: Parameters = {
        "AcceptRanges": "bytes",
        "LastModified": stored.summary.modified_at,
        "ETag": stored.summary.etag,
        "ContentType": stored.content_type or "binary/octet-stream",
        "Metadata": dict(stored.metadata),
        "VersionId": stored.version_id,
    }
    if stored.content_encoding:
        output["ContentEncoding"] = stored.content_encoding
    if stored.kms_key_arn:
        output |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": stored.kms_key_arn}
    if stored.is_cold:
        output["StorageClass"] = stored.summary.storage_class
    held = stored.lock.retention
    if held is not None:
        output |= {"ObjectLockMode": held.mode.value, "ObjectLockRetainUntilDate": held.until}
    if stored.lock.has_legal_hold:
        output["ObjectLockLegalHoldStatus"] = "ON"
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
