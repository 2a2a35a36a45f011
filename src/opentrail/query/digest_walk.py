"""The walk along a chain of digests, as AWS's verifier does it (reference: trails-and-delivery, section 6).

From the newest listed digest back by the previous one that each names; where that leads nowhere, to the next older one
listed. Beside AWS's verdicts it tells how each digest fits the one after it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from opentrail.digest.verdicts import VALID, Finding, FindingKind
from opentrail.digest.verification import DigestInvalid, ReadDigest, key_concerns, link_concerns
from opentrail.query.digest_source import DigestSource
from opentrail.resource.delivery_layout import digest_stamp, parse_digest_stamp

Found = Finding | asyncio.Task[list[Finding]]
"""A finding, or the check of a log file that is under way."""

Line = asyncio.Queue[Found | None]

PREFETCHED_DIGESTS = 48
"""Digests fetched ahead of the walk."""


class DigestWalk:
    """The walk along one chain from the newest of ``listed`` (keys, oldest first) back to ``start``.

    Its findings go into ``line`` as they are found. ``visit`` is called with each valid digest and returns what there
    is to say of the log files that it lists. ``valid`` are the digests found valid, without what they list.
    """

    def __init__(
        self,
        source: DigestSource,
        line: Line,
        visit: Callable[[ReadDigest], Iterable[Found]],
        *,
        bucket: str,
        listed: Sequence[str],
        start: datetime,
        is_backfill: bool,
    ) -> None:
        self._source = source
        self._line = line
        self._visit = visit
        self._bucket = bucket
        self._left = list(listed)
        self._start = start
        self.is_backfill = is_backfill
        self._successor: ReadDigest | None = None
        self._seen: set[tuple[str, str]] = set()
        self._listed = {(bucket, key) for key in listed}
        self.valid: list[ReadDigest] = []

    async def run(self) -> None:
        key = self._next_older(None)
        last_start = parse_digest_stamp(digest_stamp(key)) if key else None
        while key and last_start is not None and self._start <= last_start:
            if (self._bucket, key) in self._seen:
                return  # a chain that leads back into itself ends nowhere
            self._seen.add((self._bucket, key))
            self._drop_from(digest_stamp(key))
            self._source.prefetch(self._bucket, self._left[: -PREFETCHED_DIGESTS - 1 : -1])
            try:
                digest = await self._source.read(self._bucket, key, is_backfill=self.is_backfill)
            except DigestInvalid as error:
                await self._tell(FindingKind.DIGEST, str(error), key)
                self._successor = None
                key = self._next_older(key)
                continue
            last_start = digest.start_time
            await self._accept(digest)
            key = await self._follow(digest)

    async def _accept(self, digest: ReadDigest) -> None:
        found = self._visit(digest)
        await self._tell(FindingKind.DIGEST, VALID, digest.key)
        key = self._source.known[digest.fingerprint]
        concerns = key_concerns(digest, key.valid_from, key.valid_until)
        if self._successor is not None and self._successor.previous == (digest.bucket, digest.key):
            concerns += link_concerns(self._successor, digest)
        for concern in concerns:
            await self._tell(FindingKind.CONCERN, concern, digest.key)
        self._successor = digest
        self.valid.append(_without_files(digest))
        for item in found:
            await self._line.put(item)

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
                        is_backfill=self.is_backfill,
                        gap_start=gap_start,
                        gap_end=digest.start_time,
                    )
                )
            return older
        bucket, key = digest.previous
        if bucket != self._bucket:
            self._bucket = bucket
            standard, backfill = await self._source.list_digests(bucket, self._start, digest.end_time)
            self._left = backfill if self.is_backfill else standard
            self._listed |= {(bucket, listed) for listed in self._left}
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
        await self._line.put(Finding(kind, verdict, self._bucket, key, self.is_backfill))

    async def strays(self) -> list[Finding]:
        """Read the listed digests that the walk did not come by: none where nobody touched the chain. The valid ones
        count among ``valid`` from then on."""
        findings = []
        for bucket, key in sorted(self._listed - self._seen):
            try:
                digest = await self._source.read(bucket, key, is_backfill=self.is_backfill)
            except DigestInvalid as error:
                verdict = f"is in no chain that leads here: {error}"
            else:
                verdict = "is in no chain that leads here, though its signature is valid"
                self.valid.append(_without_files(digest))
            findings.append(Finding(FindingKind.CONCERN, verdict, bucket, key, self.is_backfill))
        return findings


def _without_files(digest: ReadDigest) -> ReadDigest:
    """Return a digest as it is kept to the end of a validation, when there may be thousands."""
    members = {name: value for name, value in digest.members.items() if name != "logFiles"}
    return replace(digest, raw=b"", members=members)
