"""One import: log files of a bucket or folder on their way into an event data store (lake-and-insights, section 3)."""

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

IMPORT_KEPT = timedelta(days=7)
"""How long an import that has ended, and its failures, can be asked for."""


class ImportStatus(StrEnum):
    """Where an import is; the last three are final until the import is started again."""

    INITIALIZING = "INITIALIZING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        return self not in (ImportStatus.INITIALIZING, ImportStatus.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class ImportSource:
    """Where the log files lie: ``uri`` is ``s3://bucket/prefix`` or the absolute path of a folder or file.

    ``bucket_region`` and ``role_arn`` are kept as StartImport was given them. ``regions`` narrows to the Regions named;
    ``is_strict`` reads below folders of CloudTrail only, as StartImport does. ``endpoint_url`` is the endpoint that the
    caller's own credentials are for, ``aws`` for Amazon's; "" for the buckets that this installation reaches itself.
    """

    uri: str
    bucket_region: str = ""
    role_arn: str = ""
    regions: tuple[str, ...] = ()
    is_strict: bool = False
    endpoint_url: str = ""

    @property
    def is_bucket(self) -> bool:
        return self.uri.startswith("s3://")

    @property
    def bucket(self) -> str:
        return self.uri.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        return self.uri.removeprefix("s3://").partition("/")[2]

    def location(self, key: str) -> str:
        """Return how a failure names the object of that key."""
        if self.is_bucket:
            return f"s3://{self.bucket}/{key}"
        return f"{self.uri}/{key}" if key else self.uri

    def key_of(self, location: str) -> str:
        """Return the key of the object that a failure names so."""
        return location.removeprefix(f"s3://{self.bucket}" if self.is_bucket else self.uri).removeprefix("/")


@dataclass(slots=True)
class ImportStatistics:
    """How far an import is. Files and bytes ``found`` grow while the source is listed; ``is_listed`` says that they are
    all. Every event read is in exactly one of ``events_completed``, ``duplicates``, ``events_outside`` (of the time
    range or Regions asked for) and ``events_expired`` (outside what the store keeps), or is a failed entry."""

    prefixes_found: int = 0
    prefixes_completed: int = 0
    files_found: int = 0
    bytes_found: int = 0
    is_listed: bool = False
    files_completed: int = 0
    bytes_completed: int = 0
    events_completed: int = 0
    duplicates: int = 0
    events_outside: int = 0
    events_expired: int = 0
    failed_entries: int = 0


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """One object, or one place in it, that could not be imported. ``status`` is FAILED, RETRY or SUCCEEDED."""

    location: str
    status: str
    error_type: str
    message: str
    updated_at: datetime
    place: str = ""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "ImportFailure":
        """Read a failure back; raises ValueError, KeyError or TypeError for what ``to_json`` did not write."""
        values = orjson.loads(data)
        values["updated_at"] = datetime.fromisoformat(values["updated_at"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class LakeImport:
    """One import. ``mark`` is the key up to which, in the order of the listing, every object is done with.

    Its failures are the first ``failures_at`` bytes of the ``failures_file``-th file of failures.
    """

    id: str
    account_id: str
    region: str
    destination: str
    source: ImportSource
    created_at: datetime
    updated_at: datetime
    status: ImportStatus = ImportStatus.INITIALIZING
    start_time: datetime | None = None
    end_time: datetime | None = None
    statistics: ImportStatistics = field(default_factory=ImportStatistics)
    mark: str = ""
    failures_file: int = 0
    failures_at: int = 0
    error_message: str = ""

    def is_kept(self, now: datetime) -> bool:
        return not self.status.is_final or now - self.updated_at < IMPORT_KEPT

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "LakeImport":
        """Read an import back; raises ValueError, KeyError or TypeError for what ``to_json`` did not write."""
        values = orjson.loads(data)
        values = {name: value for name, value in values.items() if name in {one.name for one in fields(cls)}}
        values["source"] = ImportSource(**{**values["source"], "regions": tuple(values["source"]["regions"])})
        values["statistics"] = ImportStatistics(**values["statistics"])
        values["status"] = ImportStatus(values["status"])
        for name in ("created_at", "updated_at", "start_time", "end_time"):
            values[name] = _moment(values.get(name))
        return cls(**values)


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
