"""What time does to log groups: days past their retention go, and so does what was left of groups that are gone."""

import asyncio

import structlog

from opentrail.clock import Clock
from opentrail.ports import Unavailable
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import LogStore
from opentrail.resource.log_group import day_of

UPKEEP_SECONDS = 3600.0
"""How late a day may go; what is past its retention is shown no more in the meantime."""

_log = structlog.get_logger(__name__)


class LogUpkeep:
    """Removes what no log group keeps any more."""

    def __init__(self, groups: LogGroups, store: LogStore, clock: Clock) -> None:
        self._groups = groups
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Do what is due at once and then every UPKEEP_SECONDS, until cancelled."""
        while True:
            try:
                await self.catch_up()
            except Unavailable as error:
                _log.warning("log groups could not be tidied; trying again", error=str(error))
            await asyncio.sleep(UPKEEP_SECONDS)

    async def catch_up(self) -> None:
        """Do all that is due now. Raises Unavailable: the rest is done the next time."""
        stored = await self._store.group_ids()
        groups = {group.group_id: group for group in await self._groups.all_groups()}
        for group_id in stored:
            group = groups.get(group_id)
            if group is None:
                await self._store.remove(group_id)
            elif group.retention_days:
                oldest = day_of(group.keeps_since(self._clock.now()))
                days = await self._store.expire(group_id, oldest)
                if days:
                    _log.info("log events expired", log_group=group.arn, days=days)
