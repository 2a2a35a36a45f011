"""The query engine: runs one checked statement over tables that it is handed, and nothing else."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from opentrail.ports import PortError
from opentrail.ports.lake_table import ArrowStream

PAGE_ROWS = 1000
"""Rows of a page of results, the last one excepted: the most that GetQueryResults gives at once."""


class QueryFailed(PortError):
    """The statement cannot be answered; the text is for its writer, and names nothing of this installation."""


class QueryTimedOut(QueryFailed):
    """The query ran for as long as one may."""


@dataclass(frozen=True, slots=True)
class RowSource:
    """Rows of SQLite files: what ``statement`` gives for ``parameters`` in each of ``files``. A file may be gone.

    A row is ``constants``, then the statement's own columns, the first of them (a text) replaced by what ``named`` has
    for it; a row that it has nothing for is left out. A last column that is a sealed text (``envelope``) is
    bound to the first two; ``data_keys`` has what opens it, base64 by the key's id in hexadecimal. ``sealed_by`` is one
    of these keys: its blob in base64, and what it was made for.
    """

    files: tuple[str, ...]
    statement: str
    parameters: tuple[int | str, ...]
    constants: tuple[str, ...]
    named: Mapping[str, str]
    data_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    sealed_by: tuple[str, str] | None = None


class Needle(NamedTuple):
    """A column by its path (``useridentity.arn``), and the texts one of which it must be equal to."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineTable:
    """One table as the statement names it: Parquet files and rows in memory, both with ``columns`` among theirs; or the
    rows of ``sources``, which the statement can read once. Of no interest to the statement is a row of files that does
    not have what each of ``needles`` says. ``file_keys`` has the key of each of ``files`` that is encrypted."""

    name: str
    columns: tuple[str, ...]
    column_types: tuple[str, ...]
    files: tuple[str, ...]
    fresh: ArrowStream | None
    sources: tuple[RowSource, ...] = ()
    needles: tuple[Needle, ...] = ()
    file_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    is_encrypted: bool = False
    """Whether rows of it, in files or in memory, may be written nowhere in the clear."""


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """What a finished query took: rows of its result, bytes that it read of files and of rows in memory, and how many
    rows of its tables its conditions on them let through; of sources also how many rows they had.

    ``tables_unread`` are those of which every row passes, as the engine knew without reading them: none of their rows
    is in ``rows_matched``.
    """

    rows: int
    bytes_scanned: int
    rows_matched: int = 0
    rows_scanned: int = 0
    tables_unread: int = 0


KeepPage = Callable[[bytes, int], Awaitable[None]]
"""Takes a page of the result: a JSON array of rows (each an array of strings and nulls), and how many they are."""


class QueryEngine(Protocol):
    """At most a stated number of queries run at a time; others wait."""

    async def run(
        self,
        sql: str,
        tables: Sequence[EngineTable],
        keep_page: KeepPage,
        on_start: Callable[[], None] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> EngineStatistics:
        """Run ``sql`` and hand over its result page by page, PAGE_ROWS each, in order.

        ``on_start`` is called once the query no longer waits for others, ``on_progress`` now and then with the part
        that is done (0 to 1, an estimate). Cancelling the task stops the query at once.
        Raises QueryFailed, QueryTimedOut; pages that were kept by then are valid.
        """
        ...

    async def close(self) -> None:
        """End what waits for a next query; what runs is its caller's to cancel."""
        ...
