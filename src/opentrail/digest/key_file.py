"""Public keys as people keep them in files: what ``aws cloudtrail list-public-keys`` printed, PEM, or DER.

The fingerprint of a key is always worked out from the key itself.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from opentrail.digest.signing import UnreadableKey, load_public_key

MAX_KEY_FILE_BYTES = 4 * 1024 * 1024
"""About seven thousand listed keys."""

ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
"""The validity of a key whose file says nothing of it."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One public key that signatures are checked with. ``der`` is the PKCS#1 RSAPublicKey, ``fingerprint`` its MD5."""

    der: bytes
    fingerprint: str
    valid_from: datetime = ALWAYS[0]
    valid_until: datetime = ALWAYS[1]

    def is_valid_at(self, moment: datetime) -> bool:
        """Say whether a digest that ended then may have been signed with it."""
        return self.valid_from <= moment <= self.valid_until


def parse_key_file(data: bytes) -> list[TrustedKey]:
    """Read the keys of a file. Raises UnreadableKey when it holds none, or one that is no RSA key."""
    if len(data) > MAX_KEY_FILE_BYTES:
        raise UnreadableKey(f"longer than {MAX_KEY_FILE_BYTES} bytes")
    if data.lstrip().startswith((b"{", b"[")):
        return _parse_listed(data)
    return [trusted_key(data)]


def trusted_key(data: bytes, valid_from: datetime = ALWAYS[0], valid_until: datetime = ALWAYS[1]) -> TrustedKey:
    """Take one key as DER (PKCS#1 or SubjectPublicKeyInfo) or PEM. Raises UnreadableKey."""
    # Imported here because no other command of the verifier needs it.
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = load_public_key(data)
    der = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return TrustedKey(der, hashlib.md5(der, usedforsecurity=False).hexdigest(), valid_from, valid_until)


def _parse_listed(data: bytes) -> list[TrustedKey]:
    try:
        document = orjson.loads(data)
        items = document["PublicKeyList"] if isinstance(document, dict) else document
        keys = [_listed(item) for item in items]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise UnreadableKey(f"no answer of ListPublicKeys: {error}") from error
    if not keys:
        raise UnreadableKey("it lists no keys")
    return keys


def _listed(item: Mapping[str, Any]) -> TrustedKey:
    moments = [_moment(item.get(f"Validity{end}Time"), ALWAYS[at]) for at, end in enumerate(("Start", "End"))]
    return trusted_key(base64.b64decode(item["Value"], validate=True), *moments)


def _moment(value: object, otherwise: datetime) -> datetime:
    if value is None:
        return otherwise
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
