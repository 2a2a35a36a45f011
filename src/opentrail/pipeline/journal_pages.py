"""Following the journal in pages that are worth the work that each of them makes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from opentrail.ports.journal import Journal, Position, Positioned

LINGER_SECONDS = 0.025
"""After a page: what is recorded in quick succession is then one page, not one for each commit of the journal."""

LARGE_PAGE_ENTRIES = 500
"""A page of so many is worth its work, and whoever gets such pages must keep up: the next one follows at once."""


async def follow(
    journal: Journal, after: Position, until: Position | None, linger_seconds: float = LINGER_SECONDS
) -> AsyncIterator[Sequence[Positioned]]:
    """Yield the entries after a position in order, a page at a time; through ``until``, or without one for ever.

    Whoever takes pages for ever gets the next one ``linger_seconds`` after it was done with the last, unless that was
    large. Raises PositionLost and Unavailable as ``Journal.read`` does.
    """
    async for page in journal.read(after, until=until):
        yield page
        if until is None and len(page) < LARGE_PAGE_ENTRIES:
            await asyncio.sleep(linger_seconds)


async def with_empty_pages(
    pages: AsyncIterator[Sequence[Positioned]], patience: Callable[[], float | None]
) -> AsyncGenerator[Sequence[Positioned]]:
    """Yield the pages that come, and an empty one when none came within ``patience`` seconds (None: however long)."""
    coming: asyncio.Future[Sequence[Positioned] | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(pages, None))
            done, _ = await asyncio.wait([coming], timeout=patience())
            if not done:
                yield ()
                continue
            page, coming = coming.result(), None
            if page is None:
                return
            yield page
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
