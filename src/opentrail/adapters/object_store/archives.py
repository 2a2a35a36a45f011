"""Local archives: one folder a bucket below ``home/archives``, described by its ``archive.json``."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson

from opentrail.adapters.object_store.durable_file import sync_folder, write_synced
from opentrail.adapters.object_store.local import LocalBucket
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from opentrail.ports.archives import Archive
from opentrail.ports.object_store import AlreadyExists, ObjectStore
from opentrail.resource.bucket_name import is_bucket_name

_DESCRIPTION = "archive.json"


class ArchiveDamaged(OperatorError):
    """An archive's description cannot be read; the message names the file."""


class LocalArchives:
    """The archives of one home folder, read on opening and by ``reload``; of this process only ``create`` changes
    them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.reload()

    def reload(self) -> None:
        """Read the folder again: another process changed it. Raises ArchiveDamaged."""
        self._archives: dict[str, Archive] = {}
        self._buckets: dict[str, LocalBucket] = {}
        for description in sorted(self._folder.glob(f"*/{_DESCRIPTION}")):
            if is_bucket_name(description.parent.name):
                self._open(_read_description(description))

    def _open(self, archive: Archive) -> None:
        self._archives[archive.name] = archive
        self._buckets[archive.name] = LocalBucket(self._folder / archive.name)

    def get(self, name: str) -> Archive | None:
        return self._archives.get(name)

    def list(self) -> Sequence[Archive]:
        return [self._archives[name] for name in sorted(self._archives)]

    def create(self, archive: Archive) -> None:
        if not is_bucket_name(archive.name):
            raise ValueError(f"not a bucket name: {archive.name}")
        if archive.name in self._archives:
            raise AlreadyExists(archive.name)
        unfinished = self._folder / f".{archive.name}.{secrets.token_hex(4)}"
        try:
            unfinished.mkdir(mode=0o700)
            write_synced(unfinished / _DESCRIPTION, _format_description(archive))
            sync_folder(unfinished)
            unfinished.rename(self._folder / archive.name)  # fails on a folder that is not empty
            sync_folder(self._folder)
        except OSError as error:
            raise Unavailable(f"cannot create the archive {archive.name}: {error.strerror}") from error
        self._open(archive)

    def store(self, name: str) -> ObjectStore:
        return self._buckets[name]


def _format_description(archive: Archive) -> bytes:
    return orjson.dumps(
        {
            "name": archive.name,
            "region": archive.region,
            "account_id": archive.account_id,
            "created_at": archive.created_at.isoformat(),
        },
        option=orjson.OPT_INDENT_2,
    )


def _read_description(path: Path) -> Archive:
    try:
        values = orjson.loads(path.read_bytes())
        created_at = datetime.fromisoformat(values["created_at"])
        return Archive(path.parent.name, str(values["region"]), str(values["account_id"]), created_at)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveDamaged(f"{path} cannot be read ({error}); restore it from a backup") from error
