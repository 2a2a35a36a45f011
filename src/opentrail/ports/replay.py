"""Replay's view of stored events: counted where they are kept, in processes beside the one that answers.

What crosses the port is JSON-ready, because workers are other processes: ``CountingJob`` in, tallies out as
``query.replay.counting`` spells them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from opentrail.ports import PortError
from opentrail.ports.query_engine import EngineTable

Progress = Callable[[int, int], None]
"""Called with how many events were passed and how many there are; rarely more than ten times a second."""


class CountingFailed(PortError):
    """The events could not be counted; the text is for whoever asked, and names nothing of this installation."""


@dataclass(frozen=True, slots=True)
class RuleToCount:
    """A rule by its text, and what its metric publishes ("" for nothing)."""

    name: str
    language: str
    text: str
    metric_value: str = ""
    default_value: str = ""


@dataclass(frozen=True, slots=True)
class CountingJob:
    """What to count: rules over the events from ``start`` up to but not at ``end`` (seconds since 1970).

    In Event history those of ``account_id`` in ``regions``; in an event data store all.
    """

    rules: tuple[RuleToCount, ...]
    start: int
    end: int
    max_examples: int
    account_id: str = ""
    regions: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "CountingJob":
        rules = tuple(RuleToCount(**rule) for rule in wire["rules"])
        return cls(**{**wire, "rules": rules, "regions": tuple(wire["regions"])})


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: parts of the tallies, to be merged, and how many events were passed for them.

    ``method`` says in a word how: ``index``, ``texts``, ``scan``, ``columns`` or ``sql``.
    """

    parts: Sequence[Mapping[str, Any]]
    events: int
    method: str


class CountableHistory(Protocol):
    """Event history that counts."""

    async def count(self, job: CountingJob, on_progress: Progress) -> Counted:
        """Count every event stored before the call. Cancelling the task ends the work at once.

        Raises CountingFailed, Unavailable.
        """
        ...

    async def prepare_counting(self) -> int:
        """Do some work ahead, which counting would have to do; return 0 when nothing is left to do.

        Raises CountingFailed, Unavailable.
        """
        ...


class CountableLake(Protocol):
    """The lake's engine, counting."""

    async def count(self, table: EngineTable, job: CountingJob, on_progress: Progress) -> Counted:
        """Count the events of one table, whose columns are those of an event data store.

        Cancelling the task ends the work at once. Raises CountingFailed, Unavailable.
        """
        ...
