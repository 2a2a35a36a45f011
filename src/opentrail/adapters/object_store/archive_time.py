"""The archives' own time: how far time was seen to pass, so that a clock set forward frees nothing early.

``time.json`` keeps it (docs/formats/archive.md, "Time"). It goes on by the seconds since the machine's boot, which no
setting of the clock changes, and never beyond the clock itself. Only the process that holds the home asks for it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import orjson
import structlog

from opentrail.adapters.object_store import durable_file
from opentrail.clock import Clock

MAX_UNSEEN = timedelta(days=3)
"""How much of the time that the machine was off is believed: a long weekend."""

MAX_RATE = 1.001
"""How fast it may go on against the seconds since boot, so that it catches up with a clock that was right after all."""

SAVE_EVERY = timedelta(minutes=1)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PROCESS_ID = f"process-{uuid4()}"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BootTime:
    """Seconds since the machine started, sleep included, and which start that was."""

    boot_id: str
    seconds: float


def boot_time() -> BootTime:
    """Return the machine's; where it does not tell starts apart, this process's."""
    try:
        return BootTime(_BOOT_ID.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME))
    except (OSError, AttributeError):
        return BootTime(_PROCESS_ID, time.monotonic())


@dataclass(frozen=True, slots=True)
class _Mark:
    witnessed: datetime
    boot: BootTime


class ArchiveTime:
    """Time for the rules of archives. ``begins_at`` says where it starts when ``path`` is not there: None for now."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        begins_at: Callable[[], datetime | None] = lambda: None,
        boot: Callable[[], BootTime] = boot_time,
    ) -> None:
        self._path = path
        self._clock = clock
        self._begins_at = begins_at
        self._boot = boot
        self._lock = threading.Lock()
        self._mark: _Mark | None = None
        self._saved: datetime | None = None

    def earliest(self) -> datetime:
        """Return the earlier of own time and clock: what is over by then is over for certain."""
        return min(self._witnessed(), self._clock.now())

    def latest(self) -> datetime:
        """Return the later of own time and clock: what begins then begins late enough."""
        return max(self._witnessed(), self._clock.now())

    def _witnessed(self) -> datetime:
        with self._lock:
            wall, boot = self._clock.now(), self._boot()
            mark = self._mark or self._load() or _Mark(self._begins_at() or wall, boot)
            if boot.boot_id == mark.boot.boot_id:
                passed = timedelta(seconds=max(0.0, boot.seconds - mark.boot.seconds) * MAX_RATE)
            else:
                passed = MAX_UNSEEN + timedelta(seconds=boot.seconds)
            witnessed = max(mark.witnessed, min(wall, mark.witnessed + passed))
            self._mark = _Mark(witnessed, boot)
            if self._saved is None or witnessed - self._saved >= SAVE_EVERY:
                self._save(wall)
            return witnessed

    def _load(self) -> _Mark | None:
        try:
            kept = orjson.loads(self._path.read_bytes())
            boot = BootTime(str(kept["boot_id"]), float(kept["boot_seconds"]))
            return _Mark(datetime.fromisoformat(kept["witnessed"]).astimezone(UTC), boot)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, OverflowError, KeyError, TypeError) as error:
            _log.error("the archives' own time cannot be read; it starts again", path=str(self._path), error=str(error))
            return None

    def _save(self, wall: datetime) -> None:
        """Keep the mark; a disk that takes nothing leaves the older one, which frees nothing earlier."""
        assert self._mark is not None
        kept = {
            "witnessed": self._mark.witnessed.isoformat(),
            "wall": wall.isoformat(),
            "boot_id": self._mark.boot.boot_id,
            "boot_seconds": self._mark.boot.seconds,
        }
        new = self._path.with_name(self._path.name + ".new")
        try:
            new.unlink(missing_ok=True)
            durable_file.write_synced(new, orjson.dumps(kept))
            durable_file.replace(new, self._path)
            self._saved = self._mark.witnessed
        except OSError as error:
            _log.warning("the archives' own time could not be kept", error=str(error))
