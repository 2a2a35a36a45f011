"""The import log: the imports of the last seven days, how far each is, and what of each failed."""

from collections.abc import Sequence
from typing import Protocol

from opentrail.resource.lake_import import ImportFailure, LakeImport


class ImportLog(Protocol):
    """All methods raise Unavailable."""

    async def store(self, lake_import: LakeImport) -> None:
        """Keep an import in place of what was kept of it; durable on return."""
        ...

    async def imports(self) -> Sequence[LakeImport]:
        """Return every import that is kept, in no particular order."""
        ...

    async def append_failures(self, import_id: str, file: int, start: int, failures: Sequence[ImportFailure]) -> int:
        """Add failures at byte ``start`` of the ``file``-th file, durably; return where they end.

        What an earlier try left behind ``start`` is cut off: only failures up to an import's ``failures_at`` count.
        """
        ...

    async def read_failures(
        self, import_id: str, file: int, start: int, end: int, limit: int
    ) -> tuple[Sequence[ImportFailure], int]:
        """Return up to ``limit`` failures between two bytes of a file, and where the next one starts (``end`` when none
        does)."""
        ...

    async def remove(self, import_id: str) -> None:
        """Forget an import and its failures."""
        ...
