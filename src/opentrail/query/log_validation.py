"""Validation of a trail's log files: walks the digests as AWS's verifier does, fetching many objects at a time.

Goes in: which trail, Region and time range, where its digests lie, the object stores and the public keys. Comes out:
findings in the order AWS's verifier gives them (newest digest first, after each its log files), and their sum. The
walk (reference: trails-and-delivery, section 6): from the newest listed digest back by the previous digest that each
names; where that leads nowhere, to the next older one listed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from opentrail.arn import Arn
from opentrail.digest.inflation import NotGzip, hash_inflated
from opentrail.digest.verdicts import (
    HASH_MISMATCH,
    INVALID_FORMAT,
    NOT_FOUND,
    TRAILING_DATA,
    VALID,
    Finding,
    FindingKind,
    ValidationSummary,
)
from opentrail.digest.verification import (
    DigestInvalid,
    ReadDigest,
    check_signature,
    key_concerns,
    link_concerns,
    read_digest,
)
from opentrail.ports.object_store import ObjectNotFound, ObjectStores, StoredObject
from opentrail.ports.signer import PublicKey
from opentrail.resource.delivery_layout import (
    DigestPlace,
    digest_stamp,
    format_digest_stamp,
    is_backfill_key,
    is_digest_stamp,
    parse_digest_stamp,
)

FETCHES_IN_FLIGHT = 48
"""Objects on their way at a time."""

FINDINGS_AHEAD = 512
"""Log files whose check was begun before the finding ahead of them was taken."""

_LISTING_OVERLAP = timedelta(minutes=1)
_SPILL = timedelta(hours=1)
_KEY_SPILL = timedelta(hours=2)
_BACKFILL_KEY_MARGIN = timedelta(hours=1)
_SMALL_BODY_BYTES = 64 * 1024
"""Bodies up to this size are hashed in place, larger ones in a thread."""


class PublicKeySource(Protocol):
    """Where public keys come from: a signer, or ListPublicKeys."""

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        """Return the Region's keys whose validity meets [start, end]."""
        ...


class NoPublicKeys(Exception):
    """There are digests and no key is listed to check them with."""


@dataclass(frozen=True)
class ValidationRequest:
    """What to validate: the log files of ``region`` delivered from ``start_time`` to ``end_time``.

    ``bucket`` and ``key_prefix`` are the trail's; ``account_id`` is needed for a member of an organization only.
    """

    trail_arn: str
    region: str
    start_time: datetime
    end_time: datetime
    bucket: str
    key_prefix: str = ""
    account_id: str = ""
    organization_id: str = ""

    @property
    def home_region(self) -> str:
        return Arn.parse(self.trail_arn).region

    @property
    def place(self) -> DigestPlace:
        """Where the digests lie."""
        arn = Arn.parse(self.trail_arn)
        account, name = self.account_id or arn.account_id, arn.resource.rpartition("/")[2]
        return DigestPlace(account, self.region, name, arn.region, self.key_prefix, self.organization_id)


@dataclass
class LogValidation:
    """One validation. ``findings`` runs it, once; ``summary`` grows as they are taken and is whole at their end.

    ``on_progress`` is called with the objects checked and those known of so far, ``on_digest`` with each digest whose
    signature is valid. Raises what the stores raise when an
    object cannot be looked at (missing is a finding), and NoPublicKeys.
    """

    request: ValidationRequest
    stores: ObjectStores
    keys: PublicKeySource
    fetches_in_flight: int = FETCHES_IN_FLIGHT
    on_progress: Callable[[int, int], None] | None = None
    on_digest: Callable[[ReadDigest], None] | None = None
    summary: ValidationSummary = field(init=False)

    def __post_init__(self) -> None:
        self.summary = ValidationSummary(_utc(self.request.start_time), _utc(self.request.end_time))
        self._slots = asyncio.Semaphore(self.fetches_in_flight)
        self.known: dict[str, PublicKey] = {}
        self._checked = 0
        self.total = 0
        self._prefetched: dict[tuple[str, str], asyncio.Task[StoredObject | None]] = {}

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield every finding in order."""
        line: asyncio.Queue[Finding | asyncio.Task[Finding] | None] = asyncio.Queue(FINDINGS_AHEAD)
        walk = asyncio.create_task(self._walk(line))
        waiting: list[asyncio.Task[Finding]] = []
        try:
            while (item := await line.get()) is not None:
                if isinstance(item, asyncio.Task):
                    waiting.append(item)
                    finding = await item
                    waiting.clear()
                else:
                    finding = item
                self.summary.add(finding)
                self._progress(finding)
                yield finding
            await walk
        finally:
            await self._stop([walk, *waiting, *self._prefetched.values(), *_left_in(line)])

    async def _stop(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    def _progress(self, finding: Finding) -> None:
        if finding.kind in {FindingKind.DIGEST, FindingKind.LOG_FILE}:
            self._checked += 1
        if self.on_progress is not None:
            self.on_progress(self._checked, max(self.total, self._checked))

    async def _walk(self, line: "asyncio.Queue[Finding | asyncio.Task[Finding] | None]") -> None:
        try:
            standard, backfill = await self.list_digests(self.request.bucket, self.summary.end_time)
            self.total += len(standard) + len(backfill)
            if standard:
                await self._load_keys(self.summary.start_time, self.summary.end_time + _KEY_SPILL, is_needed=True)
                await _Walk(self, line, standard, is_backfill=False).run()
            if backfill:
                await _Walk(self, line, backfill, is_backfill=True).run()
        finally:
            await line.put(None)

    async def list_digests(self, bucket: str, end_time: datetime) -> tuple[list[str], list[str]]:
        """Return the standard and the backfill digests of the range in a bucket, oldest first."""
        place = self.request.place
        start = self.summary.start_time
        first, last = format_digest_stamp(start), format_digest_stamp(end_time + _SPILL)
        standard: list[str] = []
        backfill: list[str] = []
        listing = self.stores.bucket(bucket).list(place.folder, place.key(start - _LISTING_OVERLAP))
        async for summary in listing:
            key = summary.key
            stamp = digest_stamp(key)
            if not place.matches(key) or not is_digest_stamp(stamp):
                continue
            if stamp > last:
                break
            if stamp >= first:
                (backfill if is_backfill_key(key) else standard).append(key)
        return standard, backfill

    async def _load_keys(self, start: datetime, end: datetime, *, is_needed: bool) -> None:
        keys = await self.keys.public_keys(self.request.region, start, end)
        if is_needed and not keys:
            raise NoPublicKeys(f"No public keys found between {_text(start)} and {_text(end)}")
        self.known |= {key.fingerprint: key for key in keys}

    async def key_of(self, digest: ReadDigest, *, is_backfill: bool) -> PublicKey | None:
        if is_backfill and digest.fingerprint not in self.known:
            moment = _utc(datetime.fromisoformat(digest.backfill_timestamp))
            await self._load_keys(moment - _BACKFILL_KEY_MARGIN, moment + _BACKFILL_KEY_MARGIN, is_needed=False)
        return self.known.get(digest.fingerprint)

    def prefetch(self, bucket: str, keys: Iterable[str]) -> None:
        for key in keys:
            if (bucket, key) not in self._prefetched:
                self._prefetched[bucket, key] = asyncio.create_task(self._fetch_in_slot(bucket, key))

    async def fetch_digest(self, bucket: str, key: str) -> StoredObject | None:
        task = self._prefetched.pop((bucket, key), None)
        return await (task or self._fetch_in_slot(bucket, key))

    async def _fetch_in_slot(self, bucket: str, key: str) -> StoredObject | None:
        async with self._slots:
            return await self._fetch(bucket, key)

    async def _fetch(self, bucket: str, key: str) -> StoredObject | None:
        try:
            return await self.stores.bucket(bucket).get(key)
        except ObjectNotFound:
            return None

    async def check_log_file(self, listed: Mapping[str, Any]) -> Finding:
        """Return the finding on one log file that a valid digest lists."""
        bucket, key = str(listed.get("s3Bucket", "")), str(listed.get("s3Object", ""))
        async with self._slots:  # held while hashing, so that no more bodies than slots are in memory
            found = await self._fetch(bucket, key)
            verdict = NOT_FOUND if found is None else await _judge_log_file(found.body, listed.get("hashValue"))
        return Finding(FindingKind.LOG_FILE, verdict, bucket, key)


class _Walk:
    """The walk along one chain, newest first. ``left`` holds the listed digests that were not reached, oldest first."""

    def __init__(
        self,
        validation: LogValidation,
        line: "asyncio.Queue[Finding | asyncio.Task[Finding] | None]",
        listed: list[str],
        *,
        is_backfill: bool,
    ) -> None:
        self._validation = validation
        self._line = line
        self._left = listed
        self._is_backfill = is_backfill
        self._bucket = validation.request.bucket
        self._successor: ReadDigest | None = None
        self._seen: set[tuple[str, str]] = set()

    async def run(self) -> None:
        key = self._next_older(None)
        last_start = parse_digest_stamp(digest_stamp(key)) if key else None
        while key and last_start is not None and self._validation.summary.start_time <= last_start:
            if (self._bucket, key) in self._seen:
                return  # a chain that leads back into itself ends nowhere
            self._seen.add((self._bucket, key))
            self._drop_from(digest_stamp(key))
            self._validation.prefetch(self._bucket, self._left[: -FETCHES_IN_FLIGHT - 1 : -1])
            try:
                digest = await self._read(key)
            except DigestInvalid as error:
                await self._tell(FindingKind.DIGEST, str(error), key)
                self._successor = None
                key = self._next_older(key)
                continue
            last_start = digest.start_time
            await self._accept(digest)
            key = await self._follow(digest)

    async def _read(self, key: str) -> ReadDigest:
        found = await self._validation.fetch_digest(self._bucket, key)
        if found is None:
            raise DigestInvalid(NOT_FOUND)
        digest = read_digest(self._bucket, key, found.body, found.metadata, is_backfill=self._is_backfill)
        try:
            listed = await self._validation.key_of(digest, is_backfill=self._is_backfill)
        except ValueError as error:
            raise DigestInvalid(str(error)) from error
        check_signature(digest, listed.der if listed else None, self._validation.request.home_region)
        return digest

    async def _accept(self, digest: ReadDigest) -> None:
        validation = self._validation
        validation.summary.see_span(digest.start_time, digest.end_time)
        if validation.on_digest is not None:
            validation.on_digest(digest)
        await self._tell(FindingKind.DIGEST, VALID, digest.key)
        key = validation.known[digest.fingerprint]
        concerns = key_concerns(digest, key.valid_from, key.valid_until)
        if self._successor is not None and self._successor.previous == (digest.bucket, digest.key):
            concerns += link_concerns(self._successor, digest)
        for concern in concerns:
            await self._tell(FindingKind.CONCERN, concern, digest.key)
        self._successor = digest
        validation.total += len(digest.listed)
        for listed in digest.listed:
            await self._line.put(asyncio.create_task(validation.check_log_file(listed)))

    async def _follow(self, digest: ReadDigest) -> str | None:
        """Return the key of the digest to look at next; a chain that starts here leaves a gap to the one before."""
        if digest.previous is None:
            older = self._next_older(digest.key)
            if older is not None:
                gap_start = parse_digest_stamp(digest_stamp(older))
                await self._line.put(
                    Finding(
                        FindingKind.GAP,
                        "no log files delivered",
                        is_backfill=self._is_backfill,
                        gap_start=gap_start,
                        gap_end=digest.start_time,
                    )
                )
            return older
        bucket, key = digest.previous
        if bucket != self._bucket:
            self._bucket = bucket
            standard, backfill = await self._validation.list_digests(bucket, digest.end_time)
            self._left = backfill if self._is_backfill else standard
        return key

    def _next_older(self, key: str | None) -> str | None:
        """Take the newest listed digest that ends before ``key`` does."""
        if key is not None:
            self._drop_from(digest_stamp(key))
        return self._left.pop() if self._left else None

    def _drop_from(self, stamp: str) -> None:
        while self._left and digest_stamp(self._left[-1]) >= stamp:
            self._left.pop()

    async def _tell(self, kind: FindingKind, verdict: str, key: str) -> None:
        await self._line.put(Finding(kind, verdict, self._bucket, key, self._is_backfill))


async def _judge_log_file(body: bytes, expected: object) -> str:
    if len(body) <= _SMALL_BODY_BYTES:
        return _judge_body(body, expected)
    return await asyncio.to_thread(_judge_body, body, expected)


def _judge_body(body: bytes, expected: object) -> str:
    with suppress(NotGzip):
        quick = hash_inflated(body)
        if quick.sha256 == expected and not quick.has_trailing_data:
            return VALID
    try:
        found = hash_inflated(body, is_exact=True)
    except NotGzip:
        return INVALID_FORMAT
    if found.has_trailing_data:
        return TRAILING_DATA
    return VALID if found.sha256 == expected else HASH_MISMATCH


def _left_in(line: "asyncio.Queue[Finding | asyncio.Task[Finding] | None]") -> Iterable[asyncio.Task[Finding]]:
    while not line.empty():
        item = line.get_nowait()
        if isinstance(item, asyncio.Task):
            yield item


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
