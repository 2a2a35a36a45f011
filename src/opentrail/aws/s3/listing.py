"""ListObjects in both versions and ListObjectVersions: keys in order, grouped by delimiter, pages of at most 1000."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from opentrail.aws.s3.buckets import canonical_id, find_archive
from opentrail.aws.s3.errors import InvalidArgument
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.archives import ArchivedObject, ArchiveStore
from opentrail.protocol import Parameters

MAX_KEYS = 1000
"""S3's bound of one page; asking for more is not an error."""

_AFTER_EVERY_KEY = "\U0010ffff"
_URL_SAFE = "-_.~*/"


@dataclass(slots=True)
class _Page:
    """One page of a listing: objects and common prefixes, ``last`` the greatest name on it."""

    objects: list[ArchivedObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    is_truncated: bool = False

    def __len__(self) -> int:
        return len(self.objects) + len(self.prefixes)


async def list_objects(ports: ApiPorts, call: Call) -> Outcome:
    """Answer a page by Marker; NextMarker is answered with a delimiter only, as S3 does."""
    parameters = call.parameters
    page, output = await _listing(ports, call, parameters.get("Marker", ""))
    output["Marker"] = _encoded(call, parameters.get("Marker", ""))
    if page.is_truncated and parameters.get("Delimiter"):
        output["NextMarker"] = _encoded(call, page.last)
    owner = {"ID": canonical_id(find_archive(ports, call).account_id)}
    for item in output.get("Contents", ()):
        item["Owner"] = owner
    return Outcome(output)


async def list_objects_v2(ports: ApiPorts, call: Call) -> Outcome:
    """Answer a page by ContinuationToken, or from StartAfter on."""
    parameters = call.parameters
    token: str = parameters.get("ContinuationToken", "")
    start_after: str = parameters.get("StartAfter", "")
    page, output = await _listing(ports, call, _read_token(token) if token else start_after)
    output["KeyCount"] = len(page)
    if token:
        output["ContinuationToken"] = token
    if start_after:
        output["StartAfter"] = _encoded(call, start_after)
    if page.is_truncated:
        output["NextContinuationToken"] = base64.urlsafe_b64encode(page.last.encode()).decode()
    return Outcome(output)


async def list_object_versions(ports: ApiPorts, call: Call) -> Outcome:
    """Answer a page of versions by KeyMarker: one of each object, since no write takes another's place."""
    parameters = call.parameters
    marker: str = parameters.get("KeyMarker", "")
    if parameters.get("VersionIdMarker") and not marker:
        raise InvalidArgument.version_marker_alone()
    page, output = await _listing(ports, call, marker)
    owner = {"ID": canonical_id(find_archive(ports, call).account_id)}
    versions: list[Parameters] = [
        {**shown, "VersionId": found.version_id, "IsLatest": True, "Owner": owner}
        for found, shown in zip(page.objects, output.pop("Contents", ()), strict=True)
    ]
    output["KeyMarker"] = _encoded(call, marker)
    output["VersionIdMarker"] = parameters.get("VersionIdMarker", "")
    if versions:
        output["Versions"] = versions
    if page.is_truncated:
        output["NextKeyMarker"] = _encoded(call, page.last)
        output["NextVersionIdMarker"] = versions[-1]["VersionId"] if versions else ""
    return Outcome(output)


async def _listing(ports: ApiPorts, call: Call, after: str) -> tuple[_Page, Parameters]:
    parameters = call.parameters
    archive = find_archive(ports, call)
    prefix, delimiter = parameters.get("Prefix", ""), parameters.get("Delimiter", "")
    max_keys: int = parameters.get("MaxKeys", MAX_KEYS)
    if max_keys < 0:
        raise InvalidArgument.bad_max_keys()
    page = await _page(ports.archives.store(archive.name), prefix, delimiter, after, min(max_keys, MAX_KEYS))
    output: dict[str, Any] = {
        "Name": archive.name,
        "Prefix": _encoded(call, prefix),
        "MaxKeys": min(max_keys, MAX_KEYS),
        "IsTruncated": page.is_truncated,
    }
    if delimiter:
        output["Delimiter"] = _encoded(call, delimiter)
    if parameters.get("EncodingType"):
        output["EncodingType"] = parameters["EncodingType"]
    if page.objects:
        output["Contents"] = [
            {
                "Key": _encoded(call, summary.key),
                "LastModified": summary.modified_at,
                "ETag": summary.etag,
                "Size": summary.size_bytes,
                "StorageClass": summary.storage_class,
            }
            for summary in (found.summary for found in page.objects)
        ]
    if page.prefixes:
        output["CommonPrefixes"] = [{"Prefix": _encoded(call, common)} for common in page.prefixes]
    return page, output


async def _page(store: ArchiveStore, prefix: str, delimiter: str, after: str, max_keys: int) -> _Page:
    page = _Page()
    if max_keys == 0:
        return page
    async for found in store.describe_all(prefix, _past_common_prefix(after, prefix, delimiter), delimiter):
        if len(page) == max_keys:
            page.is_truncated = True
            return page
        common = _common_prefix(found.summary.key, prefix, delimiter)
        if common:
            page.prefixes.append(common)
        else:
            page.objects.append(found)
        page.last = common or found.summary.key
    return page


def _common_prefix(key: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    end = key.find(delimiter, len(prefix))
    return "" if end < 0 else key[: end + len(delimiter)]


def _past_common_prefix(after: str, prefix: str, delimiter: str) -> str:
    """A page that ended with a common prefix goes on behind every key under it."""
    if delimiter and after.startswith(prefix) and after.endswith(delimiter) and len(after) > len(prefix):
        return after + _AFTER_EVERY_KEY
    return after


def _encoded(call: Call, text: str) -> str:
    return quote(text, safe=_URL_SAFE) if call.parameters.get("EncodingType") == "url" else text


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidArgument.bad_continuation_token() from error
