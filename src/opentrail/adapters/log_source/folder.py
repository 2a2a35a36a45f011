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
    itself, and reading it tells why.
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
            return await asyncio.to_thread((self._root / key).read_bytes if key else self._root.read_bytes)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFound(key) from error
        except IsADirectoryError as error:
            raise AccessRefused("AccessDenied", f"the folder {self._root / key} may not be listed") from error
        except PermissionError as error:
            raise AccessRefused("AccessDenied", f"{self._root / key} may not be read") from error
        except OSError as error:
            raise Unavailable(f"{self._root / key}: {error.strerror}") from error

    def _files(self, start_after: str) -> Iterator[LogObject]:
        if self._root.is_file():
            if not start_after:
                yield LogObject("", self._root.stat().st_size)
            return
        if not self._root.is_dir():
            raise BucketNotFound(f"there is no folder or file {self._root}")
        yield from self._below("", tuple(start_after.split("/")) if start_after else ())

    def _below(self, folder: str, after: tuple[str, ...]) -> Iterator[LogObject]:
        with os.scandir(self._root / folder) as scanned:
            entries = sorted((entry for entry in scanned if not entry.name.startswith(".")), key=lambda one: one.name)
        for entry in entries:
            key = f"{folder}/{entry.name}" if folder else entry.name
            if after and entry.name < after[0]:
                continue
            is_after = after and entry.name == after[0]
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
