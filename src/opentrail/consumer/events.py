"""One event as a program sees it, and what of a log file could not be read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson


class CloudTrailEvent(Mapping[str, Any]):
    """A record of CloudTrail: a mapping of its members, read when the first is asked for.

    ``raw`` is its JSON as it stood in the file ``location``, where it is the ``number``-th.
    """

    __slots__ = ("_members", "location", "number", "raw")

    def __init__(self, raw: bytes, location: str, number: int) -> None:
        self.raw = raw
        self.location = location
        self.number = number
        self._members: dict[str, Any] | None = None

    @property
    def members(self) -> dict[str, Any]:
        if self._members is None:
            self._members = orjson.loads(self.raw)
        return self._members

    def __getitem__(self, name: str) -> Any:
        return self.members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"CloudTrailEvent({self.get('eventName')!r}, {self.get('eventTime')!r}, {self.location!r})"


@dataclass
class LogFileError(Exception):
    """A log file, or a place in it, that could not be read."""

    location: str
    place: str
    error_type: str
    message: str

    def __str__(self) -> str:
        place = f", {self.place}" if self.place else ""
        return f"{self.location}{place}: {self.message} ({self.error_type})"
