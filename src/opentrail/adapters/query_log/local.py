"""Queries in the home folder: a folder for each, with ``query.json`` and the pages of its result one behind the other.

Format: docs/formats/lake-queries.md.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

import structlog

from opentrail.ports import Unavailable
from opentrail.ports.query_log import Query

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = structlog.get_logger(__name__)


class LocalQueryLog(Generic[Query]):
    """Implements QueryLog below ``folder``, one folder for each query, named by its id; ``read`` makes one of its
    JSON and raises ValueError, KeyError or TypeError for what it cannot read."""

    def __init__(self, folder: Path, read: Callable[[bytes], Query]) -> None:
        self._folder = folder
        self._read = read

    async def store(self, query: Query) -> None:
        await _in_thread(self._store, query)

    async def queries(self) -> Sequence[Query]:
        return await _in_thread(self._queries)

    async def append_page(self, query_id: str, start: int, page: bytes) -> None:
        await _in_thread(self._append_page, query_id, start, page)

    async def read_page(self, query_id: str, start: int, length: int) -> bytes:
        return await _in_thread(self._read_page, query_id, start, length)

    async def remove(self, query_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder / query_id, ignore_errors=True)

    def _store(self, query: Query) -> None:
        folder = self._folder / query.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = folder / "query.json.new"
        with temporary.open("wb") as file:
            file.write(query.to_json())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(folder / "query.json")

    def _queries(self) -> list[Query]:
        found = []
        for path in self._folder.glob("*/query.json"):
            try:
                found.append(self._read(path.read_bytes()))
            except (ValueError, KeyError, TypeError):
                _log.warning("a stored query cannot be read and is left out", query=path.parent.name)
        return found

    def _append_page(self, query_id: str, start: int, page: bytes) -> None:
        path = self._folder / query_id / "rows"
        path.touch(mode=0o600)
        with path.open("r+b") as file:
            file.seek(start)
            file.truncate()
            file.write(page)

    def _read_page(self, query_id: str, start: int, length: int) -> bytes:
        with (self._folder / query_id / "rows").open("rb") as file:
            file.seek(start)
            return file.read(length)


async def _in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except OSError as error:
        raise Unavailable(f"the query log: {error.strerror or error}") from error
