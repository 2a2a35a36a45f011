"""What verification finds, as values: one finding per digest, log file or gap, and their sum.

Verdicts are worded as AWS's own verifier words them, so that both can be compared line by line. Beside them stand
concerns: what AWS's verifier does not look at and we do. They never change a verdict of AWS's, and are as grave.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from opentrail.clock import format_time


class FindingKind(StrEnum):
    """What a finding is about."""

    DIGEST = "digest"
    LOG_FILE = "log_file"
    GAP = "gap"
    CONCERN = "concern"
    """About a digest."""
    FILE_CONCERN = "file_concern"
    """About a log file."""
    MISSING = "missing"
    """About a span that no digest answers for."""


BEYOND_AWS = frozenset({FindingKind.CONCERN, FindingKind.FILE_CONCERN, FindingKind.MISSING})
"""What AWS's verifier has no word for."""


VALID = "valid"
SIGNATURE_FAILED = "signature verification failed"
INVALID_FORMAT = "invalid format"
MOVED = "has been moved from its original location"
NOT_FOUND = "not found"
HASH_MISMATCH = "hash value doesn't match"
TRAILING_DATA = "unexpected data after end of compressed stream"


def unknown_key(home_region: str, fingerprint: str) -> str:
    """Return the verdict on a digest whose key is not listed."""
    return f"public key not found in region {home_region} for fingerprint {fingerprint}"


def unreadable_key(fingerprint: str) -> str:
    """Return the verdict on a digest whose listed key is no RSA key."""
    return f"Unable to load PKCS #1 key with fingerprint {fingerprint}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a validation: ``verdict`` is VALID or says what is wrong with the object.

    A gap has no object; no log files were delivered from ``gap_start`` to ``gap_end``.
    """

    kind: FindingKind
    verdict: str
    bucket: str = ""
    key: str = ""
    is_backfill: bool = False
    gap_start: datetime | None = None
    gap_end: datetime | None = None

    @property
    def is_valid(self) -> bool:
        """Whether there is nothing wrong with the object; gaps are not wrong, concerns are."""
        return self.verdict == VALID or self.kind is FindingKind.GAP

    def text(self) -> str:
        """Return the line that ``aws cloudtrail validate-logs`` prints; a concern is worded alike. Control signs of
        keys and verdicts, which come from the bucket, are made visible: no name can feign a line or a column."""
        prefix = "(backfill) " if self.is_backfill and self.kind is not FindingKind.LOG_FILE else ""
        if self.gap_start is not None and self.gap_end is not None:
            between = f"between {format_time(self.gap_start)} and {format_time(self.gap_end)}"
            if self.kind is FindingKind.MISSING:
                return f"Digest files\t{between}\t{self._severity}: {self.verdict}"
            return f"{prefix}No log files were delivered by CloudTrail {between}"
        is_file = self.kind in {FindingKind.LOG_FILE, FindingKind.FILE_CONCERN}
        subject = "Log file" if is_file else "Digest file"
        state = self.verdict if self.is_valid else f"{self._severity}: {self.verdict}"
        return f"{prefix}{subject}\ts3://{self.bucket}/{_visible(self.key)}\t{_visible(state)}"

    @property
    def _severity(self) -> str:
        return "CONCERN" if self.kind in BEYOND_AWS else "INVALID"

    def to_json(self) -> dict[str, object]:
        """Return the finding for machines: members that say nothing are left out."""
        values: dict[str, object] = {"kind": str(self.kind), "verdict": self.verdict}
        if self.key:
            values |= {"bucket": self.bucket, "key": self.key}
        if self.is_backfill:
            values["is_backfill"] = True
        if self.gap_start and self.gap_end:
            values |= {"gap_start": format_time(self.gap_start), "gap_end": format_time(self.gap_end)}
        return values


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


@dataclass(slots=True)
class ValidationSummary:
    """The sum of a validation's findings. Found times are those of valid digests, within the range asked for."""

    start_time: datetime
    end_time: datetime
    found_start_time: datetime | None = None
    found_end_time: datetime | None = None
    valid: dict[str, int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)
    gaps: int = 0
    concerns: int = 0
    undigested: int = 0
    """Log files in the bucket that the next digest will list."""
    uncovered: int = 0
    """Log files in the bucket from times that no digest answers for."""
    remembered: int = 0
    """Log files that an earlier, interrupted validation had found valid, and that are unchanged."""

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        if finding.kind is FindingKind.GAP:
            self.gaps += 1
        elif finding.kind in BEYOND_AWS:
            self.concerns += 1
        else:
            counts = self.valid if finding.is_valid else self.invalid
            name = _count_name(finding)
            counts[name] = counts.get(name, 0) + 1

    def see_span(self, start: datetime, end: datetime) -> None:
        """Widen the found times by a valid digest's span."""
        start, end = max(start, self.start_time), min(end, self.end_time)
        self.found_start_time = start if self.found_start_time is None else min(self.found_start_time, start)
        self.found_end_time = end if self.found_end_time is None else max(self.found_end_time, end)

    @property
    def is_valid(self) -> bool:
        """Whether nothing speaks against what was delivered: neither AWS's checks nor ours beyond them."""
        return self.is_valid_to_aws and not self.concerns

    @property
    def is_valid_to_aws(self) -> bool:
        """Whether AWS's verifier would exit with 0."""
        return not self.invalid

    def text(self) -> str:
        """Return the closing lines of ``aws cloudtrail validate-logs``, with a line of ours when there are concerns."""
        lines = [f"Results requested for {format_time(self.start_time)} to {format_time(self.end_time)}"]
        if not any(counts.get(name) for counts in (self.valid, self.invalid) for name in ("digest", "backfill digest")):
            return "\n".join([*lines, "No digests found"])
        if self.found_start_time is None or self.found_end_time is None:
            lines.append("No valid digests found in range")
        else:
            found = f"{format_time(self.found_start_time)} to {format_time(self.found_end_time)}"
            lines += [f"Results found for {found}:", ""]
        lines += [line for name in _COUNT_NAMES if (line := self._ratio(name))]
        if self.concerns:
            concerns = "1 concern" if self.concerns == 1 else f"{self.concerns} concerns"
            lines.append(f"{concerns} beyond AWS's checks")
        if self.undigested:
            lines.append(f"{self.undigested} log files are younger than the newest digest: the next one lists them")
        if self.uncovered:
            lines.append(
                f"{self.uncovered} log files are from times that no valid digest answers for: nothing vouches for them"
            )
        return "\n".join(lines)

    def _ratio(self, name: str) -> str:
        valid, invalid = self.valid.get(name, 0), self.invalid.get(name, 0)
        total = valid + invalid
        if not total:
            return ""
        tail = f", {invalid}/{total} {name} files INVALID" if invalid else ""
        return f"{valid}/{total} {name} files valid{tail}"

    def to_json(self) -> dict[str, object]:
        """Return the sum for machines."""
        return {
            "is_valid": self.is_valid,
            "is_valid_to_aws": self.is_valid_to_aws,
            "start_time": format_time(self.start_time),
            "end_time": format_time(self.end_time),
            "found_start_time": format_time(self.found_start_time) if self.found_start_time else None,
            "found_end_time": format_time(self.found_end_time) if self.found_end_time else None,
            "files": {
                name: {"valid": self.valid.get(name, 0), "invalid": self.invalid.get(name, 0)} for name in _COUNT_NAMES
            },
            "gaps": self.gaps,
            "concerns": self.concerns,
            "undigested": self.undigested,
            "uncovered": self.uncovered,
            "remembered": self.remembered,
        }


_COUNT_NAMES = ("digest", "backfill digest", "log")


def _count_name(finding: Finding) -> str:
    if finding.kind is FindingKind.LOG_FILE:
        return "log"
    return "backfill digest" if finding.is_backfill else "digest"
