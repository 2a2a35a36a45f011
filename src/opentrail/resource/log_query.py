"""One Logs Insights query: what was asked, how it stands, and what it took."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

import orjson

LOG_QUERY_KEPT = timedelta(days=7)
"""How long a query and its results can be asked for: CloudWatch Logs' own time."""


class LogQueryStatus(StrEnum):
    """Where a query is, as the service model spells it; the last four are final."""

    SCHEDULED = "Scheduled"
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    TIMEOUT = "Timeout"

    @property
    def is_final(self) -> bool:
        return self not in (LogQueryStatus.SCHEDULED, LogQueryStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """One query over ``log_groups`` (names) from ``start`` to ``end`` (s since 1970, both included).

    ``columns`` are labels with the engine's type (``double`` or ``varchar``); where rows are events (``is_grouped`` is
    false) the last one is ``@ptr``. ``pages`` are the places of its result's pages: start, length in bytes, rows.
    """

    id: str
    account_id: str
    region: str
    log_groups: tuple[str, ...]
    text: str
    start: int
    end: int
    created_at: datetime
    user: str = ""
    status: LogQueryStatus = LogQueryStatus.SCHEDULED
    columns: tuple[tuple[str, str], ...] = ()
    is_grouped: bool = False
    pages: tuple[tuple[int, int, int], ...] = ()
    records_scanned: int = 0
    records_matched: int = 0
    bytes_scanned: int = 0
    run_time_ms: int = 0
    error_message: str = ""
    ended_at: datetime | None = None

    @property
    def rows(self) -> int:
        """Rows of the result that are there by now."""
        return sum(rows for _, _, rows in self.pages)

    def is_kept(self, now: datetime) -> bool:
        return now - self.created_at < LOG_QUERY_KEPT

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "LogQuery":
        """Read a query back; raises ValueError, KeyError or TypeError for what ``to_json`` did not write."""
        values = orjson.loads(data)
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in values.items() if name in known}
        values["created_at"] = datetime.fromisoformat(values["created_at"])
        if values.get("ended_at"):
            values["ended_at"] = datetime.fromisoformat(values["ended_at"])
        values["status"] = LogQueryStatus(values["status"])
        values["log_groups"] = tuple(values["log_groups"])
        values["columns"] = tuple((label, kind) for label, kind in values["columns"])
        values["pages"] = tuple((start, length, rows) for start, length, rows in values["pages"])
        return cls(**values)
