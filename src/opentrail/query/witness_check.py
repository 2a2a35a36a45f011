"""Checks a chain against what its witnesses say: who signs it again, with the right keys, cannot make them say so too.

Goes in: the digests that a validation found valid, the testimonies about them, and the range. Comes out: one finding a
digest, and one for each digest that a witness knows and nobody finds any more.

A testimony bounds the age of its digest and, because a digest names the hash and signature of the one before, of all
that it follows:

```
 digest 1 <--names-- digest 2 <--names-- digest 3      testimony about 3 at T:
   existed by T        existed by T        existed by T
```
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opentrail.clock import format_time
from opentrail.digest.verification import ReadDigest
from opentrail.ports.witness import Chain, Testimony, TestimonySource

LATE_AFTER = timedelta(days=1)
"""How long after its end a digest may be attested and still count, unless the caller says otherwise: twice the time of
most outages, and short against the time in which anybody would want to change a record."""

UNDER_WAY = timedelta(minutes=5)
"""How fresh a testimony may be whose digest is not in the bucket yet: it is told when planned, and put after."""


class WitnessVerdict(StrEnum):
    """What a witness says of one digest."""

    ATTESTED = "attested"
    NOT_YET = "not attested yet"
    NOT_ATTESTED = "not attested"
    LATE = "attested too late"
    CONTRADICTED = "contradicted"
    MISSING = "attested, and missing"

    @property
    def is_sound(self) -> bool:
        """Whether it is nothing against the digest."""
        return self in {WitnessVerdict.ATTESTED, WitnessVerdict.NOT_YET}


@dataclass(frozen=True, slots=True)
class WitnessFinding:
    """One digest's standing. The digest ended at ``end_time`` by its own word; it existed by ``existed_by`` by the
    witness's (None: unknown). ``detail`` says where that is kept, or what differs."""

    verdict: WitnessVerdict
    bucket: str
    key: str
    end_time: datetime
    existed_by: datetime | None = None
    detail: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether nothing speaks against the digest."""
        return self.verdict.is_sound

    def text(self) -> str:
        """Return the finding as one line for people."""
        bound = f", existed by {format_time(self.existed_by)}" if self.existed_by else ""
        detail = f" ({self.detail})" if self.detail else ""
        word = self.verdict.value if self.is_sound else f"INVALID: {self.verdict.value}"
        return f"Witness\ts3://{self.bucket}/{self.key}\t{word}{bound}{detail}"

    def to_json(self) -> dict[str, object]:
        """Return the finding for machines; members that say nothing are left out."""
        values: dict[str, object] = {
            "kind": "witness",
            "verdict": self.verdict.value,
            "bucket": self.bucket,
            "key": self.key,
            "end_time": format_time(self.end_time),
        }
        if self.existed_by:
            values["existed_by"] = format_time(self.existed_by)
        return values | ({"detail": self.detail} if self.detail else {})


async def check_witness(
    source: TestimonySource,
    chains: Iterable[Chain],
    digests: Sequence[ReadDigest],
    now: datetime,
    late_after: timedelta = LATE_AFTER,
) -> AsyncIterator[WitnessFinding]:
    """Ask ``source`` about the ``chains`` that a validation walked and yield its findings (see ``judge``).

    Raises what the source raises when it cannot be asked; no answer must never pass for a good one.
    """
    testimonies = [testimony for chain in chains async for testimony in source.testimonies(chain)]
    for finding in judge(digests, testimonies, now, late_after):
        yield finding


def judge(
    digests: Sequence[ReadDigest], testimonies: Iterable[Testimony], now: datetime, late_after: timedelta = LATE_AFTER
) -> list[WitnessFinding]:
    """Return the finding on each digest, newest first, then those on digests that only the witness knows.

    ``digests`` are those whose own signature is valid. A testimony that differs in anything (hash, signature, times,
    key) contradicts, whatever the others say: a witness that was told two things was lied to once.
    """
    told: dict[tuple[str, str], list[Testimony]] = defaultdict(list)
    for testimony in sorted(testimonies, key=lambda testimony: testimony.attested_at):
        told[testimony.statement.bucket, testimony.statement.key].append(testimony)
    newest_first = sorted(digests, key=lambda digest: digest.end_time, reverse=True)
    bounds = _bounds(newest_first, told)
    findings = [
        _finding(digest, told.pop((digest.bucket, digest.key), []), bounds[digest.bucket, digest.key], now, late_after)
        for digest in newest_first
    ]
    left = (testimonies[0] for testimonies in told.values())
    return findings + [_missing(first) for first in left if now - first.attested_at > UNDER_WAY]


def _bounds(
    newest_first: Sequence[ReadDigest], told: Mapping[tuple[str, str], Sequence[Testimony]]
) -> dict[tuple[str, str], datetime | None]:
    """Return by when each digest existed: its own testimony's time or that of a digest that follows from it."""
    bounds: dict[tuple[str, str], datetime | None] = {}
    inherited: dict[tuple[str, str, str, str], datetime] = {}
    for digest in newest_first:
        place = (digest.bucket, digest.key)
        times = [testimony.attested_at for testimony in told.get(place, ()) if not _difference(digest, testimony)]
        times += [
            inherited[identity] for identity in [(*place, digest.sha256, digest.signature)] if identity in inherited
        ]
        bounds[place] = bound = min(times, default=None)
        if bound is not None and digest.previous is not None:
            members = digest.members
            named = str(members.get("previousDigestHashValue")), str(members.get("previousDigestSignature"))
            inherited[(*digest.previous, *named)] = bound
    return bounds


def _finding(
    digest: ReadDigest, told: Sequence[Testimony], bound: datetime | None, now: datetime, late_after: timedelta
) -> WitnessFinding:
    for testimony in told:
        difference = _difference(digest, testimony)
        if difference:
            detail = f"{testimony.origin} has another {difference}, from {format_time(testimony.attested_at)}"
            return _of(digest, WitnessVerdict.CONTRADICTED, bound, detail)
    if bound is None:
        is_due = now - digest.end_time > late_after
        return _of(digest, WitnessVerdict.NOT_ATTESTED if is_due else WitnessVerdict.NOT_YET, None)
    origin = told[0].origin if told else "by a later digest of the chain"
    verdict = WitnessVerdict.LATE if bound - digest.end_time > late_after else WitnessVerdict.ATTESTED
    return _of(digest, verdict, bound, origin)


def _of(digest: ReadDigest, verdict: WitnessVerdict, bound: datetime | None, detail: str = "") -> WitnessFinding:
    return WitnessFinding(verdict, digest.bucket, digest.key, digest.end_time, bound, detail)


def _missing(testimony: Testimony) -> WitnessFinding:
    statement = testimony.statement
    return WitnessFinding(
        WitnessVerdict.MISSING, statement.bucket, statement.key, statement.end_time, testimony.attested_at,
        testimony.origin,
    )  # fmt: skip


def _difference(digest: ReadDigest, testimony: Testimony) -> str:
    """Return what a testimony says differently of a digest, "" when nothing."""
    statement = testimony.statement
    pairs = {
        "signature": (digest.signature, statement.signature),
        "hash": (digest.sha256, statement.sha256),
        "key": (digest.fingerprint, statement.fingerprint),
        "end": (digest.end_time, statement.end_time),
        "start": (digest.start_time, statement.start_time),
    }
    return next((name for name, (found, said) in pairs.items() if found != said), "")
