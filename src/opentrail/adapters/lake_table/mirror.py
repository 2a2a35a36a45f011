"""A table whose truth is in a bucket: its folder in the home is the log's copy, and a cache of its files.

What a version names is in the bucket before the version is, and the version is put only where none of its number is
(``If-None-Match``): so a commit is there once, whole, or not at all, whichever process put it. A version that only
the folder has was never told to anybody, and goes when the table is opened.
"""

import shutil
import threading
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from opentrail.adapters.lake_table.bucket import ObjectGone, Objects, download
from opentrail.ports import Unavailable
from opentrail.ports.lake_table import TableDamaged
from opentrail.resource.lake_columns import PARTITION_COLUMN

TRANSFERS = 8
"""Objects that are brought or put at the same time."""

OWNER_KEY = "opentrail-lake.json"
"""Says whose installation the tables below a location are."""

LOCATION_FILE = "location"
"""In a table's folder: where the table lies, once it does."""

LOG = "table/_delta_log/"

_log = structlog.get_logger(__name__)


class Backing(Protocol):
    """Where a table's files have to be for the table to have them. Every method but ``reading`` is for its writer."""

    def pull(self) -> None:
        """Make the folder's log that of the table, before it is opened. Raises Unavailable, TableDamaged."""
        ...

    def put(self, paths: Iterable[Path]) -> None:
        """Have the table keep these files of the folder, which no version names yet. Raises Unavailable."""
        ...

    def publish(self, version: Path) -> None:
        """Make a version of the log, all of whose files are kept, one of the table. Raises Unavailable."""
        ...

    def reading(self, paths: Iterable[Path]) -> AbstractContextManager[None]:
        """Have these files of the table in the folder for a while. Raises Unavailable, TableDamaged."""
        ...

    def remove(self, paths: Iterable[Path]) -> None:
        """Have the table keep these files no more, which no version names. Raises Unavailable."""
        ...

    def vacuum(self, kept: Collection[Path], since: float) -> int:
        """Delete files of rows older than ``since`` that are not among ``kept``; return how many."""
        ...


class LocalBacking:
    """Implements Backing for tables that lie in the home itself: the folder has all there is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pull(self) -> None:
        place = self._folder / LOCATION_FILE
        if place.exists():
            raise TableDamaged(f"this table lies in {place.read_text().strip()}: set lake.location to where it does")

    def put(self, paths: Iterable[Path]) -> None:
        pass

    def publish(self, version: Path) -> None:
        pass

    def reading(self, paths: Iterable[Path]) -> AbstractContextManager[None]:
        return nullcontext()

    def remove(self, paths: Iterable[Path]) -> None:
        pass

    def vacuum(self, kept: Collection[Path], since: float) -> int:
        return 0


class Mirror:
    """Everything below one location, over the folder of the home that mirrors it; tables get a MirrorBacking each.

    ``owner`` names the installation: another one's location is not touched. Files of rows stay in the folder while they
    have ``max_bytes`` at most together; those read last stay longest, and those that are being read stay.
    """

    def __init__(self, objects: Objects, location: str, folder: Path, owner: str, max_bytes: int) -> None:
        self.objects = objects
        self.location = location
        self.folder = folder
        self._owner = owner
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._sizes: OrderedDict[Path, int] = OrderedDict()
        self._pins: Counter[Path] = Counter()
        self._bringing: dict[Path, threading.Lock] = {}
        self._is_claimed = False
        self.threads = ThreadPoolExecutor(TRANSFERS, thread_name_prefix="lake bucket")

    def key(self, path: Path) -> str:
        """Return the key of a file of the folder."""
        return path.relative_to(self.folder).as_posix()

    def backing(self, table_folder: Path) -> "MirrorBacking":
        """Return what a table in ``table_folder``, a folder below this one's, stands on."""
        return MirrorBacking(self, table_folder)

    def claim(self) -> None:
        """Take the location for this installation, once a process, and learn whether the server keeps its word."""
        if self._is_claimed:
            return
        marker = f'{{"installation": "{self._owner}"}}\n'.encode()
        is_new = self.objects.put_if_absent(OWNER_KEY, marker)
        if not is_new and self.objects.get(OWNER_KEY) != marker:
            raise Unavailable(f"{self.location} holds the tables of another installation")
        if self.objects.put_if_absent(OWNER_KEY, marker):
            # The home is held by one process, and the location by one home: looking before each put is enough.
            self.objects.honours_condition = False
            _log.warning("lake_location_ignores_if_none_match", location=self.location)
        self._is_claimed = True

    def added(self, path: Path) -> None:
        """Count a file of rows that the bucket has, too, among those that may go."""
        with self._guard:
            self._sizes[path] = path.stat().st_size
            self._sizes.move_to_end(path)

    @contextmanager
    def reading(self, paths: Iterable[Path]) -> Iterator[None]:
        """Have files of the bucket in the folder until the end."""
        wanted = [path for path in paths if path.is_relative_to(self.folder)]
        with self._guard:
            self._pins.update(wanted)
        try:
            missing = [path for path in wanted if not path.exists()]
            list(self.threads.map(self._bring, missing))
            with self._guard:
                for path in wanted:
                    if path in self._sizes:
                        self._sizes.move_to_end(path)
            self.trim()
            yield
        finally:
            with self._guard:
                self._pins.subtract(wanted)
                self._pins = +self._pins
            self.trim()

    def _bring(self, path: Path) -> None:
        with self._guard:
            turn = self._bringing.setdefault(path, threading.Lock())
        with turn:
            if not path.exists():
                download(self.objects, self.key(path), path)
                self.added(path)
        with self._guard:
            self._bringing.pop(path, None)

    def trim(self) -> None:
        """Let files go, those read longest ago first, until the rest has ``max_bytes``."""
        with self._guard:
            total = sum(self._sizes.values())
            for path in list(self._sizes):
                if total <= self._max_bytes:
                    return
                if not self._pins[path]:
                    total -= self._sizes.pop(path)
                    path.unlink(missing_ok=True)

    def forget_gone(self, folder: Path) -> None:
        """Count the files below a folder no more that are gone."""
        with self._guard:
            for path in [path for path in self._sizes if path.is_relative_to(folder) and not path.exists()]:
                del self._sizes[path]

    def remove(self, table_folder: Path) -> None:
        """Delete a table with every object of it. Raises Unavailable."""
        self.claim()
        # The log last: a table that is there in part is still known for one.
        keys = [found.key for found in self.objects.list(self.key(table_folder) + "/")]
        log = f"{self.key(table_folder)}/{LOG}"
        self.objects.delete([key for key in keys if not key.startswith(log)])
        self.objects.delete([key for key in keys if key.startswith(log)])
        shutil.rmtree(table_folder, ignore_errors=True)
        self.forget_gone(table_folder)

    def close(self) -> None:
        """Let the threads end."""
        self.threads.shutdown()


class MirrorBacking:
    """Implements Backing for one table of a Mirror."""

    def __init__(self, mirror: Mirror, folder: Path) -> None:
        self._mirror = mirror
        self._objects = mirror.objects
        self._folder = folder
        self._table = folder / "table"
        self._log = self._table / "_delta_log"
        self._place = folder / LOCATION_FILE
        self._flushed = folder / "flushed-version"

    def pull(self) -> None:
        self._mirror.claim()
        if self._place.exists() and self._place.read_text().strip() != self._mirror.location:
            raise TableDamaged(f"this table lies in {self._place.read_text().strip()}, not in {self._mirror.location}")
        theirs = self._versions()
        if not self._place.exists() and self._own_versions():
            self._move(theirs)
            theirs = self._versions()
        elif self._put_version() > max(theirs, default=-1):
            raise TableDamaged(f"versions of the table's log that were in {self._mirror.location} are there no more")
        self._take(theirs)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._place.write_text(self._mirror.location + "\n")
        self._flushed.write_text(str(max(theirs, default=-1)))
        for path in sorted(self._table.glob(f"{PARTITION_COLUMN}=*/*.parquet")):
            self._mirror.added(path)
        self._mirror.trim()

    def _put_version(self) -> int:
        """Return the last version that this home knows to be in the bucket."""
        try:
            return int(self._flushed.read_text())
        except (FileNotFoundError, ValueError):
            return -1

    def _versions(self) -> dict[int, int]:
        """Return the size of each version that the bucket has. Raises TableDamaged where one is missing between."""
        found = {}
        for listed in self._objects.list(self._key(self._log) + "/"):
            name = listed.key.rpartition("/")[2]
            if name.endswith(".json") and name[:-5].isdigit():
                found[int(name[:-5])] = listed.size_bytes
        if sorted(found) != list(range(len(found))):
            raise TableDamaged(f"versions of the table's log are missing in {self._mirror.location}")
        return found

    def _own_versions(self) -> dict[int, Path]:
        return {int(path.stem): path for path in sorted(self._log.glob("*.json")) if path.stem.isdigit()}

    def _take(self, theirs: dict[int, int]) -> None:
        """Make the folder's log the bucket's. The last version is always read again: it vouches for all before."""
        own = self._own_versions()
        last = max(theirs, default=-1)
        wrong = [n for n, size in theirs.items() if n == last or n not in own or own[n].stat().st_size != size]
        paths = [self._log / f"{number:020d}.json" for number in wrong]
        list(self._mirror.threads.map(lambda path: download(self._objects, self._key(path), path), paths))
        for number in own.keys() - theirs.keys():
            own[number].unlink()
        for path in self._log.glob("*.checkpoint*.parquet"):
            if int(path.name[:20]) > last:
                path.unlink()
                (self._log / "_last_checkpoint").unlink(missing_ok=True)

    def _move(self, theirs: dict[int, int]) -> None:
        """Bring a table that was made in the home to the bucket: its files first, then its log, version by version."""
        own = self._own_versions()
        if not theirs.keys() <= own.keys() or any(
            own[number].stat().st_size != size for number, size in theirs.items()
        ):
            raise TableDamaged(f"{self._mirror.location} has another table of the same id than the home")
        _log.info("lake_table_moves", location=self._mirror.location, table=self._folder.name, versions=len(own))
        self.put(sorted(self._table.glob(f"{PARTITION_COLUMN}=*/*.parquet")))
        self.put(sorted((self._folder / "set-aside").glob("*.ndjson")))
        for _, path in sorted(own.items()):
            self.publish(path)

    def put(self, paths: Iterable[Path]) -> None:
        list(self._mirror.threads.map(self._put, paths))
        self._mirror.trim()

    def _put(self, path: Path) -> None:
        self._objects.put(self._key(path), path.read_bytes())
        if path.parent.name.startswith(f"{PARTITION_COLUMN}="):
            self._mirror.added(path)

    def publish(self, version: Path) -> None:
        key, body = self._key(version), version.read_bytes()
        if self._objects.put_if_absent(key, body):
            return
        try:
            if self._objects.get(key) == body:
                return  # an earlier try of ours whose answer was lost
        except ObjectGone:
            pass
        raise Unavailable(f"{key} is another version than the one that was to be put: the table is opened anew")

    def reading(self, paths: Iterable[Path]) -> AbstractContextManager[None]:
        return self._mirror.reading(paths)

    def remove(self, paths: Iterable[Path]) -> None:
        self._objects.delete([self._key(path) for path in paths])

    def vacuum(self, kept: Collection[Path], since: float) -> int:
        moment = datetime.fromtimestamp(since, UTC)
        keys = {self._key(path) for path in kept}
        gone = [
            listed.key
            for listed in self._objects.list(f"{self._key(self._table)}/{PARTITION_COLUMN}=")
            if listed.key not in keys and listed.modified_at < moment
        ]
        self._objects.delete(gone)
        self._mirror.forget_gone(self._table)
        return len(gone)

    def _key(self, path: Path) -> str:
        return self._mirror.key(path)


def remove_table(folder: Path, mirror: Mirror | None) -> None:
    """Delete the table of a folder with every file of it, wherever it lies; blocks. Raises Unavailable."""
    if mirror is not None:
        mirror.remove(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
