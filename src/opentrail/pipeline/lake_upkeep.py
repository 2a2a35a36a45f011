"""What time does to the lake: days that the retention ends, and event data stores whose seven days are over."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson
import structlog

from opentrail.clock import Clock, Identifiers, format_time
from opentrail.event.encoding import encode_event
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.ports import Unavailable
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.journal import EventEntry, Journal, SettingsEntry
from opentrail.ports.lake_table import LakeTable
from opentrail.ports.signer import Signer
from opentrail.record.service_events import OWN_SOURCE, service_event
from opentrail.resource.event_data_store import EventDataStore

UPKEEP_SECONDS = 600.0
"""How late a day may be dropped, or a deleted store's table removed. To the API such a store is gone on time."""

SOON_SECONDS = 10.0
"""How soon is looked again where a table was not open yet, as when a server starts."""

_STORE_TYPE = "AWS::CloudTrail::EventDataStore"

_log = structlog.get_logger(__name__)


class LakeUpkeep:
    """Drops days and ends stores when it is time, each on record. A dropped day leaves a signed tombstone in its table.

    ``follow`` has the API's view take up new settings entries.
    """

    def __init__(
        self,
        lake: LakeDelivery,
        stores: EventDataStores,
        journal: Journal,
        signer: Signer,
        clock: Clock,
        identifiers: Identifiers,
        follow: Callable[[], Awaitable[None]],
    ) -> None:
        self._lake = lake
        self._stores = stores
        self._journal = journal
        self._signer = signer
        self._clock = clock
        self._identifiers = identifiers
        self._follow = follow

    async def run(self) -> None:
        """Do what is due at once and then every UPKEEP_SECONDS, SOON_SECONDS where a table is not open yet, until
        cancelled."""
        while True:
            is_everything = True
            try:
                is_everything = await self.catch_up()
            except Unavailable as error:
                _log.warning("lake_upkeep_waits", error=str(error), retry_seconds=UPKEEP_SECONDS)
            await asyncio.sleep(UPKEEP_SECONDS if is_everything else SOON_SECONDS)

    async def catch_up(self) -> bool:
        """Do all that is due now; return False when a table was not open. Raises Unavailable: the rest is done the next
        time."""
        is_everything = True
        now = self._clock.now()
        for store in await self._stores.event_data_stores():
            if store.is_gone(now):
                await self._end(store, now)
                continue
            async with self._lake.writing(store.arn) as table:
                if table is None:
                    is_everything = False
                    continue
                if not store.is_held:
                    await self._expire(store, table, now)
                await table.vacuum()
        return is_everything

    async def _expire(self, store: EventDataStore, table: LakeTable, now: datetime) -> None:
        before = store.keeps_since(now).date()
        commits = table.standing.number
        days = await table.ending_days(before)
        if not days:
            return
        said = {
            "eventDataStore": store.arn,
            "reason": "retention",
            "retentionDays": store.retention_days,
            "droppedAt": format_time(now),
            "commits": commits,
            "days": {str(day): {"count": proof.count, "root": proof.root} for day, proof in sorted(days.items())},
        }
        statement = orjson.dumps(said).decode()
        key = await self._signer.current_key(store.home_region, now)
        signature = await self._signer.sign(store.home_region, key.fingerprint, statement.encode())
        tombstone = {"statement": statement, "fingerprint": key.fingerprint, "signature": signature}
        await self._record("EventDataStoreDaysExpired", store, {"days": said["days"]}, now)
        await table.drop_days(before, commits, tombstone)

    async def _end(self, store: EventDataStore, now: datetime) -> None:
        """End a store: the reader removes the table when it comes to the entry."""
        await self._record("EventDataStoreRemoved", store, {"name": store.name}, now, SettingsEntry(store.arn, None))
        await self._follow()

    async def _record(
        self, name: str, store: EventDataStore, details: dict[str, Any], now: datetime, *settings: SettingsEntry
    ) -> None:
        event = service_event(
            OWN_SOURCE,
            name,
            {"eventDataStoreArn": store.arn, **details},
            store.account_id,
            store.home_region,
            now,
            event_id=self._identifiers.uuid(),
            resources=[(_STORE_TYPE, store.arn)],
        )
        await self._journal.append([EventEntry(encode_event(event)), *settings])
