"""A local archive's bucket: objects as files below a folder, what S3 would keep in headers in a sidecar beside each.

``objects/<path of the key>`` holds the body as it was put, so standard tools can read it; ``<same>%meta`` holds ETag,
content type, encoding and user metadata as JSON. The sidecar is published first and the object last, by a link that
never overwrites, so an object that can be seen is whole and has its metadata. ``incoming/`` holds files on their way;
what a crash left there goes with the first put. One process puts, any number may read. Paths: paths.py.
"""

import asyncio
import hashlib
import heapq
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from opentrail.adapters.object_store.durable_file import make_folders, sync_folder, temporary_name, write_synced
from opentrail.adapters.object_store.paths import (
    SIDECAR_ENDING,
    NotAKeyPath,
    file_to_key_part,
    folder_to_key_part,
    key_to_path,
)
from opentrail.ports import Unavailable
from opentrail.ports.object_store import AlreadyExists, BucketNotFound, ObjectNotFound, ObjectSummary, StoredObject

_METADATA_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_PAGE = 500
"""Objects listed per step of the worker thread."""


class LocalBucket:
    """The objects of one archive. Encryption parameters are accepted and not used: the disk is the operator's."""

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._incoming = folder / "incoming"
        self._putting = threading.Lock()
        for part in (self._objects, self._incoming):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_incoming_clean = False

    async def put_if_absent(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str,
        content_encoding: str = "",
        metadata: Mapping[str, str] | None = None,
        encryption_context: Mapping[str, str] | None = None,
        kms_key_id: str = "",
    ) -> None:
        sidecar = {
            "etag": _etag(body),
            "content_type": content_type,
            "content_encoding": content_encoding,
            "metadata": {name.lower(): value for name, value in (metadata or {}).items()},
        }
        await asyncio.to_thread(self._put, key, body, sidecar)

    def _put(self, key: str, body: bytes, sidecar: Mapping[str, Any]) -> None:
        path = self._objects / key_to_path(key)
        new_object, new_sidecar = temporary_name(self._incoming), temporary_name(self._incoming)
        try:
            if not self._objects.is_dir():
                raise BucketNotFound(self._objects.parent.name)
            with self._putting:
                self._clean_incoming()
                if path.exists():
                    raise AlreadyExists(key)
                make_folders(path.parent, self._objects)
                write_synced(new_sidecar, orjson.dumps(sidecar))
                write_synced(new_object, body)
                new_sidecar.replace(_sidecar_path(path))
                os.link(new_object, path)
                sync_folder(path.parent)
        except FileExistsError as error:
            raise AlreadyExists(key) from error
        except OSError as error:
            raise Unavailable(f"cannot store {key}: {error.strerror}") from error
        finally:
            new_object.unlink(missing_ok=True)
            new_sidecar.unlink(missing_ok=True)

    def _clean_incoming(self) -> None:
        if not self._is_incoming_clean:
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            self._is_incoming_clean = True

    async def get(self, key: str) -> StoredObject:
        return await asyncio.to_thread(self._get, key)

    def _get(self, key: str) -> StoredObject:
        try:
            path = self._objects / key_to_path(key)
            body = path.read_bytes()
            modified_at = _modified_at(path.stat())
            sidecar = _read_sidecar(path)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError) as error:
            raise ObjectNotFound(key) from error
        except OSError as error:
            raise Unavailable(f"cannot read {key}: {error.strerror}") from error
        return StoredObject(
            ObjectSummary(key, len(body), modified_at, sidecar.get("etag") or _etag(body)),
            body,
            sidecar.get("content_type", ""),
            sidecar.get("content_encoding", ""),
            sidecar.get("metadata", {}),
        )

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectSummary]:
        walk = self._walk(prefix.encode(), start_after.encode())
        while page := await asyncio.to_thread(lambda: list(islice(walk, _PAGE))):
            for summary in page:
                yield summary

    def _walk(self, prefix: bytes, start_after: bytes) -> Iterator[ObjectSummary]:
        # A heap of (key or start of keys, is a folder, path): a folder is opened only when the start of its keys is
        # the smallest thing known, so objects leave in key order and only the folders on the way are in memory.
        waiting: list[tuple[bytes, bool, str]] = [(b"", True, str(self._objects))]
        try:
            while waiting:
                start, is_folder, path = heapq.heappop(waiting)
                if not is_folder:
                    yield _summary(start.decode(), Path(path))
                    continue
                for child in _children(start, path):
                    if _may_hold(child[0], child[1], prefix, start_after):
                        heapq.heappush(waiting, child)
        except OSError as error:
            raise Unavailable(f"cannot list: {error.strerror}") from error

    async def check_delivery(self, marker_key: str, trail_arn: str) -> None:
        try:
            await self.put_if_absent(marker_key, b"", content_type="application/x-directory")
        except AlreadyExists:
            return


def _children(start: bytes, path: str) -> Iterator[tuple[bytes, bool, str]]:
    with os.scandir(path) as entries:
        for entry in entries:
            is_folder = entry.is_dir()
            try:
                part = folder_to_key_part(entry.name) if is_folder else file_to_key_part(entry.name)
                (start + part).decode()
            except NotAKeyPath:
                continue  # a sidecar, or a file that nobody put here through Opentrail
            except UnicodeDecodeError:
                if not is_folder:
                    continue
            yield start + part, is_folder, entry.path


def _may_hold(start: bytes, is_folder: bool, prefix: bytes, start_after: bytes) -> bool:
    if not is_folder:
        return start.startswith(prefix) and start > start_after
    return (start.startswith(prefix) or prefix.startswith(start)) and (
        start > start_after or start_after.startswith(start)
    )


def _summary(key: str, path: Path) -> ObjectSummary:
    status = path.stat()
    etag = _read_sidecar(path).get("etag") or _etag(path.read_bytes())
    return ObjectSummary(key, status.st_size, _modified_at(status), etag)


def _sidecar_path(path: Path) -> Path:
    return path.with_name(path.name + SIDECAR_ENDING)


def _read_sidecar(path: Path) -> dict[str, Any]:
    try:
        sidecar = orjson.loads(_sidecar_path(path).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}  # a file that was copied in or whose sidecar was damaged is still readable, without metadata
    return _sound(sidecar) if isinstance(sidecar, dict) else {}


def _sound(sidecar: dict[str, Any]) -> dict[str, Any]:
    """Return what of a sidecar has the form that ``_put`` gave it: one that was tampered with must not hide its object
    from who checks it. What could end a header line is left out."""
    sound: dict[str, Any] = {
        name: value for name, value in sidecar.items() if isinstance(value, str) and value.isprintable()
    }
    metadata = sidecar.get("metadata")
    if isinstance(metadata, dict):
        sound["metadata"] = {
            name: value
            for name, value in metadata.items()
            if isinstance(value, str) and value.isprintable() and _METADATA_NAME.fullmatch(name)
        }
    return sound


def _modified_at(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(int(status.st_mtime), UTC)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
