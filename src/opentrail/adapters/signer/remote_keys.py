"""What holders of keys outside this process share: which named key is next, and trust in what they answer."""

from collections.abc import Collection, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from opentrail.adapters.signer.key_files import KeyFile
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable

KEY_BITS = 2048
"""CloudTrail's own; AWS's verifier takes others, but what we promise is what CloudTrail has."""


def next_named(named: Sequence[str], member: str, registered: Collection[KeyFile]) -> str:
    """Return the first named key that no registered key file has as ``member``. Raises OperatorError."""
    used = {key.private.get(member) for key in registered}
    for name in named:
        if name not in used:
            return name
    raise OperatorError("signer.keys names no further key: add one to rotate to, or leave it empty to have them made")


def check_size(name: str, bits: int) -> None:
    """Raise OperatorError unless a key has the size that signs digests."""
    if bits != KEY_BITS:
        raise OperatorError(f"the key {name} has {bits} bits; digests are signed by RSA keys of {KEY_BITS}")


def is_signature_by(key: KeyFile, text: bytes, signature: bytes) -> bool:
    """Say whether the registered public key verifies ``signature`` over ``text``."""
    public = load_der_public_key(key.public.der)
    assert isinstance(public, rsa.RSAPublicKey)
    try:
        public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def checked_signature(key: KeyFile, text: bytes, signature: bytes) -> bytes:
    """Return ``signature`` once the registered public key verifies it. Raises Unavailable: it is never delivered."""
    if not is_signature_by(key, text, signature):
        raise Unavailable(f"the signer's answer is no signature by the key {key.public.fingerprint}")
    return signature
