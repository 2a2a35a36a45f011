"""Publishing small files so that a power cut leaves the old state or the new one, never a part.

Everything that alters an archive's disk goes through here, one durable step at a time.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE_MODE = 0o600
READ_ONLY_MODE = 0o400
"""Mode of what is written once: the owner's own tools do not alter it by mistake."""

_FOLDER_MODE = 0o700


def write_synced(path: Path, data: bytes, mode: int = FILE_MODE) -> None:
    """Write a new file and flush it to the disk; its name is not yet durable."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_new(source: Path, path: Path) -> None:
    """Give a file a further name, durably, never over another. Raises FileExistsError."""
    os.link(source, path)
    sync_folder(path.parent)


def replace(source: Path, path: Path) -> None:
    """Give a file the name of another, durably; that one is gone."""
    source.replace(path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file, durably; one that is not there is removed already."""
    with suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()
        sync_folder(path.parent)


def make_folders(folder: Path, root: Path) -> None:
    """Create ``folder`` below ``root``, each new name durable. A file in the way raises FileExistsError."""
    if folder == root or folder.is_dir():
        return
    make_folders(folder.parent, root)
    folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    sync_folder(folder.parent)


def temporary_name(folder: Path) -> Path:
    """Return a fresh path in ``folder`` for a file on its way."""
    return folder / f"{os.getpid()}-{secrets.token_hex(8)}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` against every other thread and process; waits for whoever holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
