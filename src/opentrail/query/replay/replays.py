"""Replays of one installation: started, watched and stopped by id; a few run at a time, the last ones are kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from opentrail.clock import Clock, Identifiers
from opentrail.ports import PortError, Unavailable
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.lake_table import Lake, TableNotFound
from opentrail.ports.replay import CountableHistory, CountableLake, Counted, CountingFailed, CountingJob, Progress
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.lake import store_named, tables_of
from opentrail.query.replay.report import Effort, report_of
from opentrail.query.replay.requests import HISTORY, ReplayRequest
from opentrail.query.replay.rules import InvalidReplay
from opentrail.resource.event_data_store import EventDataStore

RUNNING_REPLAYS = 1
"""Replays that run at the same time; each takes two processes. Others wait."""

WAITING_REPLAYS = 5
KEPT_REPLAYS = 20
KEPT_SECONDS = 3600.0

_log = structlog.get_logger(__name__)


class TooManyReplays(PortError):
    """As many replays wait as may."""


@dataclass
class Replay:
    """One replay. ``state`` is WAITING, RUNNING, FINISHED, FAILED or CANCELLED; ``owner`` is the account that asked.

    ``source`` is ``history``, or the ARN of the event data store.
    """

    id: str
    owner: str
    source: str
    state: str = "WAITING"
    passed: int = 0
    total: int = 0
    error: str = ""
    report: dict[str, Any] | None = None
    ended_at: float | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def to_wire(self) -> dict[str, Any]:
        return {
            "ReplayId": self.id,
            "State": self.state,
            "EventsPassed": self.passed,
            "EventsTotal": self.total,
            "Error": self.error,
            "Report": self.report,
        }


class ReplayRunner:
    """Runs one replay over Event history or an event data store."""

    def __init__(
        self,
        history: CountableHistory,
        lake: Lake | None,
        counting: CountableLake | None,
        stores: EventDataStores,
        regions: Callable[[], Awaitable[Sequence[str]]],
    ) -> None:
        self._history = history
        self._lake = lake
        self._counting = counting
        self._stores = stores
        self._regions = regions

    async def store_of(self, request: ReplayRequest, account_id: str) -> EventDataStore | None:
        """Return the event data store that a request names, None for Event history. Raises InvalidReplay."""
        if request.source == HISTORY:
            return None
        return store_named(request.source, await self._stores.event_data_stores(account_id))

    async def run(self, request: ReplayRequest, account_id: str, on_progress: Progress) -> dict[str, Any]:
        """Return the report. Raises InvalidReplay, CountingFailed, Unavailable."""
        began = time.monotonic()
        store = await self.store_of(request, account_id)
        job = CountingJob(
            rules=tuple(asked.to_count() for asked in request.rules),
            start=int(request.start.timestamp()),
            end=int(request.end.timestamp()),
            max_examples=request.max_examples,
            account_id=request.account_id or account_id,
            regions=request.regions or tuple(await self._regions()),
        )
        counted = await (self._count_store(store, job, on_progress) if store else self._history.count(job, on_progress))
        merged = Counter([asked.rule for asked in request.rules], [], job.start, job.end, job.max_examples)
        for part in counted.parts:
            merged.merge(part)
        effort = Effort(counted.events, merged.unreadable, time.monotonic() - began, counted.method)
        source = store.arn if store else HISTORY
        return await asyncio.to_thread(report_of, request, source, merged.tallies, effort)

    async def _count_store(self, store: EventDataStore, job: CountingJob, on_progress: Progress) -> Counted:
        if self._lake is None or self._counting is None:
            raise InvalidReplay("event data stores are replayed by a running server: start `opentrail serve`")
        try:
            snapshot = await self._lake.snapshot(store.arn)
        except TableNotFound as error:
            raise InvalidReplay("the event data store is gone") from error
        return await self._counting.count(tables_of(snapshot, job), job, on_progress)


class Replays:
    """All replays that were asked for of this process."""

    def __init__(self, runner: ReplayRunner, clock: Clock, identifiers: Identifiers) -> None:
        self.runner = runner
        self._clock = clock
        self._identifiers = identifiers
        self._replays: dict[str, Replay] = {}
        self._places = asyncio.Semaphore(RUNNING_REPLAYS)

    def start(self, request: ReplayRequest, account_id: str, store_arn: str = "") -> Replay:
        """Queue a replay for an account, over the event data store that the request names. Raises TooManyReplays."""
        self._forget_old()
        if sum(replay.ended_at is None for replay in self._replays.values()) >= RUNNING_REPLAYS + WAITING_REPLAYS:
            raise TooManyReplays("as many replays wait as may; try again when one has ended, or cancel one")
        replay = Replay(self._identifiers.uuid(), account_id, store_arn or HISTORY)
        self._replays[replay.id] = replay
        replay.task = asyncio.create_task(self._run(replay, request), name=f"replay {replay.id}")
        return replay

    def find(self, replay_id: str, account_id: str) -> Replay | None:
        """Return an account's replay, None when there is none or it was forgotten."""
        self._forget_old()
        replay = self._replays.get(replay_id)
        return replay if replay is not None and replay.owner == account_id else None

    async def cancel(self, replay: Replay) -> None:
        """Stop a replay that has not ended; it has on return."""
        if replay.task is not None and not replay.task.done():
            replay.task.cancel()
            await asyncio.gather(replay.task, return_exceptions=True)
            if replay.ended_at is None:  # it had not begun
                replay.state, replay.ended_at = "CANCELLED", time.monotonic()

    async def close(self) -> None:
        """Stop every replay."""
        for replay in list(self._replays.values()):
            await self.cancel(replay)

    async def _run(self, replay: Replay, request: ReplayRequest) -> None:
        def note(passed: int, total: int) -> None:
            replay.passed, replay.total = passed, total

        try:
            async with self._places:
                replay.state = "RUNNING"
                replay.report = await self.runner.run(request, replay.owner, note)
                replay.state = "FINISHED"
        except asyncio.CancelledError:
            replay.state = "CANCELLED"
        except (InvalidReplay, CountingFailed) as error:
            replay.state, replay.error = "FAILED", str(error)
        except Unavailable:
            replay.state, replay.error = "FAILED", "a store does not answer; try again"
        except Exception:  # the edge of a worker: whatever it was, the replay has failed
            _log.exception("a replay failed", replay=replay.id)
            replay.state, replay.error = "FAILED", "the replay failed because of an unknown error; the log says more"
        finally:
            replay.ended_at = time.monotonic()

    def _forget_old(self) -> None:
        now = time.monotonic()
        ended = [replay for replay in self._replays.values() if replay.ended_at is not None]
        ended.sort(key=lambda replay: replay.ended_at or 0.0, reverse=True)
        for place, replay in enumerate(ended):
            if place >= KEPT_REPLAYS or now - (replay.ended_at or now) > KEPT_SECONDS:
                del self._replays[replay.id]
