"""Ciphertext blobs of the key ring, and texts under a data key: what they are made of, made, and opened
(docs/formats/keys.md).

Pure but for the operating system's randomness. A blob names its key and the version of its material, so that a key can
be rotated without touching what it encrypted; both, and the encryption context, are bound by the tag.
"""

import hashlib
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

MAX_TEXTS_PER_KEY = 1 << 30
"""Texts under one data key: a quarter of what GCM's random nonces allow."""

_TEXT_MARK = b"\xff"
_KEY_ID_BYTES = 8
_TEXT_HEADER_BYTES = len(_TEXT_MARK) + _KEY_ID_BYTES + _NONCE_BYTES

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


def data_key_id(blob: bytes) -> bytes:
    """Return the short name by which a sealed text knows its data key: eight bytes made of the key's blob."""
    return hashlib.sha256(blob).digest()[:_KEY_ID_BYTES]


def is_sealed_text(content: bytes) -> bool:
    """Say whether bytes are a sealed text: they begin as no text in UTF-8 does."""
    return content[:1] == _TEXT_MARK


def sealing_key(sealed: bytes) -> bytes:
    """Return the id of the data key that a sealed text says it was made with. Raises BlobBroken."""
    if len(sealed) < _TEXT_HEADER_BYTES + _TAG_BYTES or not is_sealed_text(sealed):
        raise BlobBroken("not a sealed text")
    return sealed[1 : 1 + _KEY_ID_BYTES]


def seal_text(key: AESGCM, key_id: bytes, text: bytes, place: bytes) -> bytes:
    """Encrypt ``text`` under a data key and bind it to ``place``, so that it cannot be moved elsewhere."""
    nonce = os.urandom(_NONCE_BYTES)
    header = _TEXT_MARK + key_id + nonce
    return header + key.encrypt(nonce, text, header[: -len(nonce)] + place)


def open_text(key: AESGCM, sealed: bytes, place: bytes) -> bytes:
    """Return what a sealed text holds. Raises BlobBroken unless key, text and place belong together unaltered."""
    header = _TEXT_MARK + sealing_key(sealed)
    try:
        nonce = sealed[len(header) : _TEXT_HEADER_BYTES]
        return key.decrypt(nonce, sealed[_TEXT_HEADER_BYTES:], header + place)
    except InvalidTag as error:
        raise BlobBroken("the text does not open with this key in this place") from error
