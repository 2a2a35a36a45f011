"""What is asked of the metadata database again and again and seldom changes: read once, and anew after every write."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from opentrail.adapters.metadata_store.database import Database
from opentrail.adapters.metadata_store.recently_used import RecentlyUsed

MAX_REMEMBERED = 2_000
"""Answers of one store that are kept in memory."""

CACHE_SECONDS = 1.0
"""How long they are, where another process might change them in the database."""

_Value = TypeVar("_Value")
_Key = tuple[object, ...]


class Remembered:
    """The answers of one store, for as long as this process writes nothing but readers' places."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._answers: RecentlyUsed[_Key, Any] = RecentlyUsed(MAX_REMEMBERED, CACHE_SECONDS, monotonic)
        self._as_of = database.changes
        self._readings: dict[tuple[_Key, int], asyncio.Future[Any]] = {}

    async def read(self, work: Callable[[Connection], _Value], *key: object) -> _Value:
        """Return what ``work`` returned last for ``key``, or run it (``Database.read``). Who asks while it runs waits
        for the same answer; what is written meanwhile makes it an answer for those who asked before, and no others.
        The answer is shared: nobody may change it. Raises Unavailable."""
        changes = self._database.changes
        if changes != self._as_of:
            self._answers.forget_all()
            self._as_of = changes
        if (found := self._answers.get(key)) is not None:
            known: _Value = found[0]
            return known
        place = (key, changes)
        reading = self._readings.get(place)
        if reading is None:
            reading = self._readings[place] = asyncio.ensure_future(self._database.read(work))
            reading.add_done_callback(lambda done: self._end_reading(place, done))
        value: _Value = await asyncio.shield(reading)
        if self._database.changes == changes:
            self._answers.put(key, value, self._answers.changes)
        return value

    def _end_reading(self, place: tuple[_Key, int], done: "asyncio.Future[Any]") -> None:
        del self._readings[place]
        if not done.cancelled():
            done.exception()  # told to those who wait, of whom none may be left
