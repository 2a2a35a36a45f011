"""Publishing small files so that a power cut leaves the old state or the new one, never a part."""

import os
import secrets
from pathlib import Path

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and flush it to the disk; its name is not yet durable."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
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
