"""Validation of a trail's log files: AWS's own verdicts, fetched many at a time, and what AWS's verifier does not see.

Goes in: which trail, Region and time range, where its digests lie, the object stores and the public keys. Comes out:
findings in the order AWS's verifier gives them (newest digest first, after each its log files), then what the digests
together say: which are missing, overlap, fork or stand alone, and which files nobody listed. The walk: digest_walk.py,
files: log_file_checks.py, added files: added_files.py, the chain as a whole: digest/chain_checks.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from opentrail.digest.chain_checks import Schedule, fork_concerns, missing_digests, overlap_concerns
from opentrail.digest.verdicts import NOT_FOUND, VALID, Finding, FindingKind, ValidationSummary
from opentrail.digest.verification import DigestInvalid, ReadDigest
from opentrail.ports.object_store import ObjectStores, ObjectSummary
from opentrail.query.added_files import (
    ELSEWHERE_DIGESTS,
    Unlisted,
    added_findings,
    log_files_between,
    sort_unlisted,
)
from opentrail.query.digest_source import SPILL, DigestSource, in_utc
from opentrail.query.digest_walk import DigestWalk, Found, Line
from opentrail.query.log_file_checks import judge_log_file
from opentrail.query.validation_request import DigestLedger, ValidationMemory
from opentrail.query.validation_request import NoPublicKeys as NoPublicKeys
from opentrail.query.validation_request import PublicKeySource as PublicKeySource
from opentrail.query.validation_request import ValidationRequest as ValidationRequest
from opentrail.resource.delivery_layout import (
    digest_stamp,
    format_digest_stamp,
    is_backfill_key,
    is_digest_stamp,
)

FETCHES_IN_FLIGHT = 48
"""Objects on their way at a time."""

FINDINGS_AHEAD = 512
"""Log files whose check was begun before the finding ahead of them was taken."""

_KEY_SPILL = timedelta(hours=2)
_ELSEWHERE = timedelta(days=2)
"""How far beyond the range digests are looked for that list a file which those of the range do not."""


@dataclass
class LogValidation:
    """One validation. ``findings`` runs it, once; ``summary`` grows as they are taken and is whole at their end, and so
    is ``valid``: the valid digests, without the files that they list.

    ``schedule`` says when digests are due, ``ledger`` which were delivered, ``memory`` what an interrupted validation
    found. ``on_progress`` is called with the objects checked and those known of so far, ``on_digest`` with each valid
    digest of the walk. Raises what the stores and the ledger raise (an object that is missing is a finding), and
    NoPublicKeys. Keeps about 300 bytes in memory for each log file of the range.
    """

    request: ValidationRequest
    stores: ObjectStores
    keys: PublicKeySource
    fetches_in_flight: int = FETCHES_IN_FLIGHT
    on_progress: Callable[[int, int], None] | None = None
    on_digest: Callable[[ReadDigest], None] | None = None
    schedule: Schedule = field(default_factory=Schedule)
    ledger: DigestLedger | None = None
    memory: ValidationMemory | None = None
    summary: ValidationSummary = field(init=False)

    def __post_init__(self) -> None:
        self.summary = ValidationSummary(in_utc(self.request.start_time), in_utc(self.request.end_time))
        self._source = DigestSource(self.request, self.stores, self.keys, self.fetches_in_flight)
        self._checked = 0
        self._total = 0
        self.valid: list[ReadDigest] = []
        self._listed_by: dict[tuple[str, str], str] = {}
        self._listing: asyncio.Task[dict[str, ObjectSummary]] | None = None

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield every finding in order."""
        line: Line = asyncio.Queue(FINDINGS_AHEAD)
        walk = asyncio.create_task(self._walk(line))
        waiting: list[asyncio.Task[list[Finding]]] = []
        try:
            while (item := await line.get()) is not None:
                if isinstance(item, asyncio.Task):
                    waiting.append(item)
                    found = await item
                    waiting.clear()
                else:
                    found = [item]
                for finding in found:
                    self.summary.add(finding)
                    self._progress(finding)
                    yield finding
            await walk
        finally:
            listing = [] if self._listing is None else [self._listing]
            await self._stop([walk, *listing, *waiting, *self._source.prefetches, *_left_in(line)])

    async def _stop(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    def _progress(self, finding: Finding) -> None:
        if finding.kind in {FindingKind.DIGEST, FindingKind.LOG_FILE}:
            self._checked += 1
        if self.on_progress is not None:
            self.on_progress(self._checked, max(self._total, self._checked))

    async def _walk(self, line: Line) -> None:
        try:
            # Asked before the bucket is, so that what it says was delivered must be there.
            schedule = await self._known_schedule()
            start, end = self.summary.start_time, self.summary.end_time
            standard, backfill = await self._source.list_digests(self.request.bucket, start, end)
            self._listing = asyncio.create_task(self._list_log_files())
            self._total += len(standard) + len(backfill)
            if standard:
                await self._source.load_keys(start, end + _KEY_SPILL, is_needed=True)
            walks = [
                DigestWalk(
                    self._source,
                    line,
                    self._visit,
                    bucket=self.request.bucket,
                    listed=listed,
                    start=start,
                    is_backfill=listed is backfill,
                )
                for listed in (standard, backfill)
                if listed
            ]
            for walk in walks:
                await walk.run()
            for finding in await self._look_at_the_whole(walks, schedule):
                await line.put(finding)
        finally:
            await line.put(None)

    async def _known_schedule(self) -> Schedule:
        """Return the schedule with what the ledger knows of this chain."""
        if self.ledger is None:
            return self.schedule
        place = self.request.place
        end = self.summary.end_time + SPILL
        chain = await self.ledger.chain(place.account_id, place.region, self.summary.start_time, end)
        return replace(
            self.schedule,
            now=None if chain.is_resting else self.schedule.now,
            settled_until=chain.settled_until,
            delivered=[
                (span.start_time, span.end_time)
                for span in chain.delivered
                if span.bucket == self.request.bucket and place.matches(span.key)
            ],
        )

    async def _look_at_the_whole(self, walks: list[DigestWalk], schedule: Schedule) -> list[Finding]:
        """Return what no digest or file alone shows."""
        start, end = self.summary.start_time, self.summary.end_time
        findings: list[Finding] = []
        for walk in walks:
            findings += await walk.strays()
            findings += fork_concerns(walk.valid)
            if not walk.is_backfill:
                self.valid = walk.valid
                findings += overlap_concerns(walk.valid)
        findings += missing_digests(self.valid, start, end, schedule)
        return findings + await self._added_files()

    async def _added_files(self) -> list[Finding]:
        assert self._listing is not None
        summaries, bucket = await self._listing, self.request.bucket
        start, end = self.summary.start_time, self.summary.end_time
        if not self.valid:
            in_range = [key for key in summaries if not key.endswith("/")]
            verdict = f"there is not one valid digest, and {len(in_range)} log files lie in the folder"
            is_due = self.schedule.now is not None and in_range
            return [Finding(FindingKind.MISSING, verdict, gap_start=start, gap_end=end)] if is_due else []
        listed = {key for place, key in self._listed_by if place == bucket}
        unlisted = sort_unlisted(summaries.values(), listed, self.valid, start, end)
        if unlisted.suspects:
            await self._ask_elsewhere(unlisted)
        self.summary.undigested, self.summary.uncovered = unlisted.younger, unlisted.uncovered
        return added_findings(bucket, unlisted.suspects)

    async def _ask_elsewhere(self, unlisted: Unlisted) -> None:
        """Clear the suspects that a digest outside the walk lists: a later one, an earlier one, another trail's."""
        bucket, place = self.request.bucket, self.request.place
        walked = {digest.key for digest in self.valid}
        start, end = self.summary.start_time - _ELSEWHERE, self.summary.end_time + _ELSEWHERE
        first, last = format_digest_stamp(start), format_digest_stamp(end)
        after = f"{place.folder}/{start:%Y/%m/%d}"
        asked = 0
        await self._source.load_keys(start, end, is_needed=False)
        async for summary in self.stores.bucket(bucket).list(place.folder + "/", after):
            key = summary.key
            stamp = digest_stamp(key)
            if key in walked or not is_digest_stamp(stamp) or not first <= stamp <= last:
                continue
            asked += 1
            if not unlisted.suspects or asked > ELSEWHERE_DIGESTS:
                return
            with suppress(DigestInvalid):
                for file in (await self._source.read(bucket, key, is_backfill=False)).listed:
                    unlisted.suspects.pop(str(file.get("s3Object", "")), None)

    async def _list_log_files(self) -> dict[str, ObjectSummary]:
        store = self.stores.bucket(self.request.bucket)
        start, end = self.summary.start_time, self.summary.end_time + SPILL
        return {summary.key: summary async for summary in log_files_between(store, self.request.place, start, end)}

    def _visit(self, digest: ReadDigest) -> Iterator[Found]:
        """Take a valid digest of a walk in; the checks of its log files begin as they are asked for."""
        self.summary.see_span(digest.start_time, digest.end_time)
        if self.on_digest is not None:
            self.on_digest(digest)
        self._total += len(digest.listed)
        return self._checks(digest)

    def _checks(self, digest: ReadDigest) -> Iterator[Found]:
        for listed in digest.listed:
            if doubled := self._note_listed(listed, digest):
                yield doubled
            yield asyncio.create_task(self._check_log_file(listed))

    def _note_listed(self, listed: Mapping[str, Any], digest: ReadDigest) -> Finding | None:
        """Remember that a valid digest lists a file; return a concern when another one does, too."""
        place = (str(listed.get("s3Bucket", "")), str(listed.get("s3Object", "")))
        other = self._listed_by.setdefault(place, digest.key)
        if other == digest.key or is_backfill_key(digest.key):
            return None
        return Finding(FindingKind.FILE_CONCERN, f"both {other} and {digest.key} list it", *place)

    async def _check_log_file(self, listed: Mapping[str, Any]) -> list[Finding]:
        """Return the findings on one log file that a valid digest lists: AWS's verdict, then ours if there is more."""
        bucket, key = str(listed.get("s3Bucket", "")), str(listed.get("s3Object", ""))
        concern = ""
        if await self._is_remembered(bucket, key, listed):
            return [Finding(FindingKind.LOG_FILE, VALID, bucket, key)]
        async with self._source.slots:  # held while hashing, so that no more bodies than slots are in memory
            found = await self._source.fetch(bucket, key)
            verdict = NOT_FOUND
            if found is not None:
                verdict, concern = await judge_log_file(found.body, listed)
                if self.memory is not None and verdict == VALID and not concern:
                    self.memory.remember(bucket, found.summary, listed)
        finding = Finding(FindingKind.LOG_FILE, verdict, bucket, key)
        return [finding, Finding(FindingKind.FILE_CONCERN, concern, bucket, key)] if concern else [finding]

    async def _is_remembered(self, bucket: str, key: str, listed: Mapping[str, Any]) -> bool:
        if self.memory is None or self._listing is None or bucket != self.request.bucket:
            return False
        summary = (await asyncio.shield(self._listing)).get(key)
        if summary is None or not self.memory.knows(bucket, summary, listed):
            return False
        self.summary.remembered += 1
        return True


def _left_in(line: Line) -> Iterable[asyncio.Task[list[Finding]]]:
    while not line.empty():
        item = line.get_nowait()
        if isinstance(item, asyncio.Task):
            yield item
