"""Log files that lie in a trail's folder and that no digest lists: what was added beside what was delivered.

A file is told by the minute in its name, which the time that a store gives it confirms or not:

| its name says | it is |
|---|---|
| a time that a valid digest answers for | added, unless one outside the walk lists it (another trail's, a later one) |
| after the newest digest, or within the grace before its end | younger: the next digest will list it |
| a time that no valid digest answers for | uncovered: delivered while validation was off, or its digest is missing |

A name that is not a log file's is judged by the store's time. Files delivered late carry an old name and are listed by
a later digest; one that is not yet listed is reported, for nothing else tells it from an added one.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opentrail.digest.verdicts import Finding, FindingKind
from opentrail.digest.verification import ReadDigest
from opentrail.ports.object_store import ObjectStore, ObjectSummary
from opentrail.resource.delivery_layout import DigestPlace, log_file_stamp

ADDED = "no digest lists it"

GRACE = timedelta(minutes=5)
"""A file is put before the digest's end and confirmed after it, or closed before the time in its name: so close to the
ends of what digests answer for it may be another's."""

ELSEWHERE_DIGESTS = 2_000
"""Digests outside the walk (later ones, other trails') that are read to see whether they list a file."""


async def log_files_between(
    store: ObjectStore, place: DigestPlace, start: datetime, end: datetime
) -> AsyncIterator[ObjectSummary]:
    """Yield what lies in the log folder under the days of [start, end], in key order."""
    folder = place.log_file_folder
    last = f"{folder}{end:%Y/%m/%d}0"  # "0" is the character after "/"
    async for summary in store.list(folder, f"{folder}{start:%Y/%m/%d}"):
        if summary.key > last:
            return
        yield summary


@dataclass
class Unlisted:
    """Files that no digest of the walk lists, by what they are; the added ones are suspects until all was asked."""

    suspects: dict[str, str] = field(default_factory=dict)
    younger: int = 0
    uncovered: int = 0


def sort_unlisted(
    summaries: Iterable[ObjectSummary], listed: set[str], digests: Sequence[ReadDigest], start: datetime, end: datetime
) -> Unlisted:
    """Sort the files of [start, end] that are not among the keys ``listed``. ``digests``: the valid ones."""
    found = Unlisted()
    spans = _spans(digests)
    newest = max(span[1] for span in spans)
    for summary in summaries:
        if summary.key in listed or summary.key.endswith("/"):
            continue
        stamp = log_file_stamp(summary.key) or summary.modified_at
        if not start <= stamp <= end:
            continue
        if stamp >= newest:
            found.younger += 1
        elif any(first < stamp <= last for first, last in spans):
            found.suspects[summary.key] = ADDED
        else:
            found.uncovered += 1
    return found


def _spans(digests: Sequence[ReadDigest]) -> list[tuple[datetime, datetime]]:
    """Return what digests answer for, joined, each span without the grace at its ends."""
    spans: list[tuple[datetime, datetime]] = []
    for digest in sorted(digests, key=lambda digest: digest.start_time):
        if spans and digest.start_time <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], digest.end_time))
        else:
            spans.append((digest.start_time, digest.end_time))
    return [(start + GRACE, end - GRACE) for start, end in spans]


def added_findings(bucket: str, suspects: dict[str, str]) -> list[Finding]:
    """Return the finding on each file that was added."""
    return [Finding(FindingKind.FILE_CONCERN, verdict, bucket, key) for key, verdict in sorted(suspects.items())]
