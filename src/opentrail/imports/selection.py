"""Which objects of a source hold log files of the time and Regions asked for, as far as their keys say."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

LATE_DAYS = 1
"""Events are delivered in files of the day they happened on, or of the next one."""

_OTHER_FOLDERS = frozenset(
    {"CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-Aggregated", "CloudTrail-Lake", "_delta_log"}
)
_LOG_FILES = "CloudTrail"
_SERVICE_FOLDER = re.compile(r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?\d{12}/([^/]+)/")
_DATED = re.compile(
    r"(?P<folder>(?:^|.*/)CloudTrail/)(?P<region>[a-z0-9-]+)/(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)/"
)
_BEHIND_ALL = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class KeySelection:
    """What is asked for: None and () ask for everything. ``is_strict`` leaves out what lies in no CloudTrail folder."""

    start: datetime | None = None
    end: datetime | None = None
    regions: tuple[str, ...] = ()
    is_strict: bool = False

    def takes(self, key: str) -> bool:
        """Say whether the object of that key may hold events that are asked for."""
        if key.endswith("/") or not self._is_log_file(key):
            return False
        found = _DATED.match(key)
        if found is None:
            return True
        if self.regions and found["region"] not in self.regions:
            return False
        day = _day(found)
        return day is None or self._first_day() <= day <= self._last_day()

    def skip_to(self, key: str) -> str:
        """Return the key behind which a listing in the order of text may go on after ``key``, "" for the next one.

        Whole days and Regions that are not asked for are passed over so.
        """
        found = _DATED.match(key)
        day = _day(found) if found is not None else None
        if found is None or day is None:
            return ""
        region = f"{found['folder']}{found['region']}/"
        if (self.regions and found["region"] not in self.regions) or day > self._last_day():
            return region + _BEHIND_ALL
        if day < self._first_day():
            return f"{region}{self._first_day():%Y/%m/%d}"
        return ""

    def _is_log_file(self, key: str) -> bool:
        parts = key.split("/")
        if not _OTHER_FOLDERS.isdisjoint(parts[:-1]):
            return False
        service = _SERVICE_FOLDER.search(key)
        if service is not None:
            return service[1] == _LOG_FILES
        return not self.is_strict or _LOG_FILES in parts[:-1]

    def _first_day(self) -> date:
        return date.min if self.start is None else self.start.astimezone(UTC).date()

    def _last_day(self) -> date:
        if self.end is None:
            return date.max
        return self.end.astimezone(UTC).date() + timedelta(days=LATE_DAYS)


def day_of_key(key: str) -> date | None:
    """Return the day that a log file's key names, None when it names none."""
    found = _DATED.match(key)
    return _day(found) if found is not None else None


def _day(found: re.Match[str]) -> date | None:
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None
