"""A folder's files, or one file, as a source of log files (port: log_source)."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path

from opentrail.ports import Unavailable
from opentrail.ports.log_source import LogObject
from opentrail.ports.object_store import AccessRefused, BucketNotFound, ObjectNotFound

PAGE_FILES = 1_000
"""Files that are listed at a time."""


class FolderSource:
    """Implements LogSource below ``root``: keys are paths relative to it, "" that of a root that is a file itself.

    A folder's entries come in the order of their names, each folder's files where its name stands. Links are followed
    to files, never to folders; hidden entries are left out. A folder below that may not be listed stands in the listing
    itself, and reading it tells why. A byte of a name that is no UTF-8 stands in the key as ``\\xff``.
    """

    def __init__(self, root: Path, takes: Callable[[str], bool]) -> None:
        self._root = root
        self._takes = takes

    async def list(self, start_after: str = "") -> AsyncIterator[LogObject]:
        files = self._files(start_after)
        while page := await asyncio.to_thread(_page, files):
            for file in page:
                yield file

    async def read(self, key: str) -> bytes:
        try:
            return await asyncio.to_thread(self._read, key)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFound(key) from error
        except (IsADirectoryError, PermissionError) as error:
            is_folder = await asyncio.to_thread(os.path.isdir, self._root / key)
            refused = "this folder may not be listed" if is_folder else "this file may not be read"
            raise AccessRefused("AccessDenied", refused) from error
        except OSError as error:
            raise Unavailable(f"{self._root / key}: {error.strerror}") from error

    def _read(self, key: str) -> bytes:
        path = self._root / key if key else self._root
        try:
            return path.read_bytes()
        except FileNotFoundError:
            if "\\x" not in key:
                raise
            return self._path_shown_as(key).read_bytes()

    def _path_shown_as(self, key: str) -> Path:
        """Return the file whose path ``_shown`` turns into ``key``; raises FileNotFoundError."""
        path = self._root
        for part in key.split("/"):
            path = next((entry for entry in path.iterdir() if _shown(entry.name) == part), path / part)
        return path

    def _files(self, start_after: str) -> Iterator[LogObject]:
        if self._root.is_file():
            if not start_after:
                yield LogObject("", self._root.stat().st_size)
            return
        if not self._root.is_dir():
            raise BucketNotFound(f"there is no folder or file {self._root}")
        yield from self._below("", tuple(start_after.split("/")) if start_after else ())

    def _below(self, folder: str, after: tuple[str, ...]) -> Iterator[LogObject]:
        path = self._path_shown_as(folder) if "\\x" in folder else self._root / folder
        with os.scandir(path) as scanned:
            entries = sorted(
                ((_shown(entry.name), entry) for entry in scanned if not entry.name.startswith(".")),
                key=lambda one: one[0],
            )
        for name, entry in entries:
            key = f"{folder}/{name}" if folder else name
            if after and name < after[0]:
                continue
            is_after = after and name == after[0]
            if entry.is_dir(follow_symlinks=False):
                yield from self._subfolder(key, after[1:] if is_after else (), is_named=bool(is_after))
            elif not is_after and (size := _file_size(entry)) is not None and self._takes(key):
                yield LogObject(key, size)

    def _subfolder(self, key: str, after: tuple[str, ...], *, is_named: bool) -> Iterator[LogObject]:
        try:
            yield from self._below(key, after)
        except PermissionError:
            if after or not is_named:
                yield LogObject(key, 0)
        except FileNotFoundError:
            return  # it went while its parent was listed


def _shown(name: str) -> str:
    """Return a file's name as UTF-8 can hold it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _file_size(entry: os.DirEntry[str]) -> int | None:
    """Return the size of a file, None for all else: a pipe, a link that leads nowhere or in a circle, what is gone."""
    try:
        return entry.stat().st_size if entry.is_file() else None
    except OSError:
        return None


def _page(files: Iterator[LogObject]) -> list[LogObject]:
    try:
        return list(islice(files, PAGE_FILES))
    except PermissionError as error:
        raise AccessRefused("AccessDenied", f"{error.filename} may not be listed") from error
    except OSError as error:
        raise Unavailable(f"{error.filename}: {error.strerror}") from error
