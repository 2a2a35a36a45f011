"""Following the journal: who gets small pages waits for the next one, who gets large ones does not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from opentrail.pipeline.journal_pages import LARGE_PAGE_ENTRIES, LINGER_SECONDS, follow
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
