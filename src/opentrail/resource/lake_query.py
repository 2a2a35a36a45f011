"""One query of the lake: what was asked, how it stands, and what it took."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

import orjson

QUERY_KEPT = timedelta(days=7)
"""How long a query and its results can be asked for."""


class QueryStatus(StrEnum):
    """Where a query is; the last four are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        return self not in (QueryStatus.QUEUED, QueryStatus.RUNNING)


class DeliveryStatus(StrEnum):
    """How the delivery of a result stands, as the service model spells it; all but PENDING are final."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    FAILED_SIGNING_FILE = "FAILED_SIGNING_FILE"
    PENDING = "PENDING"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    ACCESS_DENIED = "ACCESS_DENIED"
    ACCESS_DENIED_SIGNING_FILE = "ACCESS_DENIED_SIGNING_FILE"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class LakeQuery:
    """One query. ``pages`` are the places of its result's pages: where each starts, its length in bytes, its rows."""

    id: str
    account_id: str
    region: str
    event_data_stores: tuple[str, ...]
    statement: str
    created_at: datetime
    status: QueryStatus = QueryStatus.QUEUED
    columns: tuple[tuple[str, str], ...] = ()
    pages: tuple[tuple[int, int, int], ...] = ()
    events_scanned: int = 0
    events_matched: int = 0
    bytes_scanned: int = 0
    run_time_ms: int = 0
    error_message: str = ""
    delivery_s3_uri: str = ""
    delivery_status: str = ""
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
    def from_json(cls, data: bytes) -> "LakeQuery":
        """Read a query back; raises ValueError, KeyError or TypeError for what ``to_json`` did not write."""
        values = orjson.loads(data)
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in values.items() if name in known}
        values["created_at"] = datetime.fromisoformat(values["created_at"])
        if values.get("ended_at"):
            values["ended_at"] = datetime.fromisoformat(values["ended_at"])
        values["status"] = QueryStatus(values["status"])
        values["event_data_stores"] = tuple(values["event_data_stores"])
        values["columns"] = tuple((label, kind) for label, kind in values["columns"])
        values["pages"] = tuple((start, length, rows) for start, length, rows in values["pages"])
        return cls(**values)


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Return a result's labels so that they differ from one another: ``arn``, ``arn_2``."""
    found: list[str] = []
    for label in labels:
        number, name = 1, label
        while name in found:
            number += 1
            name = f"{label}_{number}"
        found.append(name)
    return found
