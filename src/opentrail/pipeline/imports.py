"""Imports: started, run each in a task, kept for seven days with their failures."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import structlog

from opentrail.clock import Clock, Identifiers
from opentrail.imports.batch import RecordFilter
from opentrail.imports.selection import KeySelection
from opentrail.pipeline.import_job import ImportJob
from opentrail.ports import PortError, Unavailable
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.import_log import ImportLog
from opentrail.ports.lake_table import LakeAppender
from opentrail.ports.log_source import LogSource
from opentrail.ports.object_store import AccessRefused, BucketNotFound
from opentrail.resource.event_data_store import EventDataStore
from opentrail.resource.lake_import import (
    ImportFailure,
    ImportSource,
    ImportStatus,
    LakeImport,
)

UPKEEP_SECONDS = 600.0

OpenSource = Callable[[ImportSource, KeySelection], LogSource]

_log = structlog.get_logger(__name__)


class OngoingImport(PortError):
    """The account has an import running already: its id."""


class ImportGone(PortError):
    """The event data store of an import is gone or pending deletion."""


class Imports:
    """All imports of this installation. ``open`` first; ``close`` stops the work, which the next process takes up."""

    def __init__(
        self,
        log: ImportLog,
        stores: EventDataStores,
        open_source: OpenSource,
        lake: LakeAppender,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._log = log
        self._stores = stores
        self._open_source = open_source
        self._lake = lake
        self._clock = clock
        self._identifiers = identifiers
        self._imports: dict[str, LakeImport] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Take up what was kept: imports that an earlier process left unfinished go on where they were.

        One that needs its caller's own credentials counts as stopped.
        """
        for one in await self._log.imports():
            self._imports[one.id] = one
        for one in [one for one in self._imports.values() if not one.status.is_final]:
            if one.source.endpoint_url:
                await self._keep(replace(one, status=ImportStatus.STOPPED, updated_at=self._clock.now()))
            else:
                self._begin(one.id, None)

    async def close(self) -> None:
        """End the work; what is unfinished stays so."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def start(
        self,
        store: EventDataStore,
        source: ImportSource,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        via: LogSource | None = None,
    ) -> LakeImport:
        """Begin an import, durably. ``via`` reads the source in place of this installation's own way to it.

        Raises OngoingImport and Unavailable.
        """
        self._check_none_runs(store.account_id)
        now = self._clock.now()
        made = LakeImport(
            id=self._identifiers.uuid(),
            account_id=store.account_id,
            region=store.home_region,
            destination=store.arn,
            source=source,
            created_at=now,
            updated_at=now,
            start_time=start_time,
            end_time=end_time,
        )
        await self._keep(made)
        self._begin(made.id, via)
        return made

    async def resume(self, lake_import: LakeImport, via: LogSource | None = None) -> LakeImport:
        """Start an import again that failed or was stopped: behind what is done, and with what failed.

        Raises OngoingImport and Unavailable.
        """
        self._check_none_runs(lake_import.account_id)
        again = replace(
            self._imports[lake_import.id],
            status=ImportStatus.INITIALIZING,
            updated_at=self._clock.now(),
            error_message="",
        )
        await self._keep(again)
        self._begin(again.id, via)
        return again

    async def stop(self, lake_import: LakeImport) -> LakeImport:
        """Stop an import; what it did stays. One that has ended stays as it is."""
        await self._cancel(lake_import.id)
        current = self._imports[lake_import.id]
        if not current.status.is_final:
            await self._keep(replace(current, status=ImportStatus.STOPPED, updated_at=self._clock.now()))
        return self._imports[lake_import.id]

    def find(self, import_id: str, account_id: str) -> LakeImport | None:
        """Return one import of an account, None when there is none, or it ended seven days ago."""
        found = self._imports.get(import_id)
        is_seen = found is not None and found.account_id == account_id and found.is_kept(self._clock.now())
        return found if is_seen else None

    def of_account(self, account_id: str) -> Sequence[LakeImport]:
        """Return an account's imports, newest first."""
        now = self._clock.now()
        found = [one for one in self._imports.values() if one.account_id == account_id and one.is_kept(now)]
        return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)

    def is_running_into(self, arn: str) -> bool:
        """Say whether an import brings events to an event data store right now."""
        return any(one.destination == arn and not one.status.is_final for one in self._imports.values())

    async def failures(
        self, lake_import: LakeImport, start: int, limit: int
    ) -> tuple[Sequence[ImportFailure], int | None]:
        """Return up to ``limit`` failures from a place on, 0 at first, and the place of the next, None at the end."""
        current = self._imports[lake_import.id]
        end = current.failures_at
        found, after = await self._log.read_failures(current.id, current.failures_file, start, end, limit)
        return found, after if after < end else None

    async def wait(self, lake_import: LakeImport, seconds: float) -> LakeImport:
        """Return the import as it is once it has ended, or after that long."""
        task = self._tasks.get(lake_import.id)
        if task is not None:
            await asyncio.wait([task], timeout=seconds)
        return self._imports[lake_import.id]

    async def run(self) -> None:
        """Forget imports that ended seven days ago, until cancelled."""
        while True:
            for one in [one for one in self._imports.values() if not one.is_kept(self._clock.now())]:
                await self._log.remove(one.id)
                del self._imports[one.id]
            await asyncio.sleep(UPKEEP_SECONDS)

    def _check_none_runs(self, account_id: str) -> None:
        for one in self._imports.values():
            if one.account_id == account_id and not one.status.is_final:
                raise OngoingImport(one.id)

    def _begin(self, import_id: str, via: LogSource | None) -> None:
        task = asyncio.create_task(self._run(import_id, via), name=f"import {import_id}")
        self._tasks[import_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(import_id, None))

    async def _cancel(self, import_id: str) -> None:
        task = self._tasks.get(import_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self, lake_import: LakeImport) -> None:
        self._imports[lake_import.id] = lake_import
        await self._log.store(lake_import)

    async def _run(self, import_id: str, via: LogSource | None) -> None:
        message = ""
        try:
            await self._work(import_id, via)
            has_failed = self._imports[import_id].statistics.failed_entries > 0
        except asyncio.CancelledError:
            raise
        except BucketNotFound as error:
            source = self._imports[import_id].source
            has_failed, message = True, f"there is no bucket {source.bucket}" if source.is_bucket else str(error)
        except AccessRefused as error:
            has_failed, message = True, f"the source cannot be read: {error}"
        except PortError as error:
            has_failed, message = True, str(error) or type(error).__name__
        except Exception:  # the edge of a worker: whatever it was, the import has failed
            _log.exception("import_failed", import_id=import_id)
            has_failed, message = True, "the import failed because of an unknown error; the server's log says why"
        status = ImportStatus.FAILED if has_failed else ImportStatus.COMPLETED
        ended = replace(self._imports[import_id], status=status, updated_at=self._clock.now(), error_message=message)
        with suppress(Unavailable):
            await self._keep(ended)
        self._imports[import_id] = ended
        _log.info("import_ended", import_id=import_id, status=str(status), message=message)

    async def _work(self, import_id: str, via: LogSource | None) -> None:
        lake_import = self._imports[import_id]
        store = await self._stores.event_data_store(lake_import.destination)
        if store is None or store.is_pending_deletion:
            raise ImportGone(f"the event data store {lake_import.destination} is gone")
        wanted = KeySelection(
            lake_import.start_time, lake_import.end_time, lake_import.source.regions, lake_import.source.is_strict
        )
        job = ImportJob(
            lake_import,
            via or self._open_source(lake_import.source, wanted),
            self._lake,
            RecordFilter(lake_import.start_time, lake_import.end_time, lake_import.source.regions),
            self._log,
            self._clock,
            lambda changed: self._imports.__setitem__(import_id, changed),
        )
        await job.run()
