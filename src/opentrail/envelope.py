"""Ciphertext blobs of the key ring: what they are made of, made, and opened (docs/formats/keys.md).

Pure but for the operating system's randomness. A blob names its key and the version of its material, so that a key can
be rotated without touching what it encrypted; both, and the encryption context, are bound by the tag.
"""

import hmac
import os
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MATERIAL_BYTES = 32
MAX_PLAINTEXT_BYTES = 4096
"""KMS's bound of what one call encrypts; larger data is encrypted with a data key."""

MAX_CONTEXT_BYTES = 8192
"""Bound of an encryption context's encoded form, as KMS bounds the context of one call."""

_HEADER = struct.Struct(">3sB16sI32s12s")  # magic, format, key id, version, salt, nonce
_MAGIC, _FORMAT = b"OTK", 1
_SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 12, 16
MAX_BLOB_BYTES = _HEADER.size + MAX_PLAINTEXT_BYTES + _TAG_BYTES

_PURPOSE = b"opentrail key ring blob 1"
_MATERIAL_ID = b"opentrail key material id"


class BlobBroken(ValueError):
    """The bytes are no blob, were altered, or were made with another key or another context."""


@dataclass(frozen=True, slots=True)
class BlobKey:
    """The key that a blob says it was made with; believed only once the blob opens."""

    key_id: str
    version: int


def new_material() -> bytes:
    """Return fresh secret material for a key."""
    return os.urandom(MATERIAL_BYTES)


def material_id(material: bytes) -> str:
    """Return the public name of material: 64 hex digits that say nothing about it."""
    return hmac.digest(material, _MATERIAL_ID, "sha256").hex()


def seal_blob(material: bytes, key: BlobKey, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    """Encrypt ``plaintext`` (at most MAX_PLAINTEXT_BYTES) under a key and bind it to ``context``.

    Each blob has an AES key of its own, derived from the material and a random salt, so that no number of blobs wears
    the material out. Raises ValueError when plaintext or context are too large.
    """
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise ValueError(f"a blob holds at most {MAX_PLAINTEXT_BYTES} bytes")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    header = _HEADER.pack(_MAGIC, _FORMAT, uuid.UUID(key.key_id).bytes, key.version, salt, nonce)
    return header + _cipher(material, salt).encrypt(nonce, plaintext, header + encode_context(context))


def read_blob(blob: bytes) -> BlobKey:
    """Return the key that a blob names. Raises BlobBroken when it is none."""
    if not _HEADER.size + _TAG_BYTES <= len(blob) <= MAX_BLOB_BYTES:
        raise BlobBroken("not a ciphertext blob: wrong size")
    magic, form, key_id, version, _, _ = _HEADER.unpack_from(blob)
    if (magic, form) != (_MAGIC, _FORMAT):
        raise BlobBroken("not a ciphertext blob of this key ring")
    return BlobKey(str(uuid.UUID(bytes=key_id)), version)


def open_blob(material: bytes, blob: bytes, context: Mapping[str, str]) -> bytes:
    """Return what a blob holds. Raises BlobBroken unless material, blob and context belong together unaltered."""
    read_blob(blob)
    salt, nonce = _HEADER.unpack_from(blob)[4:]
    header, ciphertext = blob[: _HEADER.size], blob[_HEADER.size :]
    try:
        return _cipher(material, salt).decrypt(nonce, ciphertext, header + encode_context(context))
    except (InvalidTag, ValueError) as error:
        raise BlobBroken("the blob does not open with this key and context") from error


def encode_context(context: Mapping[str, str]) -> bytes:
    """Return the canonical form of an encryption context: its pairs sorted by key, each text behind its length.

    Two contexts have the same form only if they are equal. Raises ValueError beyond MAX_CONTEXT_BYTES, and for texts
    that are not Unicode.
    """
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    encoded = b"".join(struct.pack(">I", len(text)) + text for pair in pairs for text in pair)
    if len(encoded) > MAX_CONTEXT_BYTES:
        raise ValueError(f"an encryption context has at most {MAX_CONTEXT_BYTES} bytes")
    return encoded


def _cipher(material: bytes, salt: bytes) -> AESGCM:
    assert len(material) == MATERIAL_BYTES
    return AESGCM(HKDF(algorithm=SHA256(), length=MATERIAL_BYTES, salt=salt, info=_PURPOSE).derive(material))
