"""The targets of rules: where an invocation goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from opentrail.ports import PortError, Unavailable


class TargetRefused(PortError):
    """The target will not take this invocation, however often it is tried; ``code`` is EventBridge's (NO_RESOURCE,
    NO_PERMISSIONS, INVALID_PARAMETER)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TargetBusy(Unavailable):
    """The target wants to be left alone for ``retry_after``."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One delivery: ``text`` for the resource ``destination`` (an ARN), as the target in wire form wants it.

    ``event`` is the event before it was shaped, ``cause`` the ARN of the rule that it fired. ``attributes`` are texts
    that a queue gets as message attributes, ``typed_attributes`` such with their Type and Value.
    """

    invocation_id: str
    destination: str
    text: str
    event: bytes
    target: Mapping[str, Any]
    attributes: Mapping[str, str] = field(default_factory=dict)
    typed_attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cause: str = ""


class Targets(Protocol):
    """Every kind of target behind one door."""

    async def send(self, dispatch: Dispatch) -> None:
        """Return once the target has taken it. Raises TargetRefused and, within a bounded time, Unavailable."""
        ...
