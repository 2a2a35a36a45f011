"""A task for every reader of the journal, so that none holds up another."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence

import structlog

from opentrail.ports import Unavailable

_log = structlog.get_logger(__name__)


async def run_readers(
    stop: asyncio.Event,
    names: Callable[[], Awaitable[Sequence[str]]],
    serve: Callable[[str], Coroutine[None, None, None]],
    pause: Callable[[], Awaitable[object]],
) -> None:
    """Keep one ``serve(name)`` running for each of ``names()`` until ``stop`` is set; return when all have ended.

    ``names`` is asked again after each ``pause()``; where it raises Unavailable, the next time. A task that ended is
    started anew while its name is there. What ``serve`` raises is raised at the end, and ends the others.
    """
    tasks: dict[str, asyncio.Task[None]] = {}
    try:
        while not stop.is_set():
            for name in await _listed(names):
                if name not in tasks or tasks[name].done():
                    tasks[name] = asyncio.create_task(serve(name))
            await pause()
        await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()


async def _listed(names: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
    try:
        return await names()
    except Unavailable as error:
        _log.warning("readers_not_listed", error=str(error))
        return ()
