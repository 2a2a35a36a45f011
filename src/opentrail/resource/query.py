"""What queries of the lake and of log groups have in common: where one is, what it took, where its result lies."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

import orjson

QUERY_KEPT = timedelta(days=7)
"""How long a query and its results can be asked for: CloudTrail's time, and CloudWatch Logs'."""


class QueryStatus(StrEnum):
    """Where a query is, as CloudTrail spells it; the last four are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        return self not in (QueryStatus.QUEUED, QueryStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptQuery:
    """One query. ``columns`` are labels with their types; ``pages`` are the places of its result's pages: where each
    starts, its length in bytes, its rows."""

    id: str
    account_id: str
    region: str
    created_at: datetime
    status: QueryStatus = QueryStatus.QUEUED
    columns: tuple[tuple[str, str], ...] = ()
    pages: tuple[tuple[int, int, int], ...] = ()
    bytes_scanned: int = 0
    run_time_ms: int = 0
    error_message: str = ""
    ended_at: datetime | None = None

    @property
    def rows(self) -> int:
        """Rows of the result that are there by now."""
        return sum(rows for _, _, rows in self.pages)

    def is_kept(self, now: datetime) -> bool:
        return now - self.created_at < QUERY_KEPT

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a query back; raises ValueError, KeyError or TypeError for what ``to_json`` did not write."""
        known = {field.name for field in fields(cls)}
        values = {name: _frozen(value) for name, value in orjson.loads(data).items() if name in known}
        values["created_at"] = datetime.fromisoformat(values["created_at"])
        if values.get("ended_at"):
            values["ended_at"] = datetime.fromisoformat(values["ended_at"])
        values["status"] = QueryStatus(values["status"])
        return cls(**values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
