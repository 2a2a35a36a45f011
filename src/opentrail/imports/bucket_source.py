"""A bucket's objects below a prefix as a source of log files (port: log_source)."""

from collections.abc import AsyncIterator

from opentrail.imports.selection import KeySelection
from opentrail.ports.log_source import LogObject
from opentrail.ports.object_store import ObjectStore


class BucketSource:
    """Implements LogSource over an object store, in the order of keys.

    Days and Regions that are not asked for are not even listed.
    """

    def __init__(self, store: ObjectStore, prefix: str, selection: KeySelection) -> None:
        self._store = store
        self._prefix = prefix
        self._selection = selection

    async def list(self, start_after: str = "") -> AsyncIterator[LogObject]:
        after: str | None = start_after
        while after is not None:
            listing, after = self._store.list(self._prefix, after), None
            async for summary in listing:
                if self._selection.takes(summary.key):
                    yield LogObject(summary.key, summary.size_bytes)
                elif skip := self._selection.skip_to(summary.key):
                    after = skip
                    break

    async def read(self, key: str) -> bytes:
        return (await self._store.get(key)).body
