"""Imports in the home folder: a folder for each, with ``import.json`` and ``failures-N.ndjson``.

Format: docs/formats/imports.md.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from opentrail.ports import Unavailable
from opentrail.resource.lake_import import ImportFailure, LakeImport

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = structlog.get_logger(__name__)


class LocalImportLog:
    """Implements ImportLog below ``folder``, one folder for each import, named by its id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def store(self, lake_import: LakeImport) -> None:
        await _in_thread(self._store, lake_import)

    async def imports(self) -> Sequence[LakeImport]:
        return await _in_thread(self._imports)

    async def append_failures(self, import_id: str, file: int, start: int, failures: Sequence[ImportFailure]) -> int:
        return await _in_thread(self._append, import_id, file, start, failures)

    async def read_failures(
        self, import_id: str, file: int, start: int, end: int, limit: int
    ) -> tuple[Sequence[ImportFailure], int]:
        return await _in_thread(self._read, import_id, file, start, end, limit)

    async def remove(self, import_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder / import_id, ignore_errors=True)

    def _store(self, lake_import: LakeImport) -> None:
        folder = self._folder / lake_import.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = folder / "import.json.new"
        with temporary.open("wb") as file:
            file.write(lake_import.to_json())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(folder / "import.json")
        _sync(folder)

    def _imports(self) -> list[LakeImport]:
        found = []
        for path in self._folder.glob("*/import.json"):
            try:
                found.append(LakeImport.from_json(path.read_bytes()))
            except (ValueError, KeyError, TypeError):
                _log.warning("a stored import cannot be read and is left out", import_id=path.parent.name)
        return found

    def _append(self, import_id: str, file: int, start: int, failures: Sequence[ImportFailure]) -> int:
        path = self._failures(import_id, file)
        path.touch(mode=0o600)
        lines = b"".join(failure.to_json() + b"\n" for failure in failures)
        with path.open("r+b") as opened:
            opened.seek(start)
            opened.truncate()
            opened.write(lines)
            opened.flush()
            os.fsync(opened.fileno())
        return start + len(lines)

    def _read(self, import_id: str, file: int, start: int, end: int, limit: int) -> tuple[list[ImportFailure], int]:
        found: list[ImportFailure] = []
        path = self._failures(import_id, file)
        if start >= end or not path.exists():
            return found, end
        with path.open("rb") as opened:
            opened.seek(start)
            while len(found) < limit and opened.tell() < end:
                found.append(ImportFailure.from_json(opened.readline()))
            return found, min(opened.tell(), end)

    def _failures(self, import_id: str, number: int) -> Path:
        return self._folder / import_id / f"failures-{number}.ndjson"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except OSError as error:
        raise Unavailable(f"the import log: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"the import log cannot be read: {error}") from error
