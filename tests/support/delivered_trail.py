"""A trail's delivered objects, made directly: hourly digests of log files, with the signer that may sign more."""

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from opentrail.adapters.signer.local import LocalSigner
from opentrail.deliver.digest_files import chain_link, close_digest_file, digest_metadata
from opentrail.deliver.log_files import close_log_file, gzip_bytes
from opentrail.digest.document import SIGNATURE_ALGORITHM, ChainLink, sha256_hex
from opentrail.digest.signing import signing_text
from opentrail.ports.delivery_log import LogFilePlan
from opentrail.ports.journal import START
from opentrail.ports.signer import PublicKey
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.delivery_layout import log_file_key, name_suffix
from opentrail.resource.trail import Trail
from opentrail.sealing import Sealer

ACCOUNT, REGION, BUCKET = "123456789012", "us-east-1", "logs"
PLACE = AccountRegion(ACCOUNT, REGION)
TRAIL = Trail(f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/bench", "bench", ACCOUNT, REGION, BUCKET)
START_TIME = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

Objects = dict[str, tuple[bytes, dict[str, str]]]
"""Key -> body and user metadata."""


_folders: list[TemporaryDirectory[str]] = []
"""Removed when the process ends."""


def new_signer() -> LocalSigner:
    """Return a signer with keys of its own."""
    _folders.append(TemporaryDirectory(prefix="opentrail-signer-"))
    return LocalSigner(Path(_folders[-1].name), Sealer(bytes(32)))


@dataclass
class DeliveredTrail:
    """What lies in the bucket, the keys of log files and digests in order, and who signs."""

    signer: LocalSigner = field(default_factory=new_signer)
    objects: Objects = field(default_factory=dict)
    log_files: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    @property
    def end_time(self) -> datetime:
        return START_TIME + len(self.digests) * HOUR

    async def deliver(self, digests: int, files: int, events: int) -> "DeliveredTrail":
        """Deliver so many hours of so many files of so many events."""
        previous: ChainLink | None = None
        for hour in range(digests):
            start = START_TIME + hour * HOUR
            plans = [self._add_file(start + number * HOUR / (files + 1), number, events) for number in range(files)]
            key = await self.signer.current_key(REGION, start + HOUR)
            span = (start, start + HOUR)
            unsigned = close_digest_file(TRAIL, PLACE, span, plans, previous, key.fingerprint, is_final=False)
            plan = unsigned.signed(await self.signer.sign(REGION, key.fingerprint, unsigned.text))
            self.objects[plan.key] = (gzip_bytes(plan.body), digest_metadata(plan))
            self.digests.append(plan.key)
            previous = chain_link(plan)
        return self

    def _add_file(self, stamp: datetime, number: int, events: int) -> LogFilePlan:
        file = close_log_file([_event(stamp, event) for event in range(events)])
        suffix = name_suffix("bench", TRAIL.arn, REGION, f"{stamp}{number}")
        key = log_file_key("", ACCOUNT, REGION, stamp, suffix)
        self.objects[key] = (file.body, {})
        self.log_files.append(key)
        when = stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
        return LogFilePlan(
            trail_arn=TRAIL.arn,
            region=REGION,
            account_id=ACCOUNT,
            bucket=BUCKET,
            key=key,
            first_position=START,
            last_position=START,
            stamp=stamp,
            sha256=file.sha256,
            event_count=events,
            oldest_event_time=when,
            newest_event_time=when,
            trail=b"",
            tree_hash=file.tree_hash,
        )

    async def keys(self) -> Sequence[PublicKey]:
        """Return what ListPublicKeys gives."""
        return await self.signer.public_keys(REGION, START_TIME, self.end_time + HOUR)

    def members(self, digest: str) -> dict[str, Any]:
        """Return what a digest says."""
        members: dict[str, Any] = orjson.loads(gzip.decompress(self.objects[digest][0]))
        return members

    async def put_digest(self, members: dict[str, Any], signer: LocalSigner | None = None) -> None:
        """Sign a digest as the owner of the keys can, and put it where it says it is."""
        signer = signer or self.signer
        end = datetime.fromisoformat(members["digestEndTime"])
        key = await signer.current_key(REGION, end)
        raw = orjson.dumps(members | {"digestPublicKeyFingerprint": key.fingerprint})
        bucket, name = members["digestS3Bucket"], members["digestS3Object"]
        text = signing_text(members["digestEndTime"], bucket, name, sha256_hex(raw), members["previousDigestSignature"])
        signature = await signer.sign(REGION, key.fingerprint, text)
        self.objects[name] = (
            gzip_bytes(raw),
            {"signature": signature, "signature-algorithm": SIGNATURE_ALGORITHM},
        )


def _event(stamp: datetime, number: int) -> bytes:
    return orjson.dumps(
        {
            "eventVersion": "1.11",
            "eventTime": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventID": hashlib.md5(f"{stamp}{number}".encode()).hexdigest(),
            "requestParameters": {"bucketName": f"bucket-{number}", "key": "k" * (number % 300)},
            "userAgent": "aws-cli/2.0 md/Botocore" + "x" * 300,
        }
    )
