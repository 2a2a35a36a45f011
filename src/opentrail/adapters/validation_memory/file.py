"""The state file of ``validate-logs --resume`` (docs/formats/validation-memory.md).

It is a cache and nothing else: each line says that an object with this entity tag and size was read and had this hash,
under a MAC whose key lies in the user's own state folder. A line that was written by anybody else, was changed, is for
other bytes or is older than a week is as good as none: the object is read. Nothing that a line could say makes an
altered object valid, as long as the store tells the truth about entity tags and the MAC's key is the user's alone.
"""

import base64
import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import orjson

from opentrail.digest.document import EVENT_TREE
from opentrail.errors import OperatorError
from opentrail.ports.object_store import ObjectSummary

FORMAT = "opentrail-validation-memory/1"
LONGEST_S = 7 * 24 * 3600
"""How long a line counts."""

MAX_LINES = 5_000_000
"""Lines that are read: more files than this are read again."""

FLUSH_S = 1.0
"""How much of its work an interrupted validation may lose."""

_KEY_BYTES = 32


class FileMemory:
    """Implements ValidationMemory on a file that one process writes. ``foreign`` counts the lines not taken."""

    def __init__(self, path: Path, key: bytes, now: float | None = None) -> None:
        self._path = path
        self._key = key
        self._now = time.time() if now is None else now
        self._known: set[bytes] = set()
        self.foreign = 0
        self._read()
        self._file = self._open()
        self._flushed = time.monotonic()

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(file):
                    if number > MAX_LINES:
                        return
                    if number:
                        self._take(line)
                    elif not _is_header(line):
                        raise OperatorError(f"{self._path} is no file of an earlier validation; choose another name")
        except FileNotFoundError:
            return

    def _take(self, line: bytes) -> None:
        try:
            fact, at, mac = orjson.loads(line)
            is_ours = hmac.compare_digest(bytes.fromhex(mac), self._mac(bytes.fromhex(fact), float(at)))
            is_fresh = 0 <= self._now - at <= LONGEST_S
        except (ValueError, TypeError):
            is_ours = is_fresh = False
        if is_ours and is_fresh:
            self._known.add(bytes.fromhex(fact))
        else:
            self.foreign += 1

    def _open(self) -> TextIO:
        is_new = not self._path.exists()
        file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a")
        if is_new:
            file.write(orjson.dumps({"format": FORMAT}).decode() + "\n")
        else:
            file.write("\n")  # ends a line that an interruption cut short
        return file

    def knows(self, bucket: str, summary: ObjectSummary, listed: Mapping[str, Any]) -> bool:
        """Say whether exactly these bytes were found to be what ``listed`` says, within the last week."""
        return _fact(bucket, summary, listed) in self._known

    def remember(self, bucket: str, summary: ObjectSummary, listed: Mapping[str, Any]) -> None:
        """Note that they were; on disk within FLUSH_S."""
        fact = _fact(bucket, summary, listed)
        self._file.write(orjson.dumps([fact.hex(), self._now, self._mac(fact, self._now).hex()]).decode() + "\n")
        if time.monotonic() - self._flushed > FLUSH_S:
            self._file.flush()
            self._flushed = time.monotonic()

    def _mac(self, fact: bytes, at: float) -> bytes:
        return hmac.digest(self._key, fact + repr(at).encode(), hashlib.sha256)

    def close(self, *, is_finished: bool) -> None:
        """Keep what an interrupted validation found; a finished one leaves nothing, so that the next reads all."""
        self._file.close()
        if is_finished:
            self._path.unlink(missing_ok=True)


def _fact(bucket: str, summary: ObjectSummary, listed: Mapping[str, Any]) -> bytes:
    """Return the hash of what a line is about: which object, its bytes by the store, and all that its digest lists."""
    members = [bucket, summary.key, summary.etag.strip('"'), summary.size_bytes, listed.get("hashValue")]
    return hashlib.sha256(orjson.dumps([*members, listed.get(EVENT_TREE)], option=orjson.OPT_SORT_KEYS)).digest()


def _is_header(line: bytes) -> bool:
    try:
        header = orjson.loads(line)
    except ValueError:
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


def memory_key(folder: Path | None = None) -> bytes:
    """Return this user's MAC key, made on first use. Raises OperatorError when others may read it."""
    base = os.environ.get("XDG_STATE_HOME", "")
    folder = folder or (Path(base) if base else Path("~/.local/state").expanduser()) / "opentrail"
    path = folder / "validation-memory.key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_key(path)
    key = os.urandom(_KEY_BYTES)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(key))
    return key


def _read_key(path: Path) -> bytes:
    status = path.stat()
    if status.st_mode & 0o077 or status.st_uid != os.getuid():
        raise OperatorError(f"others may read or write {path}: remove it, and validate without what was remembered")
    key = base64.b64decode(path.read_bytes())
    if len(key) != _KEY_BYTES:
        raise OperatorError(f"{path} is no key: remove it, and validate without what was remembered")
    return key
