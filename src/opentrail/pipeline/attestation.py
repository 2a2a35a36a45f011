"""Attestation: tells every witness of every digest, and puts what they give beside the digests.

It reads what was planned from the delivery log, in a worker of its own, so that no delivery ever waits for a witness.
Nothing but the receipts is kept: after a restart the digests without one are the work that is left.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from opentrail.clock import Clock
from opentrail.digest.receipt import format_receipt
from opentrail.digest.statement import Statement
from opentrail.pipeline.delivery_context import Backoff
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import AlreadyExists, ObjectStores
from opentrail.ports.witness import (
    AttestationLog,
    AttestationState,
    Receipt,
    Witness,
    WitnessContradicts,
)
from opentrail.resource.witness_layout import receipt_key
from opentrail.waiting import is_set_within

POLL = timedelta(seconds=2)
"""How often the delivery log is asked for new digests."""

LOOK_BACK = timedelta(days=2)
"""How far back that goes; twice the longest digest interval."""

FULL_LOOK = timedelta(minutes=10)
"""How often every digest ever planned is looked at: new witnesses, and digests that an outage held up."""

MAX_AT_ONCE = 50
"""Digests told to one witness in a turn."""

CALLS_IN_FLIGHT = 4
"""Of one witness at a time."""

MAX_STUCK = 1_000
"""Digests with a back-off of their own; those that failed longest ago are tried with the others again."""

RECEIPT_TYPE = "application/json"

_EVER = datetime(1970, 1, 1, tzinfo=UTC)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How one witness stands: what it was not told yet, since when the oldest of it waits, and what is wrong.

    ``error`` is "" while it answers; ``contradictions`` counts digests about which it holds another statement.
    """

    name: str
    pending: int
    oldest: datetime | None
    error: str
    contradictions: int


@dataclass
class _Telling:
    """One witness's worker."""

    witness: Witness
    backoff: Backoff = field(default_factory=Backoff)
    stuck: dict[str, Backoff] = field(default_factory=dict)
    contradicted: set[str] = field(default_factory=set)
    state: AttestationState = field(default_factory=lambda: AttestationState(0, None))
    looked_at: datetime | None = None
    error: str = ""


class Attestation:
    """Either ``run`` or ``tick``, not both. Each witness is on its own: one that fails holds up no other."""

    def __init__(
        self, log: AttestationLog, witnesses: Sequence[Witness], object_stores: ObjectStores, clock: Clock
    ) -> None:
        self._log = log
        self._tellings = [_Telling(witness) for witness in witnesses]
        self._stores = object_stores
        self._clock = clock
        self._buckets: dict[str, Backoff] = {}

    def states(self) -> list[WitnessState]:
        """Return how each witness stood when it was looked at last, in the order of the settings."""
        return [
            WitnessState(
                telling.witness.name,
                telling.state.pending,
                telling.state.oldest,
                telling.error,
                len(telling.contradicted),
            )
            for telling in self._tellings
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Attest until ``stop`` is set; what is under way then is finished. Without witnesses, wait for ``stop``."""
        if self._tellings:
            await asyncio.gather(*(self._serve(telling, stop) for telling in self._tellings), self._publishing(stop))
        else:
            await stop.wait()

    async def tick(self, now: datetime) -> None:
        """Tell each witness what is due at ``now``, one after the other, then publish receipts."""
        for telling in self._tellings:
            await self._tell(telling, now)
        await self._publish(now)

    async def _serve(self, telling: _Telling, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._tell(telling, self._clock.now())
            except Exception:  # the edge of a worker: the next turn starts from the log again
                _log.exception("attestation failed", witness=telling.witness.name)
            await is_set_within(stop, POLL.total_seconds())

    async def _publishing(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._publish(self._clock.now())
            except Exception:  # the edge of a worker
                _log.exception("receipts not published")
            await is_set_within(stop, POLL.total_seconds())

    async def _tell(self, telling: _Telling, now: datetime) -> None:
        if telling.backoff.must_wait(now):
            return
        name = telling.witness.name
        has_backlog = telling.state.pending > len(telling.stuck)
        is_full = telling.looked_at is None or has_backlog or now - telling.looked_at >= FULL_LOOK
        since = _EVER if is_full else now - LOOK_BACK
        try:
            found = await self._log.pending(name, since, MAX_AT_ONCE + len(telling.stuck))
            due = [statement for statement in found if not _must_wait(telling, statement.key, now)][:MAX_AT_ONCE]
            if due:
                await self._tell_all(telling, due, now)
            if due or is_full:
                telling.state = await self._log.state(name)
                telling.looked_at = now
        except Unavailable as error:
            _log.warning("attestation interrupted", witness=name, error=str(error))
            telling.error = str(error)
            telling.backoff.fail(now)

    async def _tell_all(self, telling: _Telling, statements: Sequence[Statement], now: datetime) -> None:
        """Tell one first: a witness that is down is asked once, not for every digest."""
        await self._tell_one(telling, statements[0], now)
        for at in range(1, len(statements), CALLS_IN_FLIGHT):
            if telling.backoff.is_failing:
                return
            some = statements[at : at + CALLS_IN_FLIGHT]
            await asyncio.gather(*(self._tell_one(telling, statement, now) for statement in some))

    async def _tell_one(self, telling: _Telling, statement: Statement, now: datetime) -> None:
        try:
            receipt = await telling.witness.attest(statement)
        except WitnessContradicts as error:
            telling.contradicted.add(statement.key)
            _set_aside(telling, statement.key, now)
            _log.error("a witness holds another statement", witness=telling.witness.name, error=str(error))
        except PortError as error:
            telling.error = str(error)
            telling.backoff.fail(now)
            _log.warning("digest not attested", witness=telling.witness.name, key=statement.key, error=str(error))
        else:
            telling.error = ""
            telling.backoff.succeed()
            telling.stuck.pop(statement.key, None)
            telling.contradicted.discard(statement.key)
            await self._log.keep(receipt)

    async def _publish(self, now: datetime) -> None:
        try:
            receipts = await self._log.unpublished(MAX_AT_ONCE)
        except Unavailable as error:
            _log.warning("receipts cannot be listed", error=str(error))
            return
        for receipt in receipts:
            backoff = self._buckets.setdefault(receipt.statement.bucket, Backoff())
            if not backoff.must_wait(now):
                await self._publish_one(receipt, backoff, now)

    async def _publish_one(self, receipt: Receipt, backoff: Backoff, now: datetime) -> None:
        statement = receipt.statement
        store = self._stores.bucket(statement.bucket)
        key = receipt_key(statement.key, receipt.witness)
        try:
            await store.put_if_absent(key, _receipt_object(receipt), content_type=RECEIPT_TYPE)
        except AlreadyExists:
            pass  # put before a crash, or by a home that was restored from a backup: the earlier one is the better one
        except PortError as error:
            backoff.fail(now)
            _log.warning("receipt not published", key=key, error=repr(error))
            return
        backoff.succeed()
        await self._log.publish(receipt)


def _receipt_object(receipt: Receipt) -> bytes:
    return format_receipt(receipt.statement, receipt.witness, receipt.kind, receipt.attested_at, receipt.evidence)


def _must_wait(telling: _Telling, key: str, now: datetime) -> bool:
    return key in telling.stuck and telling.stuck[key].must_wait(now)


def _set_aside(telling: _Telling, key: str, now: datetime) -> None:
    if key not in telling.stuck and len(telling.stuck) >= MAX_STUCK:
        del telling.stuck[next(iter(telling.stuck))]
    telling.stuck.setdefault(key, Backoff()).fail(now)
