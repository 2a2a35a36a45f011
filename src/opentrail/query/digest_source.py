"""Where a validation finds digests and the keys that they name: listed, fetched ahead, read, their signatures checked.

Objects are fetched ``fetches_in_flight`` at a time, log files and digests together.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from opentrail.digest.verdicts import NOT_FOUND
from opentrail.digest.verification import DigestInvalid, ReadDigest, check_signature, read_digest
from opentrail.ports.object_store import ObjectNotFound, ObjectStores, StoredObject
from opentrail.ports.signer import PublicKey
from opentrail.query.validation_request import NoPublicKeys, PublicKeySource, ValidationRequest
from opentrail.resource.delivery_layout import digest_stamp, format_digest_stamp, is_backfill_key, is_digest_stamp

SPILL = timedelta(hours=1)
"""How far beyond the range digests and log files are listed: what is of its last hour is delivered in the next."""

_LISTING_OVERLAP = timedelta(minutes=1)
_BACKFILL_KEY_MARGIN = timedelta(hours=1)


class DigestSource:
    """The digests of one trail and Region. ``known`` are the public keys loaded so far, by fingerprint.

    Methods raise what the object stores and the source of keys raise; an object that is missing is none.
    """

    def __init__(
        self, request: ValidationRequest, stores: ObjectStores, keys: PublicKeySource, fetches_in_flight: int
    ) -> None:
        self._request = request
        self._stores = stores
        self._keys = keys
        self._slots = asyncio.Semaphore(fetches_in_flight)
        self._prefetched: dict[tuple[str, str], asyncio.Task[StoredObject | None]] = {}
        self.known: dict[str, PublicKey] = {}

    @property
    def slots(self) -> asyncio.Semaphore:
        """What to hold while an object's body is in memory."""
        return self._slots

    @property
    def prefetches(self) -> Iterable[asyncio.Task[StoredObject | None]]:
        """The fetches begun that nobody asked for yet, for whoever ends early."""
        return self._prefetched.values()

    async def list_digests(self, bucket: str, start: datetime, end: datetime) -> tuple[list[str], list[str]]:
        """Return the keys of the standard and of the backfill digests of a range in a bucket, oldest first."""
        place = self._request.place
        first, last = format_digest_stamp(start), format_digest_stamp(end + SPILL)
        standard: list[str] = []
        backfill: list[str] = []
        async for summary in self._stores.bucket(bucket).list(place.folder, place.key(start - _LISTING_OVERLAP)):
            key = summary.key
            stamp = digest_stamp(key)
            if not place.matches(key) or not is_digest_stamp(stamp):
                continue
            if stamp > last:
                break
            if stamp >= first:
                (backfill if is_backfill_key(key) else standard).append(key)
        return standard, backfill

    async def load_keys(self, start: datetime, end: datetime, *, is_needed: bool) -> None:
        """Add the public keys of a range to ``known``. Raises NoPublicKeys when there is none and one is needed."""
        keys = await self._keys.public_keys(self._request.region, start, end)
        if is_needed and not keys:
            raise NoPublicKeys(f"No public keys found between {_text(start)} and {_text(end)}")
        self.known |= {key.fingerprint: key for key in keys}

    def prefetch(self, bucket: str, keys: Iterable[str]) -> None:
        """Begin to fetch digests that will be read."""
        for key in keys:
            if (bucket, key) not in self._prefetched:
                self._prefetched[bucket, key] = asyncio.create_task(self._fetch_in_slot(bucket, key))

    async def read(self, bucket: str, key: str, *, is_backfill: bool) -> ReadDigest:
        """Return a digest whose signature is valid. Raises DigestInvalid."""
        task = self._prefetched.pop((bucket, key), None)
        found = await (task or self._fetch_in_slot(bucket, key))
        if found is None:
            raise DigestInvalid(NOT_FOUND)
        digest = read_digest(bucket, key, found.body, found.metadata, is_backfill=is_backfill)
        try:
            listed = await self._key_of(digest, is_backfill=is_backfill)
        except ValueError as error:
            raise DigestInvalid(str(error)) from error
        check_signature(digest, listed.der if listed else None, self._request.home_region)
        return digest

    async def fetch(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object, None when it is not there. The caller holds one of ``slots``."""
        try:
            return await self._stores.bucket(bucket).get(key)
        except ObjectNotFound:
            return None

    async def _fetch_in_slot(self, bucket: str, key: str) -> StoredObject | None:
        async with self._slots:
            return await self.fetch(bucket, key)

    async def _key_of(self, digest: ReadDigest, *, is_backfill: bool) -> PublicKey | None:
        """Return the listed key that a digest names, None when none is listed. Raises ValueError for no time."""
        if is_backfill and digest.fingerprint not in self.known:
            moment = in_utc(datetime.fromisoformat(digest.backfill_timestamp))
            await self.load_keys(moment - _BACKFILL_KEY_MARGIN, moment + _BACKFILL_KEY_MARGIN, is_needed=False)
        return self.known.get(digest.fingerprint)


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
