"""Lake tables read by a verification as they lie in a bucket (port: lake_audit), whatever the home has of them.

The log is brought to a folder of this process alone; each file is read in its turn and let go.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from opentrail.adapters.lake_table.audit import (
    AHEAD,
    FEW_FILES,
    LocalLakeAudit,
    aside_names,
    count_lines,
    executor_of,
    read_file,
    result_of,
)
from opentrail.adapters.lake_table.bucket import ObjectGone, Objects, S3Objects, TableBucket, download
from opentrail.digest.lake_chain import LogVersion
from opentrail.ports.lake_audit import NOT_THERE, FileExtent, FileProof
from opentrail.ports.lake_keys import NoStoreKeys, StoreKeys
from opentrail.ports.lake_table import TableDamaged
from opentrail.resource.event_data_store import EventDataStore

OpenObjects = Callable[[], Objects]
"""Gives the bucket in whichever process it is called: a function of a module, or a partial of one over what pickles."""


@lru_cache(maxsize=1)
def s3_objects(place: TableBucket) -> S3Objects:
    """Return the client of a place, one for a process."""
    return S3Objects(place)


class BucketLakeAudit:
    """Implements LakeAudit over a bucket, with ``workers`` processes. ``keys`` open encrypted files."""

    def __init__(self, open_objects: OpenObjects, workers: int, keys: StoreKeys | None = None) -> None:
        self._open = open_objects
        self._workers = workers
        self._keys = keys or NoStoreKeys()
        self._scratch = TemporaryDirectory(prefix="opentrail-verify-")
        self._folder = Path(self._scratch.name)
        self._local = LocalLakeAudit(self._folder, 1, self._keys)

    async def versions(self, store: EventDataStore) -> Sequence[LogVersion]:
        await asyncio.to_thread(self._bring_log, f"{store.id}/table/_delta_log/")
        return await self._local.versions(store)

    def _bring_log(self, prefix: str) -> None:
        objects = self._open()
        for found in objects.list(prefix):
            path = self._folder / found.key
            if path.resolve().parent == (self._folder / prefix).resolve():
                download(objects, found.key, path)

    async def listed(self, store: EventDataStore, version: int) -> Mapping[str, FileExtent] | str:
        return await self._local.listed(store, version)

    async def read(self, store: EventDataStore, paths: Sequence[str]) -> AsyncIterator[FileProof]:
        data_key = await self._keys.data_key(store)
        with executor_of(self._workers if len(paths) > FEW_FILES else 1) as executor:
            waiting: deque[tuple[str, Future[FileProof]]] = deque()
            for path in paths:
                if len(waiting) >= self._workers * AHEAD:
                    yield await result_of(*waiting.popleft())
                work = (self._open, self._folder, store.id, path, str(store.kind), data_key)
                waiting.append((path, executor.submit(_read_from_bucket, *work)))
            while waiting:
                yield await result_of(*waiting.popleft())

    async def leaves(self, store: EventDataStore, path: str, commit: int) -> Sequence[tuple[int, bytes]]:
        file = await asyncio.to_thread(_brought, self._open, self._folder, store.id, path)
        if file is None:
            return []
        try:
            return await self._local.leaves(store, path, commit)
        finally:
            file.unlink(missing_ok=True)

    async def set_aside(self, store: EventDataStore, commit: int) -> int:
        data_key = await self._keys.data_key(store)

        def count() -> int:
            for name in aside_names(commit):
                with suppress(ObjectGone):
                    path = f"set-aside/{name}"
                    return count_lines(path, self._open().get(f"{store.id}/{path}"), data_key)
            return 0

        return await asyncio.to_thread(count)


def _brought(open_objects: OpenObjects, folder: Path, store_id: str, path: str) -> Path | None:
    """Bring a file of a table here; None when it is not there, or its path leads out of the table."""
    table = folder / store_id / "table"
    file = (table / path).resolve()
    if not file.is_relative_to(table.resolve()):
        return None
    try:
        download(open_objects(), f"{store_id}/table/{path}", file)
    except TableDamaged:
        return None
    return file


def _read_from_bucket(
    open_objects: OpenObjects, folder: Path, store_id: str, path: str, kind: str, data_key: bytes
) -> FileProof:
    """Read one file. Runs in a process of its own."""
    file = _brought(open_objects, folder, store_id, path)
    if file is None:
        return FileProof(path, fault=NOT_THERE)
    try:
        return read_file(folder / store_id / "table", path, kind, data_key)
    finally:
        file.unlink(missing_ok=True)
