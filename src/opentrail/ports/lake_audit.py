"""What a verification reads of a lake table: its log and its rows as they stand, whoever wrote them.

Nothing here trusts a table: what cannot be read is told, and raises nothing but Unavailable.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.digest.lake_chain import FileRows, LogVersion
from opentrail.resource.event_data_store import EventDataStore

MAX_NAMED_ROWS = 20
"""So many rows of a file are named whose columns are not what their record says."""


@dataclass(frozen=True, slots=True)
class FileExtent:
    """A file's size, rows and times from the first to the last event: what readers skip files by."""

    size_bytes: int
    rows: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class FileProof:
    """What one file holds: its rows by commit, and rows that contradict themselves, each said in words.

    ``fault`` says why the file cannot be read; it is "not there" for one that is missing.
    """

    path: str
    extent: FileExtent | None = None
    commits: tuple[FileRows, ...] = ()
    odd_rows: tuple[str, ...] = ()
    odd_count: int = 0
    fault: str = ""


NOT_THERE = "it is not there"


class LakeAudit(Protocol):
    """Reads tables beside whoever writes them. Paths are relative to the table, as its log has them."""

    async def versions(self, store: EventDataStore) -> Sequence[LogVersion]:
        """Return the versions of the log, oldest first; none when there is no table."""
        ...

    async def listed(self, store: EventDataStore, version: int) -> Mapping[str, FileExtent] | str:
        """Return the files that readers are given for a version and what they are told of each, or in words why there
        are none."""
        ...

    def read(self, store: EventDataStore, paths: Sequence[str]) -> AsyncIterator[FileProof]:
        """Read files, many at a time, and yield what each holds, in the order of ``paths``."""
        ...

    async def leaves(self, store: EventDataStore, path: str, commit: int) -> Sequence[tuple[int, bytes]]:
        """Return (``_index``, leaf hash) of one commit's rows in a file; none where it cannot be read."""
        ...

    async def set_aside(self, store: EventDataStore, commit: int) -> int:
        """Return how many records lie beside the table as set aside by a commit."""
        ...
