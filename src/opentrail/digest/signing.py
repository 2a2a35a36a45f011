"""What is signed of a digest, and checking such a signature: RSASSA-PKCS1-v1_5 with SHA-256, lower-case hex."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

NO_PREVIOUS_SIGNATURE = "null"
_PEM = b"-----BEGIN"


class UnreadableKey(ValueError):
    """The bytes are not the DER of a PKCS#1 RSA public key."""


def signing_text(end_time: str, bucket: str, key: str, sha256: str, previous_signature: str | None) -> bytes:
    """Return the bytes that a digest's signature is over.

    ``end_time`` is digestEndTime exactly as the digest spells it, ``sha256`` the hash of the digest's stored bytes
    before compression. There is no final newline.
    """
    lines = (end_time, f"{bucket}/{key}", sha256, previous_signature or NO_PREVIOUS_SIGNATURE)
    return "\n".join(lines).encode()


def load_public_key(der: bytes) -> rsa.RSAPublicKey:
    """Read a key as ListPublicKeys gives it, or as PEM; raises UnreadableKey."""
    try:
        key = load_pem_public_key(der) if der.lstrip().startswith(_PEM) else load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableKey(str(error)) from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnreadableKey("not an RSA key")
    return key


def is_signature_of(key: rsa.RSAPublicKey, text: bytes, signature_hex: str) -> bool:
    """Say whether ``signature_hex`` is the signature of ``text`` by ``key``; False for anything that is not hex."""
    try:
        key.verify(bytes.fromhex(signature_hex), text, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
