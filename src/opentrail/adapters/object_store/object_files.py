"""The files of one archive's objects: bodies and sidecars in the archive's folder, bodies in its cold folder.

``objects/<path of the key>`` holds the body, ``<same>%meta`` the sidecar, which says where the body is. Every change is
a row of durable steps, so that a crash at any of them leaves the object whole, as it was or as it was to become
(docs/formats/archive.md, "Writing, moving, deleting"). Everything here blocks; errors of the disk pass as OSError.
"""

import hashlib
import heapq
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from opentrail.adapters.object_store import durable_file
from opentrail.adapters.object_store.encrypted_body import MAGIC, body_size, is_encrypted
from opentrail.adapters.object_store.paths import (
    SIDECAR_ENDING,
    NotAKeyPath,
    file_to_key_part,
    folder_to_key_part,
    key_to_path,
)
from opentrail.adapters.object_store.sidecar import UNKNOWN, Place, Sidecar, format_sidecar, parse_sidecar
from opentrail.ports import Unavailable
from opentrail.ports.object_store import AlreadyExists, BucketNotFound, ObjectNotFound
from opentrail.resource.archive import ObjectLock

_BEGINNING = datetime.fromtimestamp(0, UTC)
_BEGINNING_BYTES = len(MAGIC) + 4


@dataclass(frozen=True, slots=True)
class Found:
    """One object: its sidecar, and its body's path, size (in the clear) and time of writing."""

    key: str
    sidecar: Sidecar
    body: Path
    size_bytes: int
    written_at: datetime

    @property
    def etag(self) -> str:
        """Return the quoted MD5 of the body as it lies on disk; read and computed when no sidecar says it."""
        return self.sidecar.etag or etag_of(self.body.read_bytes())


class ObjectFiles:
    """Reads and changes an archive's objects. Changes wait for one another, in whatever process they are made."""

    def __init__(self, folder: Path, cold: Path | None = None) -> None:
        self._lock = folder / "lock"
        self._objects = folder / "objects"
        self._incoming = folder / "incoming"
        self.cold = cold
        for part in (self._objects, self._incoming):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_incoming_clean = False

    def put(self, key: str, file: bytes, sidecar: Sidecar) -> None:
        """Write one object. Raises AlreadyExists, BucketNotFound."""
        path = self._objects / key_to_path(key)
        new_body = durable_file.temporary_name(self._incoming)
        new_sidecar = durable_file.temporary_name(self._incoming)
        if not self._objects.is_dir():
            raise BucketNotFound(self._objects.parent.name)
        with durable_file.locked(self._lock):
            self._clean_incoming()
            self._check_absent(key, path)
            try:
                durable_file.make_folders(path.parent, self._objects)
                durable_file.write_synced(new_sidecar, format_sidecar(sidecar), durable_file.READ_ONLY_MODE)
                durable_file.write_synced(new_body, file, durable_file.READ_ONLY_MODE)
                durable_file.replace(new_sidecar, _sidecar_path(path))
                durable_file.link_new(new_body, path)
            except FileExistsError as error:
                raise AlreadyExists(key) from error
            finally:
                new_body.unlink(missing_ok=True)
                new_sidecar.unlink(missing_ok=True)

    def _check_absent(self, key: str, path: Path) -> None:
        if self._found(key, path) is not None:
            raise AlreadyExists(key)
        if _read_sidecar(path).place is Place.GONE:
            self._remove_all(path)

    def _clean_incoming(self) -> None:
        if not self._is_incoming_clean:
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            self._is_incoming_clean = True

    def find(self, key: str) -> Found:
        """Return what is known of an object. Raises ObjectNotFound."""
        try:
            path = self._objects / key_to_path(key)
        except ValueError as error:
            raise ObjectNotFound(key) from error
        found = self._found(key, path)
        if found is None:
            raise ObjectNotFound(key)
        return found

    def _found(self, key: str, path: Path) -> Found | None:
        """A body in the archive's folder is an object, whatever its sidecar says. Else the sidecar decides; it says
        ``cold`` before a move removes that body, so asking in this order misses no object on its way."""
        if path.is_file():
            found = _of_body(key, _read_sidecar(path).at(Place.HOT), path)
            if found is not None:
                return found
        sidecar, cold = _read_sidecar(path), self._cold_path(path)
        if sidecar.place is Place.COLD:
            written_at = sidecar.written_at or _BEGINNING
            return Found(key, sidecar, cold or path, sidecar.size_bytes or 0, written_at)
        if not sidecar.is_sound and cold is not None and cold.is_file():
            return _of_body(key, sidecar.at(Place.COLD), cold)
        return None

    def read(self, key: str) -> tuple[Found, bytes]:
        """Return an object and its body as it lies on disk. Raises ObjectNotFound, Unavailable."""
        found = self.find(key)
        try:
            return found, found.body.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            found = self.find(key)  # it was moved or deleted in between
        try:
            return found, found.body.read_bytes()
        except FileNotFoundError as error:
            raise Unavailable(f"the cold folder does not hold {key}: is its disk there?") from error
        except IsADirectoryError as error:
            raise ObjectNotFound(key) from error

    def change(self, key: str, new_lock: Callable[[Found], ObjectLock]) -> None:
        """Give an object the lock that ``new_lock`` returns; what it raises passes and changes nothing."""
        with durable_file.locked(self._lock):
            found = self.find(key)
            lock = new_lock(found)
            self._publish(found, replace(self._completed(found), lock=lock, is_sound=True))

    def delete(self, key: str, check: Callable[[Found], None]) -> None:
        """Delete an object unless ``check`` raises. Raises ObjectNotFound, Unavailable."""
        with durable_file.locked(self._lock):
            found = self.find(key)
            check(found)
            path = self._objects / key_to_path(key)
            if Place.COLD in (found.sidecar.place, _read_sidecar(path).place):
                self._check_cold_folder()
                durable_file.remove(path)  # what an interrupted move left: while it is there, nothing is gone
                self._publish(found, found.sidecar.at(Place.GONE))
            self._remove_all(path)

    def _remove_all(self, path: Path) -> None:
        durable_file.remove(path)
        cold = self._cold_path(path)
        if cold is not None:
            durable_file.remove(cold)
        durable_file.remove(_sidecar_path(path))

    def move_to_cold(self, key: str) -> bool:
        """Move an object's body to the cold folder; return False when it stays (its sidecar cannot be read)."""
        with durable_file.locked(self._lock):
            found = self.find(key)
            path = self._objects / key_to_path(key)
            if found.sidecar.place is not Place.COLD:
                if not found.sidecar.is_sound:
                    return False
                self._copy_to_cold(path)
                self._publish(found, self._completed(found).at(Place.COLD))
            durable_file.remove(path)
            return True

    def _copy_to_cold(self, path: Path) -> None:
        self._check_cold_folder()
        target = self._cold_path(path)
        assert self.cold is not None
        assert target is not None
        new = durable_file.temporary_name(self.cold / "incoming")
        body = path.read_bytes()
        durable_file.make_folders(target.parent, self.cold)
        try:
            durable_file.write_synced(new, body, durable_file.READ_ONLY_MODE)
            if new.read_bytes() != body:
                raise Unavailable(f"the cold folder gave back other bytes than were written: {new.name}")
            durable_file.replace(new, target)
        finally:
            new.unlink(missing_ok=True)

    def _check_cold_folder(self) -> None:
        if self.cold is None or not (self.cold / "incoming").is_dir():
            raise Unavailable(f"the cold folder {self.cold or ''} is not there: is its disk mounted?")

    def _cold_path(self, path: Path) -> Path | None:
        return self.cold / "objects" / path.relative_to(self._objects) if self.cold is not None else None

    def _completed(self, found: Found) -> Sidecar:
        """Return the sidecar with everything that the body's file says now."""
        known = found.sidecar
        return replace(known, etag=found.etag, written_at=found.written_at, size_bytes=found.size_bytes)

    def _publish(self, found: Found, sidecar: Sidecar) -> None:
        path = self._objects / key_to_path(found.key)
        new = durable_file.temporary_name(self._incoming)
        try:
            durable_file.write_synced(new, format_sidecar(sidecar), durable_file.READ_ONLY_MODE)
            durable_file.replace(new, _sidecar_path(path))
        finally:
            new.unlink(missing_ok=True)

    def walk(self, prefix: bytes, start_after: bytes, delimiter: bytes = b"") -> Iterator[Found]:
        """Yield the objects whose key starts with ``prefix`` and is greater than ``start_after``, in key order; of
        those that are alike up to the first ``delimiter`` behind the prefix, the first."""
        # A heap of (key or start of keys, is a folder, path): a folder is opened only when the start of its keys is
        # the smallest thing known, so objects leave in key order and only the folders on the way are in memory.
        waiting: list[tuple[bytes, bool, str]] = [(b"", True, str(self._objects))]
        group = b""
        while waiting:
            start, is_folder, path = heapq.heappop(waiting)
            if group and start.startswith(group):
                continue  # a whole folder at once, where the group is one
            if not is_folder:
                found = self._found(start.decode(), Path(path))
                if found is not None:
                    group = _group(start, prefix, delimiter)
                    yield found
                continue
            for child in _children(start, path):
                if _may_hold(child[0], child[1], prefix, start_after):
                    heapq.heappush(waiting, child)


def etag_of(file: bytes) -> str:
    """Return the entity tag of a body."""
    return f'"{hashlib.md5(file, usedforsecurity=False).hexdigest()}"'


def _children(start: bytes, path: str) -> Iterator[tuple[bytes, bool, str]]:
    for name, is_folder in _entries(path):
        try:
            part = folder_to_key_part(name) if is_folder else file_to_key_part(name)
            (start + part).decode()
        except NotAKeyPath:
            continue  # a file that nobody put here through Opentrail
        except UnicodeDecodeError:
            if not is_folder:
                continue
        yield start + part, is_folder, f"{path}/{name}"


def _entries(path: str) -> Iterator[tuple[str, bool]]:
    """Yield the names of folders and of bodies; a body that is elsewhere is known by its sidecar alone."""
    sidecars, bodies = set(), set()
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                yield entry.name, True
            elif entry.name.endswith(SIDECAR_ENDING):
                sidecars.add(entry.name.removesuffix(SIDECAR_ENDING))
            else:
                bodies.add(entry.name)
    for name in bodies:
        yield name, False
    for name in sidecars - bodies:
        yield name, False


def _may_hold(start: bytes, is_folder: bool, prefix: bytes, start_after: bytes) -> bool:
    if not is_folder:
        return start.startswith(prefix) and start > start_after
    return (start.startswith(prefix) or prefix.startswith(start)) and (
        start > start_after or start_after.startswith(start)
    )


def _group(key: bytes, prefix: bytes, delimiter: bytes) -> bytes:
    """Return what the keys of ``key``'s group begin with, b"" when it stands alone."""
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: end + len(delimiter)] if end >= 0 else b""


def _sidecar_path(path: Path) -> Path:
    return path.with_name(path.name + SIDECAR_ENDING)


def _read_sidecar(path: Path) -> Sidecar:
    try:
        return parse_sidecar(_sidecar_path(path).read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return UNKNOWN


def _of_body(key: str, sidecar: Sidecar, body: Path) -> Found | None:
    """Return an object of which its file says what the sidecar does not."""
    try:
        status = body.stat()
        size = sidecar.size_bytes if sidecar.size_bytes is not None else _clear_size(body, status.st_size)
    except FileNotFoundError:
        return None  # it was moved or deleted just now
    written_at = sidecar.written_at or datetime.fromtimestamp(int(status.st_mtime), UTC)
    return Found(key, sidecar, body, size, written_at)


def _clear_size(path: Path, file_size: int) -> int:
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES)
    return body_size(beginning, file_size) if is_encrypted(beginning) else file_size
