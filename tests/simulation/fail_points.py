"""Fail points: ports that stop answering, or take the process with them, at seeded calls."""

import inspect
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast

from opentrail.ports import Unavailable

Port = TypeVar("Port")

PASSIVE = frozenset({"head", "size_bytes", "was_clean_shutdown", "last_commit_at", "bucket", "get_archive"})


class PowerCut(BaseException):
    """The process ended here: nothing of it runs on, not even its exception handlers for ordinary errors."""


class Power:
    """Decides, call by call, what fails. Once the power is cut, every call of every port ends the same way.

    ``cut_after`` port calls the power goes, before or after the call's own work, as the seed says; up to then a call is
    refused with Unavailable with probability ``refusal``.
    """

    def __init__(self, chance: random.Random, *, cut_after: int | None, refusal: float = 0.0) -> None:
        self._chance = chance
        self._left = cut_after
        self._refusal = refusal
        self._cuts_before_work = chance.random() < 0.5
        self.is_cut = False
        self.refused = 0

    def before(self) -> None:
        """To be called ahead of a port call's work."""
        if self.is_cut:
            raise PowerCut
        if self._left is not None:
            self._left -= 1
            if self._left <= 0 and self._cuts_before_work:
                self.is_cut = True
                raise PowerCut
        if self._chance.random() < self._refusal:
            self.refused += 1
            raise Unavailable("the seed says so")

    def after(self) -> None:
        """To be called when a port call's work is done, before its caller hears of it."""
        if self.is_cut or (self._left is not None and self._left <= 0):
            self.is_cut = True
            raise PowerCut


class _Failing:
    """A port whose calls go through a Power first."""

    def __init__(self, port: object, power: Power, wrap_result: Callable[[Any], Any]) -> None:
        self._port = port
        self._power = power
        self._wrap_result = wrap_result

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method) or name in PASSIVE:
            return method if name != "bucket" else lambda *given: self._wrap_result(method(*given))
        if inspect.isasyncgenfunction(method):
            return lambda *given, **named: self._iterate(method(*given, **named))
        if inspect.iscoroutinefunction(method):
            return lambda *given, **named: self._call(method, given, named)
        return method

    async def _call(self, method: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self._power.before()
        result = await method(*given, **named)
        self._power.after()
        return result

    async def _iterate(self, pages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        self._power.before()
        async for page in pages:
            yield page
            if self._power.is_cut:
                raise PowerCut


def failing(port: Port, power: Power) -> Port:
    """Return ``port`` with its calls under ``power``; what its ``bucket`` method returns is under it too."""
    return cast(Port, _Failing(port, power, lambda inner: failing(inner, power)))
