"""The digest file's JSON: what it says of one span of deliveries, written and read (reference: section 5).

All members are always there; those of the previous digest are null in a starting digest, the event times when no file
is listed. The bytes written are the bytes signed: they are never formatted twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from opentrail.clock import format_time
from opentrail.digest.merkle import TREE_ALGORITHM

SIGNATURE_ALGORITHM = "SHA256withRSA"
HASH_ALGORITHM = "SHA-256"

EVENT_TREE = "eventTree"
"""The member of a listed file that is ours alone; AWS's verifier reads past it."""

REQUIRED_MEMBERS = (
    "digestPublicKeyFingerprint",
    "digestS3Bucket",
    "digestS3Object",
    "previousDigestSignature",
    "digestEndTime",
    "digestStartTime",
)
"""Without one of these AWS's verifier calls the format invalid; the others it takes as they come."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One delivered log file; ``sha256`` is of the file before compression, times are as events spell them.

    ``tree_hash`` is the hex root of the Merkle tree over its ``event_count`` events; without it none is listed."""

    bucket: str
    key: str
    sha256: str
    oldest_event_time: str
    newest_event_time: str
    event_count: int = 0
    tree_hash: str = ""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A digest as its successor refers to it; ``sha256`` is of its JSON."""

    bucket: str
    key: str
    sha256: str
    signature: str


@dataclass(frozen=True, slots=True)
class DigestSpan:
    """Which deliveries a digest answers for: those after ``start_time`` through ``end_time``, whole seconds."""

    account_id: str
    bucket: str
    key: str
    start_time: datetime
    end_time: datetime


def format_digest(span: DigestSpan, files: Sequence[ListedFile], previous: ChainLink | None, fingerprint: str) -> bytes:
    """Return the digest's bytes before compression; the same input gives the same bytes."""
    document = {
        "awsAccountId": span.account_id,
        "digestStartTime": format_time(span.start_time),
        "digestEndTime": format_time(span.end_time),
        "digestS3Bucket": span.bucket,
        "digestS3Object": span.key,
        "digestPublicKeyFingerprint": fingerprint,
        "digestSignatureAlgorithm": SIGNATURE_ALGORITHM,
        "newestEventTime": max((file.newest_event_time for file in files), default=None),
        "oldestEventTime": min((file.oldest_event_time for file in files), default=None),
        "previousDigestS3Bucket": previous.bucket if previous else None,
        "previousDigestS3Object": previous.key if previous else None,
        "previousDigestHashValue": previous.sha256 if previous else None,
        "previousDigestHashAlgorithm": HASH_ALGORITHM if previous else None,
        "previousDigestSignature": previous.signature if previous else None,
        "logFiles": [_listed(file) for file in files],
    }
    return orjson.dumps(document)


def _listed(file: ListedFile) -> dict[str, object]:
    listed: dict[str, object] = {
        "s3Bucket": file.bucket,
        "s3Object": file.key,
        "hashValue": file.sha256,
        "hashAlgorithm": HASH_ALGORITHM,
        "newestEventTime": file.newest_event_time,
        "oldestEventTime": file.oldest_event_time,
    }
    if file.tree_hash:
        listed[EVENT_TREE] = {
            "algorithm": TREE_ALGORITHM,
            "eventCount": file.event_count,
            "rootHash": file.tree_hash,
        }
    return listed


def parse_digest(raw: bytes, required: Sequence[str] = REQUIRED_MEMBERS) -> Mapping[str, Any]:
    """Parse a digest's JSON; raises ValueError when it is no object or lacks a required member."""
    document = orjson.loads(raw)
    if not isinstance(document, dict):
        raise ValueError("a digest is a JSON object")
    missing = [name for name in required if name not in document]
    if missing:
        raise ValueError(f"a digest has {', '.join(missing)}")
    return document


def sha256_hex(raw: bytes) -> str:
    """Return the hash that digests hold of files and of each other."""
    return hashlib.sha256(raw).hexdigest()
