"""Log groups, streams and filters as they are set. What is written into them is in ``ports.log_store``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opentrail.ports import PortError
from opentrail.ports.journal import Position
from opentrail.resource.log_group import LogFilter, LogGroup, LogStream


class LogGroupNotFound(PortError):
    """The group is not there (any more)."""


class LogNameTaken(PortError):
    """A group or stream of that name is there."""


@dataclass(frozen=True, slots=True)
class LogReaderState:
    """Where the delivery of one trail to its log group goes on, and the trail's snapshot in force there."""

    trail_arn: str
    cursor: Position
    trail: bytes


class LogGroups(Protocol):
    """Every change is durable on return; all methods raise Unavailable. Names order by code point."""

    async def create(self, group: LogGroup) -> None:
        """Raises LogNameTaken: the account has a group of that name in the Region."""
        ...

    async def group(self, account_id: str, region: str, name: str) -> LogGroup | None: ...

    async def group_of(self, group_id: str) -> LogGroup | None:
        """Return the group of an id."""
        ...

    async def groups(
        self, account_id: str, region: str, *, prefix: str = "", containing: str = "", after: str = "", limit: int
    ) -> Sequence[LogGroup]:
        """Return at most ``limit`` groups by name, those behind ``after`` whose names begin with ``prefix`` and
        contain ``containing``."""
        ...

    async def count(self, account_id: str, region: str) -> int:
        """Return how many groups an account has in a Region."""
        ...

    async def all_groups(self) -> Sequence[LogGroup]:
        """Return every group of every account."""
        ...

    async def change(self, group: LogGroup) -> None:
        """Set what may change of a group (all but id, place, name and creation). Raises LogGroupNotFound."""
        ...

    async def delete(self, group_id: str) -> None:
        """Delete a group with its streams and filters; nothing happens when it is not there."""
        ...

    async def result_key(self, account_id: str, region: str) -> str:
        """Return the ARN of the KMS key for the results of an account's queries in a Region, "" for none."""
        ...

    async def set_result_key(self, account_id: str, region: str, key_arn: str) -> None:
        """Set the key for the results of queries that start from now on, "" for none."""
        ...

    async def create_stream(self, group_id: str, stream: LogStream) -> None:
        """Raises LogNameTaken, LogGroupNotFound."""
        ...

    async def stream(self, group_id: str, name: str) -> LogStream | None: ...

    async def streams(self, group_id: str) -> Sequence[LogStream]:
        """Return all streams of a group by name; who creates them bounds how many there are."""
        ...

    async def delete_stream(self, group_id: str, name: str) -> None:
        """Delete a stream; nothing happens when it is not there."""
        ...

    async def put_filter(self, group_id: str, log_filter: LogFilter) -> None:
        """Set a filter, in place of the one of its kind and name. Raises LogGroupNotFound."""
        ...

    async def filters(self, group_id: str, kind: str) -> Sequence[LogFilter]:
        """Return a group's filters of a kind by name; who sets them bounds how many there are."""
        ...

    async def account_filters(
        self, account_id: str, region: str, kind: str, after: tuple[str, str], limit: int
    ) -> Sequence[tuple[str, LogFilter]]:
        """Return at most ``limit`` (group name, filter) of an account and Region by filter name and group name, those
        behind ``after`` (filter name, group name)."""
        ...

    async def delete_filter(self, group_id: str, kind: str, name: str) -> None:
        """Delete a filter; nothing happens when it is not there."""
        ...


class LogReaders(Protocol):
    """How far the delivery of trails to log groups is. Durable; all methods raise Unavailable.

    ``TrailStore.apply`` makes a trail's reader (cursor = the entry's position) in the transaction that makes settings
    with a log group visible, where it has none yet.
    """

    async def readers(self) -> Sequence[LogReaderState]:
        """Return every reader, by trail."""
        ...

    async def move(self, state: LogReaderState) -> None:
        """Store how far a reader is."""
        ...

    async def finish(self, trail_arn: str) -> None:
        """Forget a reader; nothing happens while the trail is there and has a log group."""
        ...
