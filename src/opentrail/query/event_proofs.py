"""Finding the proof of one event: from its id, over a trail's signed digests, to the log file that holds it.

Digests are read oldest first, from the time of the event where Event history knows it, else over the whole range asked
for; then, along their chain, those that lie where the trail had its bucket or prefix before. Each is verified before
anything it lists is believed, and each log file against the hash that the digest lists.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from opentrail.clock import format_time
from opentrail.digest.document import EVENT_TREE, sha256_hex
from opentrail.digest.inflation import NotGzip, inflate
from opentrail.digest.proof import EventProof, make_proof
from opentrail.digest.records import NotALogFile
from opentrail.digest.verification import DigestInvalid, ReadDigest, check_signature, read_digest
from opentrail.ports.object_store import ObjectNotFound, ObjectStores
from opentrail.ports.signer import PublicKey
from opentrail.query.log_validation import PublicKeySource, ValidationRequest
from opentrail.resource.delivery_layout import (
    digest_stamp,
    format_digest_stamp,
    is_backfill_key,
    is_digest_stamp,
)

FILES_IN_FLIGHT = 16
"""Log files on their way at a time; each may have 50 MB."""

_KEY_MARGIN = timedelta(hours=2)
_LISTING_OVERLAP = timedelta(minutes=1)


_Place = tuple[str, str]
"""A digest's bucket and key."""

_Link = tuple[_Place | None, datetime]
"""The digest before one that was read, and when that one begins."""


class NoProof(Exception):
    """There is no proof of the event; the message says how far the search went."""


@dataclass
class ProofSearch:
    """The search for one event in the files that a trail delivered in ``request``'s range.

    ``event_time`` is the event's own time as it spells it, "" when it is not known: then every file is read.
    ``on_progress`` is called with the digests and log files read so far. Raises what the stores raise.
    """

    request: ValidationRequest
    stores: ObjectStores
    keys: PublicKeySource
    event_id: str
    event_time: str = ""
    on_progress: Callable[[int, int], None] | None = None
    digests_read: int = 0
    files_read: int = 0
    skipped: list[str] = field(default_factory=list)

    async def find(self) -> EventProof:
        """Return the proof. Raises NoProof."""
        keys = await self._public_keys()
        seen, links = set[_Place](), list[_Link]()
        async for place in self._digest_keys():
            seen.add(place)
            digest = await self._read(*place, keys)
            if digest is None:
                continue
            if (proof := await self._search(digest)) is not None:
                return proof
            links.append((digest.previous, digest.start_time))
        for link in links:
            if (proof := await self._search_elsewhere(link, seen, keys)) is not None:
                return proof
        raise NoProof(self._failure())

    async def _public_keys(self) -> Mapping[str, PublicKey]:
        listed = await self.keys.public_keys(
            self.request.region, self.request.start_time - _KEY_MARGIN, self.request.end_time + _KEY_MARGIN
        )
        return {key.fingerprint: key for key in listed}

    async def _search_elsewhere(
        self, link: _Link, seen: set[_Place], keys: Mapping[str, PublicKey]
    ) -> EventProof | None:
        """Follow the chain to digests that were not listed, back to the start of the range. Ends grow older with each
        step, so that no chain is followed for ever."""
        place, until = link
        while place is not None and place not in seen and until > self.request.start_time:
            seen.add(place)
            digest = await self._read(*place, keys)
            if digest is None or digest.end_time > until:
                return None
            if (proof := await self._search(digest)) is not None:
                return proof
            place, until = digest.previous, digest.start_time
        return None

    def _failure(self) -> str:
        request = self.request
        span = f"{format_time(request.start_time)} to {format_time(request.end_time)}"
        parts = [
            f"event {self.event_id} is in none of the {self.files_read} log files that {self.digests_read} digests of "
            f"{request.trail_arn} in {request.region} list from {span}"
        ]
        return "; ".join([*parts, *self.skipped[:5]])

    async def _digest_keys(self) -> AsyncIterator[_Place]:
        place, bucket = self.request.place, self.request.bucket
        first = format_digest_stamp(self.request.start_time)
        async for summary in self.stores.bucket(bucket).list(
            place.folder, place.key(self.request.start_time - _LISTING_OVERLAP)
        ):
            stamp = digest_stamp(summary.key)
            if place.matches(summary.key) and is_digest_stamp(stamp) and stamp >= first:
                yield bucket, summary.key

    async def _read(self, bucket: str, key: str, keys: Mapping[str, PublicKey]) -> ReadDigest | None:
        try:
            found = await self.stores.bucket(bucket).get(key)
            digest = read_digest(bucket, key, found.body, found.metadata, is_backfill=is_backfill_key(key))
            trusted = keys.get(digest.fingerprint)
            check_signature(digest, trusted.der if trusted else None, self.request.home_region)
        except (DigestInvalid, ObjectNotFound) as error:
            self.skipped.append(f"the digest {key} proves nothing: {error}")
            return None
        self.digests_read += 1
        self._progress()
        return digest

    async def _search(self, digest: ReadDigest) -> EventProof | None:
        wanted = [file for file in digest.listed if self._may_hold(file)]
        for start in range(0, len(wanted), FILES_IN_FLIGHT):
            group = wanted[start : start + FILES_IN_FLIGHT]
            for proof in await asyncio.gather(*(self._search_file(digest, file) for file in group)):
                if proof is not None:
                    return proof
        return None

    def _may_hold(self, file: Mapping[str, Any]) -> bool:
        if not self.event_time:
            return True
        oldest, newest = str(file.get("oldestEventTime", "")), str(file.get("newestEventTime", ""))
        return oldest <= self.event_time <= newest

    async def _search_file(self, digest: ReadDigest, file: Mapping[str, Any]) -> EventProof | None:
        bucket, key = str(file.get("s3Bucket", "")), str(file.get("s3Object", ""))
        try:
            body = (await self.stores.bucket(bucket).get(key)).body
        except ObjectNotFound:
            self.skipped.append(f"the log file {key} is not there")
            return None
        self.files_read += 1
        self._progress()
        return await asyncio.to_thread(self._prove, digest, file, body)

    def _prove(self, digest: ReadDigest, file: Mapping[str, Any], body: bytes) -> EventProof | None:
        bucket, key = str(file.get("s3Bucket", "")), str(file.get("s3Object", ""))
        needle = self.event_id.encode()
        try:
            raw = inflate(body).raw
            if needle not in raw:
                return None
            if sha256_hex(raw) != file.get("hashValue"):
                self.skipped.append(f"the log file {key} was altered")
                return None
            proof = make_proof(
                digest, bucket, key, raw, lambda event: needle in event and _id_of(event) == self.event_id
            )
        except (NotGzip, NotALogFile) as error:
            self.skipped.append(f"the log file {key} cannot be read: {error}")
            return None
        if proof is not None and EVENT_TREE not in file:
            raise NoProof(f"event {self.event_id} is in {key}, whose digest {digest.key} has no tree of its events")
        return proof

    def _progress(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.digests_read, self.files_read)


def _id_of(event: bytes) -> str:
    try:
        parsed = orjson.loads(event)
    except ValueError:
        return ""
    return str(parsed.get("eventID", "")) if isinstance(parsed, dict) else ""


def search_start(event_time: str, otherwise: datetime) -> datetime:
    """Return from when on digests may list the event: its own time, when that is known and is one."""
    try:
        moment = datetime.fromisoformat(event_time)
    except ValueError:
        return otherwise
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
