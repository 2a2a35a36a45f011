"""Puts objects into one S3 bucket: never over another, and as much of what is asked for as the server knows.

Servers differ, and many ignore in silence what they do not know. So a server is held to ``If-None-Match: *`` once a
process and bucket, by putting the first object a second time: a refusal proves it, a success means that keys are
looked up before every put from then on. Amazon's S3 needs no proof. What a server refuses by 501 - that condition, the
ACL, the SSE-S3 header - is left out; KMS encryption and Object Lock never are.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from opentrail.adapters.object_store.s3_client import NotImplementedByServer
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import AccessRefused, AlreadyExists, ObjectNotFound

MAX_PUT_BYTES = 100 * 1024 * 1024
"""The most that goes in one request: from here on S3 advises parts. A log file, which holds at most 50 MB before it is
compressed, never has as much."""

PART_BYTES = 64 * 1024 * 1024
"""Of a larger object, in each part but the last."""

CONDITION, ACL, SSE = "IfNoneMatch", "ACL", "ServerSideEncryption"

_OPTIONAL = (CONDITION, SSE, ACL)
_LEFT_OUT = [frozenset(names) for count in range(len(_OPTIONAL) + 1) for names in combinations(_OPTIONAL, count)]
"""What may be left out for a server that answers 501, in the order it is tried; 501 does not say which it was."""

_KMS = "aws:kms"

Call = Callable[..., Awaitable[Any]]


@dataclass
class ServerTraits:
    """What was learned of the server behind a bucket. ``honours_condition`` is None until it was seen."""

    honours_condition: bool | None = None
    left_out: frozenset[str] = frozenset()
    has_own_etags: bool = False
    is_being_proved: bool = False
    locks_objects: bool = False


class Putter:
    """Puts into one bucket. ``call(operation, key, **parameters)`` raises the port's errors; ``warn(text)`` logs."""

    def __init__(self, bucket: str, call: Call, traits: ServerTraits, warn: Callable[[str], None]) -> None:
        self._bucket = bucket
        self._call = call
        self._traits = traits
        self._warn = warn

    async def put(self, key: str, body: bytes, parameters: Mapping[str, Any], *, may_overwrite: bool = False) -> None:
        """Put one object. Raises AlreadyExists; with ``may_overwrite`` only when the server itself says so.

        Raises Unavailable when the answer does not show that the object was stored.
        """
        if not self._traits.honours_condition and not may_overwrite and await self._exists(key):
            raise AlreadyExists(key)
        try:
            answer = await self._put_known(key, body, parameters)
        except AlreadyExists:
            self._traits.honours_condition = True
            raise
        await self._check_stored(key, body, answer)
        if self._traits.honours_condition is None and not self._traits.is_being_proved:
            await self._prove_condition(key, body, parameters)

    async def _put_known(self, key: str, body: bytes, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put with all that the server knows; what it does not is learned when a put without it succeeds."""
        wanted = {**parameters, CONDITION: "*"}
        is_kms = parameters.get(SSE) == _KMS
        kept = ({SSE} if is_kms else set()) | ({CONDITION} if self._traits.honours_condition else set())
        tried = [left_out for left_out in _LEFT_OUT if not kept & left_out]
        known = self._traits.left_out - kept
        refusal: NotImplementedByServer | None = None
        for left_out in tried[tried.index(known) :]:
            sent = {name: value for name, value in wanted.items() if name not in left_out}
            try:
                answer = await self._send(key, body, sent)
            except NotImplementedByServer as error:
                refusal = error
                continue
            if left_out != known:
                self._learn(left_out)
            return answer
        raise AccessRefused("NotImplemented", str(refusal)) from refusal

    def _learn(self, left_out: frozenset[str]) -> None:
        self._warn(f"s3 server does not implement {', '.join(sorted(left_out))}")
        self._traits.left_out = left_out
        if CONDITION in left_out:
            self._traits.honours_condition = False

    async def _send(self, key: str, body: bytes, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if len(body) > MAX_PUT_BYTES:
            return await self._send_parts(key, body, parameters)
        answer: Mapping[str, Any] = await self._call(
            "put_object", key, Bucket=self._bucket, Body=body, ContentMD5=_md5(body), **parameters
        )
        return answer

    async def _send_parts(self, key: str, body: bytes, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        begin = {name: value for name, value in parameters.items() if name != CONDITION}
        condition = {name: value for name, value in parameters.items() if name == CONDITION}
        begun = await self._call("create_multipart_upload", key, Bucket=self._bucket, **begin)
        upload = {"Bucket": self._bucket, "UploadId": begun["UploadId"]}
        try:
            parts = []
            for number, start in enumerate(range(0, len(body), PART_BYTES), 1):
                part = body[start : start + PART_BYTES]
                done = await self._call(
                    "upload_part", key, **upload, PartNumber=number, Body=part, ContentMD5=_md5(part)
                )
                parts.append({"PartNumber": number, "ETag": done["ETag"]})
            joined = {"MultipartUpload": {"Parts": parts}}
            done = await self._call("complete_multipart_upload", key, **upload, **joined, **condition)
        except BaseException:
            with suppress(PortError):  # the store's own clean-up takes what is left
                await self._call("abort_multipart_upload", key, **upload)
            raise
        if not done.get("ETag"):
            raise Unavailable(f"the answer to the parts of {self._bucket}/{key} was cut")
        return {}

    async def _check_stored(self, key: str, body: bytes, answer: Mapping[str, Any]) -> None:
        """Hold the answer's ETag against the body; read the object back where that shows nothing."""
        if len(body) > MAX_PUT_BYTES or self._traits.has_own_etags:
            return
        etag = str(answer.get("ETag", "")).strip('"')
        if not etag:
            raise Unavailable(f"the answer to the put of {self._bucket}/{key} is none of an object store")
        if etag == hashlib.md5(body, usedforsecurity=False).hexdigest():
            return
        if str(answer.get(SSE, "")).startswith(_KMS):
            return  # its ETags are of what is encrypted
        try:
            stored = (await self._call("get_object", key, Bucket=self._bucket))["Body"]
        except AccessRefused:
            return  # may write, may not read: the Content-MD5 that went along has to do
        except ObjectNotFound as error:
            raise Unavailable(f"{self._bucket}/{key} was put and is not there") from error
        if stored != body:
            raise Unavailable(f"{self._bucket}/{key} holds other bytes than were put")
        self._traits.has_own_etags = True

    async def _prove_condition(self, key: str, body: bytes, parameters: Mapping[str, Any]) -> None:
        """Put the object, which is there now, once more: equal bytes, if the server lets it happen."""
        self._traits.is_being_proved = True
        try:
            await self._put_known(key, body, parameters)
        except AlreadyExists:
            self._traits.honours_condition = True
        except PortError:
            return  # shows nothing; the next put is held to it
        else:
            if self._traits.honours_condition is None:
                self._warn("s3 server ignores If-None-Match; keys are looked up before each put")
            self._traits.honours_condition = False
        finally:
            self._traits.is_being_proved = False

    async def _exists(self, key: str) -> bool:
        try:
            answer = await self._call("head_object", key, Bucket=self._bucket)
        except (ObjectNotFound, AccessRefused):
            return False  # nothing there, or nothing that we may see
        if not answer.get("ETag"):
            raise Unavailable(f"the answer about {self._bucket}/{key} was cut, or is none of an object store")
        return True


def _md5(body: bytes) -> str:
    """Return Content-MD5, which Object Lock demands of a put and every server knows."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
