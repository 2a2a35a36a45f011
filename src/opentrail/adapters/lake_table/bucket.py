"""One S3 bucket as the home of tables: whole objects, and puts that never replace what is there.

Blocking calls, for the threads of this adapter. Errors of boto3 become Unavailable: a bucket that is away, or lets
nobody in, is waited for.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from opentrail.ports import Unavailable
from opentrail.ports.lake_table import TableDamaged

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 2
"""boto3's own tries; patience beyond them is the lake delivery's back-off."""

MAX_CONNECTIONS = 16
DELETES_A_CALL = 1000
"""S3's own bound of DeleteObjects."""

_PRESENT = frozenset({"PreconditionFailed", "412"})
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_NOT_IMPLEMENTED = frozenset({"NotImplemented", "501"})


@dataclass(frozen=True)
class TableBucket:
    """Where tables lie and what opens it: an empty ``url`` is AWS, an empty key boto3's own search for one.

    ``prefix`` is empty or ends with a slash.
    """

    bucket: str
    prefix: str = ""
    url: str = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: str = ""
    ca_bundle: str = ""

    @property
    def location(self) -> str:
        """The address of everything below, as ``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing: its key below the location's prefix, its size and when it was put."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectGone(Exception):
    """No object has the key."""


class Objects(Protocol):
    """What tables need of a bucket. Keys are those below the location's prefix. Every method raises Unavailable.

    ``honours_condition`` is cleared for a server that puts over what is there all the same: keys are then looked up
    before each such put, which is enough for one writer.
    """

    honours_condition: bool

    def get(self, key: str) -> bytes:
        """Return a whole object. Raises ObjectGone."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write an object, over another if there is one."""
        ...

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Write an object where none is; False where there is one, whose bytes may be the same."""
        ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects whose key begins with ``prefix``, in the order of keys."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        ...


class S3Objects:
    """Implements Objects. The client is made with the first call."""

    def __init__(self, place: TableBucket) -> None:
        self._place = place
        self._making = threading.Lock()
        self._client: Any = None
        self.honours_condition = True

    def get(self, key: str) -> bytes:
        try:
            return bytes(self._call("get_object", key)["Body"])
        except KeyError as error:
            raise Unavailable(f"the answer with {key} was cut") from error

    def put(self, key: str, body: bytes) -> None:
        self._call("put_object", key, Body=body)

    def put_if_absent(self, key: str, body: bytes) -> bool:
        if not self.honours_condition and self._exists(key):
            return False
        condition = {"IfNoneMatch": "*"} if self.honours_condition else {}
        try:
            self._call("put_object", key, Body=body, **condition)
        except _NotImplemented as error:
            if not condition:
                raise Unavailable(str(error)) from error
            self.honours_condition = False
            return self.put_if_absent(key, body)
        except _AlreadyThere:
            return False
        return True

    def _exists(self, key: str) -> bool:
        try:
            self._call("head_object", key)
        except ObjectGone:
            return False
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        start = len(self._place.prefix)
        asked = {"Prefix": self._place.prefix + prefix}
        while True:
            page = self._call("list_objects_v2", **asked)
            if "IsTruncated" not in page:
                raise Unavailable(f"the listing of {self._place.bucket} was cut")
            for found in page.get("Contents", ()):
                yield Listed(found["Key"][start:], found["Size"], found["LastModified"])
            if not page.get("NextContinuationToken"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, keys: Iterable[str]) -> None:
        named = [{"Key": self._place.prefix + key} for key in keys]
        for at in range(0, len(named), DELETES_A_CALL):
            gone = self._call("delete_objects", Delete={"Objects": named[at : at + DELETES_A_CALL], "Quiet": True})
            if gone.get("Errors"):
                first = gone["Errors"][0]
                raise Unavailable(f"{first.get('Key')} cannot be deleted: {first.get('Code')}")

    def _call(self, operation: str, key: str = "", **parameters: Any) -> Any:
        import botocore.exceptions

        parameters["Bucket"] = self._place.bucket
        if key:
            parameters["Key"] = self._place.prefix + key
        try:
            answer = getattr(self._connected(), operation)(**parameters)
            if "Body" in answer:
                answer["Body"] = answer["Body"].read()
        except botocore.exceptions.ClientError as error:
            raise _translated(error, key) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"{self._place.location} did not answer: {error}") from error
        return answer

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = _make_client(self._place)
            return self._client


class _AlreadyThere(Exception):
    pass


class _NotImplemented(Exception):
    pass


def _translated(error: Any, key: str) -> Exception:
    said = error.response.get("Error", {})
    code = str(said.get("Code", ""))
    if code in _PRESENT:
        return _AlreadyThere(key)
    if code in _MISSING:
        return ObjectGone(key)
    if code in _NOT_IMPLEMENTED:
        return _NotImplemented(str(error))
    return Unavailable(str(error))


def _make_client(place: TableBucket) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=MAX_CONNECTIONS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        # The newer checksum headers are unknown to many S3-compatible servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # The one style that every server knows at whatever host; AWS finds its own.
        s3={"addressing_style": "path" if place.url else "auto"},
    )
    return boto3.session.Session().client(
        "s3",
        region_name=place.region,
        endpoint_url=place.url or None,
        aws_access_key_id=place.access_key_id or None,
        aws_secret_access_key=place.secret_access_key or None,
        verify=place.ca_bundle or None,
        config=config,
    )


def download(objects: Objects, key: str, path: Path) -> int:
    """Bring an object to ``path``, which has all of it or is not there; return its size. Raises TableDamaged."""
    try:
        body = objects.get(key)
    except ObjectGone as error:
        raise TableDamaged(f"{key} is not in the bucket") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part-{threading.get_ident()}")
    with temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return len(body)
