"""The operator's imports: started, watched and stopped; JSON-ready arguments in, JSON-ready answers out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from opentrail.clock import Clock, Identifiers
from opentrail.errors import OperatorError
from opentrail.imports.selection import KeySelection
from opentrail.pipeline.imports import Imports, OngoingImport
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.journal import Journal, SettingsEntry
from opentrail.ports.log_source import LogSource
from opentrail.resource.event_data_store import (
    EventDataStore,
    EventDataStoreKind,
    Status,
    event_data_store_arn,
)
from opentrail.resource.lake_import import ImportFailure, ImportSource, ImportStatus, LakeImport

DEFAULT_STORE = "imported"
"""Where imports go unless they are told: made when there is none, with the longest retention, collecting nothing."""

DEFAULT_RETENTION_DAYS = 3653
MAX_WAIT_SECONDS = 10.0
FAILURES_PER_PAGE = 500

Answer = dict[str, Any]
Record = Callable[[str, str, dict[str, Any]], Awaitable[None]]
OpenWithKey = Callable[[ImportSource, KeySelection, Mapping[str, str]], LogSource]
"""Opens a source with the caller's own credentials: ``access_key_id``, ``secret_access_key``, ``session_token``."""


class ImportAdministration:
    """The operator's commands about imports. Every method raises OperatorError."""

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        imports: Imports,
        stores: EventDataStores,
        journal: Journal,
        catch_up: Callable[[], Awaitable[None]],
        record: Record,
        open_with_key: OpenWithKey,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._account_id = account_id
        self._region = region
        self._imports = imports
        self._stores = stores
        self._journal = journal
        self._catch_up = catch_up
        self._record = record
        self._open_with_key = open_with_key
        self._clock = clock
        self._identifiers = identifiers

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        commands = (self.begin_import, self.import_progress, self.stop_import, self.imports_seen, self.import_failures)
        return {command.__name__: command for command in commands}

    async def begin_import(
        self,
        uri: str,
        into: str = "",
        regions: Sequence[str] = (),
        start: str = "",
        end: str = "",
        endpoint_url: str = "",
        key: Mapping[str, str] | None = None,
    ) -> Answer:
        """Begin an import, or go on with the same one that was interrupted; return how it stands.

        ``uri`` is ``s3://bucket/prefix`` or an absolute path; ``into`` an event data store's name, id or ARN. With
        ``key`` the bucket is read at ``endpoint_url`` with these credentials, which are kept in memory only.
        """
        store = await self.store_named(into)
        source = ImportSource(uri, regions=tuple(regions), endpoint_url=endpoint_url)
        since, until = (datetime.fromisoformat(text) if text else None for text in (start, end))
        via = None
        if key is not None:
            via = self._open_with_key(source, KeySelection(since, until, source.regions), key)
        before = self._unfinished(store.arn, source, (since, until))
        try:
            if before is not None:
                begun = before if not before.status.is_final else await self._imports.resume(before, via)
            else:
                begun = await self._imports.start(store, source, since, until, via)
        except OngoingImport as error:
            raise OperatorError(
                f"the import {error} is still running: wait for it (opentrail imports), or stop it "
                f"(aws cloudtrail stop-import --import-id {error})"
            ) from error
        details = {"importId": begun.id, "destination": store.arn, "source": uri}
        await self._record("cloudtrail.amazonaws.com", "StartImport", details)
        return {"store": store.name, "is_resumed": before is not None, **_shown(begun)}

    async def import_progress(self, import_id: str, wait_seconds: float = 0) -> Answer:
        """Return how an import stands once it has ended, or after so many seconds."""
        found = self._found(import_id)
        return _shown(await self._imports.wait(found, min(wait_seconds, MAX_WAIT_SECONDS)))

    async def stop_import(self, import_id: str) -> Answer:
        """Stop an import; what it brought stays."""
        return _shown(await self._imports.stop(self._found(import_id)))

    async def imports_seen(self) -> Answer:
        """Return the account's imports of the last seven days, newest first."""
        return {"imports": [_shown(one) for one in self._imports.of_account(self._account_id)]}

    async def import_failures(self, import_id: str, start: int = 0) -> Answer:
        """Return some failures of an import from a place on, and the place of the next, None at the end."""
        failures, after = await self._imports.failures(self._found(import_id), start, FAILURES_PER_PAGE)
        return {"failures": [_shown_failure(one) for one in failures], "next": after}

    def _found(self, import_id: str) -> LakeImport:
        found = self._imports.find(import_id, self._account_id)
        if found is None:
            raise OperatorError(f"there is no import {import_id[:64]!r}")
        return found

    def _unfinished(self, arn: str, source: ImportSource, times: tuple[datetime | None, ...]) -> LakeImport | None:
        for one in self._imports.of_account(self._account_id):
            if (one.destination, one.source, (one.start_time, one.end_time)) == (arn, source, times):
                is_through = one.status is ImportStatus.FAILED and not one.error_message
                return None if is_through or one.status is ImportStatus.COMPLETED else one
        return None

    async def store_named(self, named: str) -> EventDataStore:
        """Return the event data store of that name, id or ARN, the default one made if it is not there."""
        name = named or DEFAULT_STORE
        now = self._clock.now()
        stores = [one for one in await self._stores.event_data_stores(self._account_id) if not one.is_gone(now)]
        found = next((one for one in stores if name in (one.name, one.id, one.arn)), None)
        if found is None:
            if name != DEFAULT_STORE:
                known = ", ".join(sorted(one.name for one in stores)) or "none"
                raise OperatorError(f"there is no event data store {name[:256]!r}; there are: {known}")
            return await self._make_store(name)
        if found.is_pending_deletion:
            raise OperatorError(f"the event data store {found.name} is pending deletion: restore it, or name another")
        if found.kind is not EventDataStoreKind.CLOUDTRAIL:
            raise OperatorError(f"the event data store {found.name} is not one of CloudTrail events")
        return found

    async def _make_store(self, name: str) -> EventDataStore:
        now = self._clock.now()
        arn = event_data_store_arn(self._region, self._account_id, self._identifiers.uuid())
        store = EventDataStore(
            arn,
            name,
            self._account_id,
            self._region,
            now,
            now,
            status=Status.STOPPED_INGESTION,
            retention_days=DEFAULT_RETENTION_DAYS,
        )
        await self._journal.append([SettingsEntry(arn, store.to_json())])
        await self._catch_up()
        details = {"eventDataStoreArn": arn, "name": name, "retentionPeriod": DEFAULT_RETENTION_DAYS}
        await self._record("cloudtrail.amazonaws.com", "CreateEventDataStore", details)
        return store


def _shown(one: LakeImport) -> Answer:
    return {
        "id": one.id,
        "status": str(one.status),
        "is_final": one.status.is_final,
        "source": one.source.uri,
        "destination": one.destination,
        "created_at": one.created_at.isoformat(),
        "updated_at": one.updated_at.isoformat(),
        "error": one.error_message,
        "statistics": asdict(one.statistics),
    }


def _shown_failure(one: ImportFailure) -> Answer:
    return {**asdict(one), "updated_at": one.updated_at.isoformat()}
