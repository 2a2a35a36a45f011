"""Where Event history keeps its files, and how a segment's name tells its day.

``tail.sqlite`` is the tail and the list of segments in force; ``segments/YYYY-MM-DD.NNNNNNNN.segment`` are immutable;
``*.partial`` is a segment being written. A file that the list does not name is litter of a crash.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DAY_SECONDS = 86_400
SEGMENT_SUFFIX = ".segment"
PARTIAL_SUFFIX = ".partial"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one history folder."""

    folder: Path

    @property
    def tail(self) -> Path:
        return self.folder / "tail.sqlite"

    @property
    def segments(self) -> Path:
        return self.folder / "segments"

    @property
    def columns(self) -> Path:
        return self.folder / "columns"

    def columns_of(self, name: str) -> Path:
        """Return where the columns of a segment are, if they were made."""
        return self.columns / name

    def segment(self, name: str) -> Path:
        return self.segments / name

    def segment_names(self) -> set[str]:
        """Return the names of all files among the segments, finished or not."""
        return {path.name for path in self.segments.iterdir()}


def segment_name(day: int, number: int) -> str:
    """Return the file name of segment ``number`` of ``day`` (days since 1970-01-01, UTC)."""
    date = datetime.fromtimestamp(day * DAY_SECONDS, UTC).date()
    return f"{date.isoformat()}.{number:08}{SEGMENT_SUFFIX}"


def segment_number(name: str) -> int:
    """Return the number in a segment's file name; raises ValueError for any other name."""
    return int(name.split(".")[1])
