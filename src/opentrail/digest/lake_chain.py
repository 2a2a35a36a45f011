"""What the log of a lake table says of its commits, read as by somebody who trusts none of it (docs/formats/lake.md).

In go the versions of the log as they stand; out come the commits that hold on to one another, the days that were ended,
the files that should be there, and a finding for each thing that cannot be so.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from opentrail.digest.merkle import tree_hash

NO_HEAD = "0" * 64
"""What the first commit names as the one before it."""

MIN_RETENTION_DAYS = 7
"""No store keeps events for less: a tombstone that says so lies."""


class FindingKind(StrEnum):
    """What was done to a table; only UNPROVEN leaves the verdict as it is."""

    CHANGED = "CHANGED"
    REMOVED = "REMOVED"
    ADDED = "ADDED"
    FORGED = "FORGED"
    UNPROVEN = "UNPROVEN"


@dataclass(frozen=True, slots=True)
class LakeFinding:
    """One thing that is not as it was committed: what it is about, and what is wrong with it."""

    kind: FindingKind
    subject: str
    said: str

    @property
    def is_sound(self) -> bool:
        return self.kind is FindingKind.UNPROVEN

    def text(self) -> str:
        return f"{self.kind} {self.subject}: {self.said}"

    def to_json(self) -> dict[str, str]:
        return {"kind": str(self.kind), "subject": self.subject, "said": self.said}


@dataclass(frozen=True, slots=True)
class LogVersion:
    """One version of a table's log: its statement ("" when it has none, or none that is text), and the paths of files
    that it adds and removes. ``fault`` says why the version cannot be read at all."""

    version: int
    statement: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class DayRows:
    """What a commit says of one day: how many events, and the root of their tree."""

    count: int
    root: str


@dataclass(frozen=True, slots=True)
class CommitSaid:
    """What a commit of events says of itself; ``head`` is the hash of its statement."""

    number: int
    head: str
    days: Mapping[date, DayRows]
    set_aside: int


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What a version says that ends days: the signed statement, and what the version itself says."""

    version: int
    statement: str
    fingerprint: str
    signature: str
    days: frozenset[date]
    removed: frozenset[str]
    commits: int

    def dropped_at(self) -> datetime:
        """Return when the statement says that the days ended; raises ValueError."""
        try:
            moment = datetime.fromisoformat(orjson.loads(self.statement)["droppedAt"])
        except (KeyError, TypeError) as error:
            raise ValueError("it says no time") from error
        return moment.replace(tzinfo=moment.tzinfo or UTC)


@dataclass
class LogReading:
    """A table's log, read from its first version on."""

    commits: dict[int, CommitSaid] = field(default_factory=dict)
    tombstones: list[Tombstone] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    findings: list[LakeFinding] = field(default_factory=list)
    version: int = -1
    head: str = NO_HEAD
    number: int = 0

    def add(self, version: LogVersion) -> None:
        """Read the next version; they come in order."""
        for missing in range(self.version + 1, version.version):
            self.find(FindingKind.REMOVED, f"version {missing} of the log", "it is not there")
        self.version = version.version
        subject = f"version {version.version} of the log"
        if version.fault:
            self.find(FindingKind.CHANGED, subject, version.fault)
            return
        if not version.statement:
            if version.version or version.added or version.removed:
                self.find(FindingKind.ADDED, subject, "no statement says what it is: Opentrail did not make it")
            self._follow_files(version)
            return
        try:
            self._read(version, orjson.loads(version.statement))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.find(FindingKind.CHANGED, subject, "its statement cannot be read")
        self._follow_files(version)

    def find(self, kind: FindingKind, subject: str, said: str) -> None:
        """Note a finding."""
        self.findings.append(LakeFinding(kind, subject, said))

    def _read(self, version: LogVersion, said: Mapping[str, Any]) -> None:
        match said["kind"]:
            case "commit":
                self._read_commit(version, said)
            case "compaction":
                self._check_place(version, said)
                if not set(version.removed) <= self.files:
                    self.find(FindingKind.CHANGED, _of(version), "it joins files that the table does not have")
            case "drop":
                self._check_place(version, said)
                self._read_drop(version, said)
            case kind:
                self.find(FindingKind.ADDED, _of(version), f"it is of the unknown kind {str(kind)[:40]!r}")

    def _read_commit(self, version: LogVersion, said: Mapping[str, Any]) -> None:
        days = _days_in(said["days"])
        head = hashlib.sha256(version.statement.encode()).hexdigest()
        number = int(said["number"])
        if number != self.number + 1:
            self._note_leap(number)
        elif said["previous"] != self.head:
            self.find(FindingKind.CHANGED, f"commit {number}", "it follows another commit than the one before it")
        if {_day_of(path) for path in version.added} != set(days) or version.removed:
            self.find(FindingKind.CHANGED, f"commit {number}", "its version of the log names other files")
        self.commits[number] = CommitSaid(number, head, days, int(said["set_aside"]))
        self.number, self.head = max(number, self.number), head

    def _note_leap(self, number: int) -> None:
        if number <= self.number:
            self.find(FindingKind.ADDED, f"commit {number}", "the log has it a second time")
        else:
            gone = range(self.number + 1, number)
            self.find(FindingKind.REMOVED, spelled("commit", gone), "the log goes on behind")

    def _check_place(self, version: LogVersion, said: Mapping[str, Any]) -> None:
        if (said["number"], said["head"]) != (self.number, self.head):
            self.find(FindingKind.CHANGED, _of(version), "it says another last commit than the log has")

    def _read_drop(self, version: LogVersion, said: Mapping[str, Any]) -> None:
        days = frozenset(date.fromisoformat(day) for day in said["days"])
        tombstone = said["tombstone"]
        self.tombstones.append(
            Tombstone(
                version.version,
                str(tombstone.get("statement", "")),
                str(tombstone.get("fingerprint", "")),
                str(tombstone.get("signature", "")),
                days,
                frozenset(version.removed),
                int(said["number"]),
            )
        )
        if version.added or set(version.removed) != {path for path in self.files if _day_of(path) in days}:
            self.find(FindingKind.CHANGED, _of(version), "it removes other files than those of the days that it ends")

    def _follow_files(self, version: LogVersion) -> None:
        self.files.difference_update(version.removed)
        self.files.update(version.added)

    def day_proof(self, day: date, commits: int) -> DayRows:
        """Return what the first ``commits`` commits together brought of a day, as a tombstone says it."""
        within = [
            (number, said.days[day])
            for number, said in sorted(self.commits.items())
            if number <= commits and day in said.days
        ]
        lines = (f"{number} {rows.count} {rows.root}".encode() for number, rows in within)
        return DayRows(sum(rows.count for _, rows in within), tree_hash(lines))


def tombstone_faults(reading: LogReading, tombstone: Tombstone, arn: str, now: datetime) -> list[str]:
    """Return what a tombstone, whose signature is valid, says that cannot be so; none where the days ended rightly."""
    try:
        said = orjson.loads(tombstone.statement)
        days = _days_in(said["days"])
        retention, commits = int(said["retentionDays"]), int(said.get("commits", tombstone.commits))
        dropped_at = tombstone.dropped_at()
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["its statement cannot be read"]
    faults = []
    if said.get("eventDataStore") != arn:
        faults.append("it is of another event data store")
    if days.keys() != tombstone.days or commits != tombstone.commits:
        faults.append("it names other days or commits than its version of the log ends")
    if dropped_at > now + timedelta(days=1):
        faults.append("it is of a time to come")
    oldest_kept = (dropped_at - timedelta(days=retention)).date()
    early = sorted(day for day in days if day >= oldest_kept or retention < MIN_RETENTION_DAYS)
    if early:
        faults.append(f"{early[0]} was not past the retention of {retention} days")
    for day, rows in sorted(days.items()):
        if rows != reading.day_proof(day, commits):
            faults.append(f"it says other events of {day} than the commits brought")
    return faults


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of one commit in a file: their number, the distinct values of ``_index`` as half-open ranges, and the
    root of the tree over them in that order."""

    commit: int
    count: int
    ranges: tuple[tuple[int, int], ...]
    root: str

    @property
    def distinct(self) -> int:
        return sum(end - start for start, end in self.ranges)


def rows_findings(day: date, commit: int, said: DayRows, found: FileRows | None) -> list[LakeFinding]:
    """Compare what a commit says of a day with the rows that are there of it."""
    subject = f"commit {commit} of {day}"
    if found is None:
        return [LakeFinding(FindingKind.REMOVED, subject, f"all of its {said.count} events")]
    missing = _gaps(found.ranges, said.count)
    extra = found.count - (said.count - sum(len(gap) for gap in missing))
    findings = []
    if missing:
        gone = sum(len(gap) for gap in missing)
        rows = ", ".join(spelled("row", gap) for gap in missing[:5])
        findings.append(LakeFinding(FindingKind.REMOVED, subject, f"{gone} of its {said.count} events ({rows})"))
    if extra > 0:
        findings.append(LakeFinding(FindingKind.ADDED, subject, f"{extra} events more than its {said.count}"))
    if not findings and found.root != said.root:
        findings.append(LakeFinding(FindingKind.CHANGED, subject, f"its {said.count} events are not those committed"))
    return findings


def ranges_of(indexes: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return distinct values as half-open ranges, in order."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(set(indexes)):
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return tuple(ranges)


def _gaps(ranges: Iterable[tuple[int, int]], count: int) -> list[range]:
    gaps, at = [], 0
    for start, end in ranges:
        if at < min(start, count):
            gaps.append(range(at, min(start, count)))
        at = max(at, end)
    return [*gaps, range(at, count)] if at < count else gaps


def spelled(name: str, numbers: range) -> str:
    """Return ``row 4`` or ``rows 4 to 9``."""
    return f"{name} {numbers[0]}" if len(numbers) == 1 else f"{name}s {numbers[0]} to {numbers[-1]}"


def _days_in(said: Mapping[str, Any]) -> dict[date, DayRows]:
    return {date.fromisoformat(day): DayRows(int(one["count"]), str(one["root"])) for day, one in said.items()}


def _of(version: LogVersion) -> str:
    return f"version {version.version} of the log"


def _day_of(path: str) -> date | None:
    try:
        return date.fromisoformat(path.partition("/")[0].partition("=")[2])
    except ValueError:
        return None
