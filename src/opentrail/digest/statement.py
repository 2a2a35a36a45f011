"""What a witness is told of a digest: a small JSON document that names its place, hash and signature.

The bytes are told once and kept as they are: a time-stamp is over their SHA-256, a bucket holds them, a webhook is sent
them. Written and read here (docs/formats/witness.md).
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from opentrail.clock import format_time

STATEMENT_TYPE = "opentrail.digest.v1"
MAX_STATEMENT_BYTES = 64 * 1024
"""More than ten times what one takes (a signature of 512 hex digits and two names); a larger one is none of ours."""

_MEMBERS = (
    "digestS3Bucket",
    "digestS3Object",
    "digestHashValue",
    "digestSignature",
    "digestPublicKeyFingerprint",
    "digestStartTime",
    "digestEndTime",
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One digest as told to a witness. ``sha256`` is of its JSON, ``signature`` lower-case hex; times whole seconds."""

    bucket: str
    key: str
    sha256: str
    signature: str
    fingerprint: str
    start_time: datetime
    end_time: datetime

    def to_bytes(self) -> bytes:
        """Return the statement's bytes; the same statement gives the same bytes."""
        values = (
            self.bucket,
            self.key,
            self.sha256,
            self.signature,
            self.fingerprint,
            format_time(self.start_time),
            format_time(self.end_time),
        )
        return orjson.dumps({"type": STATEMENT_TYPE, **dict(zip(_MEMBERS, values, strict=True))})

    def imprint(self) -> bytes:
        """Return the SHA-256 of the statement's bytes, which a time-stamp is over."""
        return hashlib.sha256(self.to_bytes()).digest()


def parse_statement(raw: bytes) -> Statement:
    """Read a statement. Raises ValueError for anything that is not exactly one."""
    if len(raw) > MAX_STATEMENT_BYTES:
        raise ValueError("too long for a statement")
    return statement_of(orjson.loads(raw))


def statement_of(document: Any) -> Statement:
    """Return the statement that a parsed JSON document is. Raises ValueError for any other."""
    if not isinstance(document, dict) or document.get("type") != STATEMENT_TYPE:
        raise ValueError(f"not a statement of type {STATEMENT_TYPE}")
    values = [document.get(name) for name in _MEMBERS]
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"a statement has {', '.join(_MEMBERS)}, all text")
    bucket, key, sha256, signature, fingerprint, start, end = (str(value) for value in values)
    return Statement(bucket, key, sha256, signature, fingerprint, _moment(start), _moment(end))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
