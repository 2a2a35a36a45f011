"""Signature Version 4A: SigV4 with a key pair derived from the secret, for requests that go to several Regions.

The canonical request is SigV4's; the scope names no Region (the signed ``X-Amz-Region-Set`` does), and the signature is
ECDSA over P-256 with SHA-256, DER in hex. The private key comes from the secret by NIST SP 800-108 in counter mode.
"""

import hmac
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope
from opentrail.protocol.scope import SIGV4A
from opentrail.protocol.sigv4 import MAX_SKEW, Claim, IncompleteSignature, string_to_sign, verify_claim

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MAX_SIGNATURE_CHARACTERS = 160
"""A DER signature over P-256 has at most 72 bytes."""
MAX_COUNTER = 254
REMEMBERED_KEYS = 256
"""Public keys kept; deriving one takes a tenth of a millisecond."""


def derive_key(access_key_id: str, secret_access_key: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key of a key pair. The first candidate below the order is taken; the next one is needed once
    in four thousand million times."""
    secret = f"AWS4A{secret_access_key}".encode("utf-8", "replace")
    for counter in range(1, MAX_COUNTER + 1):
        context = access_key_id.encode("utf-8", "replace") + bytes([counter])
        message = b"\x00\x00\x00\x01" + SIGV4A.encode() + b"\x00" + context + b"\x00\x00\x01\x00"
        candidate = int.from_bytes(hmac.digest(secret, message, "sha256"), "big")
        if candidate <= P256_ORDER - 2:
            return ec.derive_private_key(candidate + 1, ec.SECP256R1())
    raise AssertionError("no candidate of 254 is below the order of P-256")


def verify(
    request: HttpRequest,
    scope: CredentialScope,
    secret_access_key: str,
    now: datetime,
    *,
    max_skew: timedelta = MAX_SKEW,
) -> None:
    """Return when ``request`` was signed with SigV4A by the key of ``scope``; ``sigv4.verify`` says what must hold
    beside the signature. The Region set must be signed. Raises SignatureError, whatever it is given."""
    if scope.scheme != SIGV4A or scope.signed_at is None:
        raise IncompleteSignature(f"Unsupported signing algorithm or missing date: {scope.scheme}")
    if not scope.is_presigned and "x-amz-region-set" not in request.headers:
        raise IncompleteSignature("SigV4A requires the header 'X-Amz-Region-Set'.")
    key = _public_key(scope.access_key_id, secret_access_key)

    def is_made_over(claim: Claim, canonical_request: bytes) -> bool:
        try:
            given = bytes.fromhex(claim.signature[: MAX_SIGNATURE_CHARACTERS + 1])
            key.verify(given, string_to_sign(SIGV4A, claim, canonical_request), ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    verify_claim(request, scope, now, max_skew, is_made_over)


@lru_cache(maxsize=REMEMBERED_KEYS)
def _public_key(access_key_id: str, secret_access_key: str) -> ec.EllipticCurvePublicKey:
    return derive_key(access_key_id, secret_access_key).public_key()
