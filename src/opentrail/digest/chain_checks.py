"""What a set of valid digests says about those that are not there: AWS's verifier looks at one digest at a time.

```
   |--- a ---|--- b ---|         |--- d ---|=== d' ==|        d and d' name b as the one before: a fork
                       ^ missing ^                   |--- e ---|     ...      ^ range ends: missing at the end
```
A chain that starts anew (its first digest names none before it) leaves a gap that nothing is wrong with.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opentrail.clock import format_time
from opentrail.digest.verdicts import Finding, FindingKind
from opentrail.digest.verification import ReadDigest

HOURLY = timedelta(hours=1)

LEAST_PATIENCE = timedelta(minutes=5)
"""How old the newest digest may be before one is missed, however short the interval."""

NO_DIGEST = "no valid digest answers for what was delivered then"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When digests are due. ``now`` is None where nobody asks whether the newest should be there by now; ``stopped_at``
    is when logging stopped, None while it goes on.

    The rest is known of an installation at hand: ``serving_since``, before which no server could make any; the spans
    ``delivered`` by its delivery log, newest first; and ``settled_until``, up to which no other digest is due: each was
    delivered, waits for its bucket, or never will be.
    """

    now: datetime | None = None
    stopped_at: datetime | None = None
    interval: timedelta | None = None
    serving_since: datetime | None = None
    settled_until: datetime | None = None
    delivered: Sequence[tuple[datetime, datetime]] = ()


def usual_interval(digests: Sequence[ReadDigest]) -> timedelta:
    """Return the span that most digests have, an hour without any; an outage's long digest does not count for more."""
    spans = Counter(digest.end_time - digest.start_time for digest in digests)
    return max(spans, key=lambda span: (spans[span], -span), default=HOURLY)


def missing_digests(digests: Sequence[ReadDigest], start: datetime, end: datetime, schedule: Schedule) -> list[Finding]:
    """Return the spans of [start, end] that a chain should answer for and no digest of ``digests`` does, newest first.

    ``digests`` are the valid standard ones, in any order. Each span says how many are missing by the schedule.
    """
    ordered = sorted(digests, key=lambda digest: digest.start_time)
    interval = schedule.interval or usual_interval(ordered)
    spans = [_missing_before(ordered[0], start)] if ordered else []
    covered = ordered[0].end_time if ordered else start
    for digest in ordered[1:]:
        if digest.start_time > covered and digest.previous is not None:
            spans.append((covered, digest.start_time))
        covered = max(covered, digest.end_time)
    if ordered:
        spans.append(_due_after(covered, end, interval, schedule))
    found = [_missing(*span, interval) for span in reversed(spans) if span is not None and span[0] < span[1]]
    return [*_cut_off(covered, end, schedule), *found]


def _missing_before(oldest: ReadDigest, start: datetime) -> tuple[datetime, datetime] | None:
    return None if oldest.previous is None else (start, oldest.start_time)


def _cut_off(covered: datetime, end: datetime, schedule: Schedule) -> list[Finding]:
    """Return what was delivered after ``covered``, and must be there therefore."""
    lost = [span for span in schedule.delivered if covered < span[1] and span[0] < end]
    if not lost:
        return []
    return [_finding(max(covered, lost[-1][0]), min(end, lost[0][1]), len(lost), "by the delivery log")]


def _due_after(
    covered: datetime, end: datetime, interval: timedelta, schedule: Schedule
) -> tuple[datetime, datetime] | None:
    since = max(covered, schedule.settled_until or covered)
    waited_since = max(since, schedule.serving_since or since)
    # The one that is due now may still be on its way, so two intervals pass before any is missed.
    if schedule.now is None or schedule.now - waited_since < max(2 * interval, LEAST_PATIENCE):
        return None
    due = min(end, schedule.now)
    if schedule.stopped_at is not None:
        due = min(due, schedule.stopped_at)
    return (since, due) if since < due else None


def _missing(start: datetime, end: datetime, interval: timedelta) -> Finding:
    return _finding(start, end, max(1, round((end - start) / interval)), "by the schedule")


def _finding(start: datetime, end: datetime, count: int, reason: str) -> Finding:
    digests = "1 digest" if count == 1 else f"{count} digests"
    return Finding(FindingKind.MISSING, f"{NO_DIGEST}; {digests} missing {reason}", gap_start=start, gap_end=end)


def overlap_concerns(digests: Sequence[ReadDigest]) -> list[Finding]:
    """Return the digests that answer for a time which another one answers for, too."""
    found = []
    widest: ReadDigest | None = None
    for digest in sorted(digests, key=lambda digest: (digest.start_time, digest.end_time)):
        if widest is not None and digest.start_time < widest.end_time:
            times = f"{format_time(digest.start_time)} to {format_time(min(digest.end_time, widest.end_time))}"
            found.append(_concern(digest, f"answers for {times} as {widest.key} does"))
        if widest is None or digest.end_time > widest.end_time:
            widest = digest
    return found


def fork_concerns(digests: Sequence[ReadDigest]) -> list[Finding]:
    """Return the digests that name one before them which another digest names, too: of each fork, all its prongs."""
    followers: dict[tuple[str, str], list[ReadDigest]] = defaultdict(list)
    for digest in digests:
        if digest.previous is not None:
            followers[digest.previous].append(digest)
    return [
        _concern(digest, f"the chain forks: {len(prongs)} digests follow {previous[1]}")
        for previous, prongs in followers.items()
        if len(prongs) > 1
        for digest in prongs
    ]


def _concern(digest: ReadDigest, verdict: str) -> Finding:
    return Finding(FindingKind.CONCERN, verdict, digest.bucket, digest.key)
