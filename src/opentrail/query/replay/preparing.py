"""Work ahead of replays, while nobody waits."""

import asyncio

import structlog

from opentrail.ports import Unavailable
from opentrail.ports.replay import CountableHistory, CountingFailed

IDLE_SECONDS = 300.0
"""How often a history that has all of it is asked for more."""

BUSY_SECONDS = 5.0
"""Between two pieces of work, so that the machine is never all for it."""

_log = structlog.get_logger(__name__)


async def keep_prepared(history: CountableHistory) -> None:
    """Have a history prepared for counting until cancelled; what fails is tried again."""
    while True:
        seconds = IDLE_SECONDS
        try:
            if await history.prepare_counting():
                seconds = BUSY_SECONDS
        except (CountingFailed, Unavailable) as error:
            _log.warning("replay_not_prepared", error=str(error), retry_seconds=seconds)
        await asyncio.sleep(seconds)
