"""Seals: the head of each event data store's table is signed when it is opened and every minute, and kept outside it.

A new table is sealed before its first commit: where there are commits and no seal, somebody took the seal away.

Before a head is signed, the table has to lead to the one that was sealed last, so that a table which somebody changed
while no server ran is not sealed anew: it is reported until its operator has looked at it.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime

import orjson
import structlog

from opentrail.clock import Clock, format_time
from opentrail.ports import Unavailable
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.lake_seals import LakeSeal, LakeSeals
from opentrail.ports.lake_table import LakeTable, Standing, TableDamaged
from opentrail.ports.signer import Signer
from opentrail.resource.event_data_store import EventDataStore
from opentrail.waiting import is_set_within

SEAL_SECONDS = 60.0
"""How old a commit can be that no seal covers yet, while the server runs."""

NO_PREVIOUS = "0" * 64

_log = structlog.get_logger(__name__)


OpenTables = Callable[[str], LakeTable | None]
"""What gives the table of an event data store by its ARN, None for one that is not opened."""


class LakeSealing:
    """Seals the tables of event data stores: one by ``seal``, all by ``run`` or ``seal_all``."""

    def __init__(self, stores: EventDataStores, seals: LakeSeals, signer: Signer, clock: Clock) -> None:
        self._turn = asyncio.Lock()
        self._stores = stores
        self._seals = seals
        self._signer = signer
        self._clock = clock
        self._sealed: dict[str, Standing] = {}

    async def run(self, tables: OpenTables, stop: asyncio.Event) -> None:
        """Seal every SEAL_SECONDS until ``stop`` is set."""
        while not stop.is_set():
            await self.seal_all(tables)
            await is_set_within(stop, SEAL_SECONDS)

    async def seal_all(self, tables: OpenTables) -> None:
        """Seal every opened table that has commits which no seal covers; what fails is tried again the next time."""
        try:
            stores = await self._stores.event_data_stores()
        except Unavailable as error:
            _log.warning("lake_sealing_waits", error=str(error))
            return
        for store in stores:
            if (table := tables(store.arn)) is not None:
                await self.seal(store, table)

    async def seal(self, store: EventDataStore, table: LakeTable) -> None:
        """Seal a table that no seal covers yet; what fails is logged, and tried again the next time."""
        try:
            async with self._turn:
                await self._seal(store, table, self._clock.now())
        except TableDamaged as error:
            _log.error("lake_table_not_sealed", store=store.arn, error=str(error), see="opentrail verify-lake")
        except Exception as error:  # the edge of a worker: the next round tries again
            _log.warning("lake_sealing_failed", store=store.arn, error=str(error))

    async def _seal(self, store: EventDataStore, table: LakeTable, now: datetime) -> None:
        standing = table.standing
        if standing == self._sealed.get(store.arn):
            return
        last = await self._seals.seal(store.arn)
        if last is not None:
            said = orjson.loads(last.statement)
            if await table.head_at(said["commits"]) != said["head"]:
                raise TableDamaged(f"commit {said['commits']} is another one than was sealed")
            if standing == Standing(said["commits"], said["head"]):
                self._sealed[store.arn] = standing
                return
        await self._seals.put_seal(await self._signed(store, standing, last, now))
        self._sealed[store.arn] = standing

    async def _signed(
        self, store: EventDataStore, standing: Standing, last: LakeSeal | None, now: datetime
    ) -> LakeSeal:
        said = {
            "eventDataStore": store.arn,
            "commits": standing.number,
            "head": standing.head,
            "sealedAt": format_time(now),
            "previous": NO_PREVIOUS if last is None else hashlib.sha256(last.statement.encode()).hexdigest(),
        }
        statement = orjson.dumps(said).decode()
        key = await self._signer.current_key(store.home_region, now)
        signature = await self._signer.sign(store.home_region, key.fingerprint, statement.encode())
        return LakeSeal(store.arn, statement, key.fingerprint, signature)
