"""Following the journal: who gets small pages waits for the next one, who gets large ones does not; who asks for it
hears when nothing comes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import cast

import pytest

from opentrail.pipeline.journal_pages import LARGE_PAGE_ENTRIES, LINGER_SECONDS, follow, with_empty_pages
from opentrail.ports.journal import LIVE, START, EventEntry, Journal, Position, Positioned


class Pages:
    """A journal whose pages have these sizes."""

    def __init__(self, *sizes: int) -> None:
        self._sizes = sizes

    async def read(self, after: Position, *, until: Position | None = None) -> AsyncIterator[Sequence[Positioned]]:
        for number, size in enumerate(self._sizes):
            yield [(Position(f"{number}-{place}"), EventEntry(b"{}", LIVE)) for place in range(size)]


@pytest.mark.parametrize(
    ("until", "expected"),
    [(None, [LINGER_SECONDS, LINGER_SECONDS]), (Position("9"), [])],
)
async def test_a_small_page_is_waited_after_and_a_large_one_is_not(
    monkeypatch: pytest.MonkeyPatch, until: Position | None, expected: list[float]
) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)
    sizes = (1, LARGE_PAGE_ENTRIES, LARGE_PAGE_ENTRIES - 1)

    pages = [page async for page in follow(cast(Journal, Pages(*sizes)), START, until)]

    assert [len(page) for page in pages] == list(sizes)
    assert waited == expected


class Slow:
    """Pages that come when they are let."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.was_cancelled = False

    async def pages(self) -> AsyncIterator[Sequence[Positioned]]:
        try:
            for number in range(2):
                await self.go_on.wait()
                yield [(Position(f"{number}"), EventEntry(b"{}", LIVE))]
                self.go_on.clear()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


async def test_an_empty_page_says_that_nothing_came_and_loses_nothing() -> None:
    slow, seen = Slow(), []

    async with aclosing(with_empty_pages(slow.pages(), lambda: 0.001)) as pages:
        async for page in pages:
            seen.append([position for position, _ in page])
            if not page:
                slow.go_on.set()

    assert [page for page in seen if page] == [["0"], ["1"]]
    assert [] in seen


async def test_without_patience_there_are_no_empty_pages() -> None:
    sizes = (1, 2)

    found = [
        len(page)
        async for page in with_empty_pages(follow(cast(Journal, Pages(*sizes)), START, Position("9")), lambda: None)
    ]

    assert found == [1, 2]


async def test_pages_that_nobody_wants_any_more_are_not_waited_for() -> None:
    slow = Slow()

    async with aclosing(with_empty_pages(slow.pages(), lambda: 0.001)) as pages:
        await anext(pages)

    assert slow.was_cancelled
