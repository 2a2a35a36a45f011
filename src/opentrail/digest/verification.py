"""Checking one digest: from an object's bytes and metadata to its content, or to the verdict on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentrail.digest.document import parse_digest, sha256_hex
from opentrail.digest.inflation import NotGzip, inflate
from opentrail.digest.signing import UnreadableKey, is_signature_of, load_public_key, signing_text
from opentrail.digest.verdicts import INVALID_FORMAT, MOVED, SIGNATURE_FAILED, unknown_key, unreadable_key

BACKFILL_TIMESTAMP = "backfill-generation-timestamp"


class DigestInvalid(ValueError):
    """What is wrong with a digest, as its verdict; internal to a verification, which returns findings."""


@dataclass(frozen=True, slots=True)
class ReadDigest:
    """A digest that could be read: not yet verified. ``raw`` is its bytes before compression, ``sha256`` their hash."""

    bucket: str
    key: str
    members: Mapping[str, Any]
    raw: bytes
    sha256: str
    signature: str
    backfill_timestamp: str

    @property
    def fingerprint(self) -> str:
        return str(self.members["digestPublicKeyFingerprint"])

    @property
    def start_time(self) -> datetime:
        return _moment(self.members["digestStartTime"])

    @property
    def end_time(self) -> datetime:
        return _moment(self.members["digestEndTime"])

    @property
    def previous(self) -> tuple[str, str] | None:
        """Bucket and key of the digest before, None in a starting digest."""
        bucket, key = self.members.get("previousDigestS3Bucket"), self.members.get("previousDigestS3Object")
        return None if bucket is None or key is None else (str(bucket), str(key))

    @property
    def listed(self) -> Sequence[Mapping[str, Any]]:
        """The members of each listed log file."""
        files = self.members.get("logFiles") or ()
        return [file for file in files if isinstance(file, dict)]


def read_digest(bucket: str, key: str, body: bytes, metadata: Mapping[str, str], *, is_backfill: bool) -> ReadDigest:
    """Read a digest object in AWS's order of checks. Raises DigestInvalid."""
    try:
        inflated = inflate(body)
        if not inflated.is_whole:
            raise DigestInvalid(INVALID_FORMAT)
        members = parse_digest(inflated.raw, required=())
    except (NotGzip, ValueError) as error:
        raise DigestInvalid(INVALID_FORMAT) from error
    if "signature" not in metadata or "signature-algorithm" not in metadata:
        raise DigestInvalid(SIGNATURE_FAILED)
    if is_backfill and BACKFILL_TIMESTAMP not in metadata:
        raise DigestInvalid(INVALID_FORMAT)
    try:
        members = parse_digest(inflated.raw)
    except ValueError as error:
        raise DigestInvalid(INVALID_FORMAT) from error
    if members["digestS3Bucket"] != bucket or members["digestS3Object"] != key:
        raise DigestInvalid(MOVED)
    timestamp = metadata.get(BACKFILL_TIMESTAMP, "")
    raw = inflated.raw
    return ReadDigest(bucket, key, members, raw, sha256_hex(raw), metadata["signature"], timestamp)


def digest_of(raw: bytes, signature: str) -> ReadDigest:
    """Take a digest from its bytes before compression, at the place that it names. Raises DigestInvalid."""
    try:
        members = parse_digest(raw)
    except ValueError as error:
        raise DigestInvalid(INVALID_FORMAT) from error
    bucket, key = str(members["digestS3Bucket"]), str(members["digestS3Object"])
    return ReadDigest(bucket, key, members, raw, sha256_hex(raw), signature, "")


def check_signature(digest: ReadDigest, der: bytes | None, home_region: str) -> None:
    """Verify a digest with the listed key of its fingerprint, None when none is listed. Raises DigestInvalid."""
    if der is None:
        raise DigestInvalid(unknown_key(home_region, digest.fingerprint))
    try:
        key = load_public_key(der)
    except UnreadableKey as error:
        raise DigestInvalid(unreadable_key(digest.fingerprint)) from error
    previous = digest.members["previousDigestSignature"]
    end_time = str(digest.members["digestEndTime"])
    text = signing_text(end_time, digest.bucket, digest.key, digest.sha256, None if previous is None else str(previous))
    if not is_signature_of(key, text, digest.signature):
        raise DigestInvalid(SIGNATURE_FAILED)
    for name in ("digestStartTime", "digestEndTime"):
        try:
            _moment(digest.members[name])
        except ValueError as error:
            raise DigestInvalid(f"Unable to parse date value: {digest.members[name]}") from error


def link_concerns(digest: ReadDigest, previous: ReadDigest) -> list[str]:
    """Return what ``digest`` says of ``previous`` that is not so; AWS's verifier compares neither."""
    concerns = []
    if digest.members.get("previousDigestHashValue") != previous.sha256:
        concerns.append("previousDigestHashValue is not the hash of the previous digest")
    if digest.members.get("previousDigestSignature") != previous.signature:
        concerns.append("previousDigestSignature is not the signature of the previous digest")
    return concerns


def key_concerns(digest: ReadDigest, valid_from: datetime, valid_until: datetime) -> list[str]:
    """Return the concern that a digest's key was not valid at its end, if so."""
    if valid_from <= digest.end_time <= valid_until:
        return []
    return [f"its key {digest.fingerprint} was not valid at digestEndTime"]


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return moment.replace(tzinfo=UTC)
