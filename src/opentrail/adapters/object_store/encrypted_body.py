"""The bytes of an encrypted object: AES-256-GCM under a data key of its own, which the header holds sealed.

Pure: data keys come in, bytes go out (docs/formats/archive.md, "Encrypted bodies").
"""

import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"OTENC\x00\x01\n"
MAX_HEADER_BYTES = 65_536

_LENGTH_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_START = len(MAGIC) + _LENGTH_BYTES


class BodyBroken(ValueError):
    """The file was cut or altered, or lies under another object's name."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an encrypted body without its data key. ``sha256`` is the hex hash of the body in the clear."""

    key_arn: str
    context: Mapping[str, str]
    data_key: bytes
    sha256: str


def encrypt(body: bytes, plaintext_key: bytes, header: Header) -> bytes:
    """Return the file of a body; a data key is for one body only."""
    prefix = _prefix(header)
    nonce = os.urandom(_NONCE_BYTES)
    return prefix + nonce + AESGCM(plaintext_key).encrypt(nonce, body, prefix)


def decrypt(file: bytes, plaintext_key: bytes) -> bytes:
    """Return the body of a file; raises BodyBroken."""
    end = _header_end(file)
    nonce, sealed = file[end : end + _NONCE_BYTES], memoryview(file)[end + _NONCE_BYTES :]
    if len(sealed) < _TAG_BYTES:
        raise BodyBroken("the file was cut")
    try:
        return AESGCM(plaintext_key).decrypt(nonce, sealed, file[:end])
    except (InvalidTag, ValueError) as error:
        raise BodyBroken("the file was altered, or its data key is another one") from error


def is_encrypted(file: bytes) -> bool:
    """Say whether a file, or its beginning, is that of an encrypted body."""
    return file.startswith(MAGIC)


def read_header(file: bytes) -> Header:
    """Return a file's header; raises BodyBroken. Nothing of it is proved until ``decrypt`` has succeeded."""
    try:
        values = orjson.loads(file[_START : _header_end(file)])
        context = {str(name): str(value) for name, value in values["context"].items()}
        data_key = b64decode(values["data_key"], validate=True)
        return Header(str(values["key_arn"]), context, data_key, str(values["sha256"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BodyBroken("the header cannot be read") from error


def body_size(beginning: bytes, file_size: int) -> int:
    """Return the size of the body in the clear, from the file's first 12 bytes and its size; never negative."""
    header = int.from_bytes(beginning[len(MAGIC) : _START], "big")
    return max(0, file_size - _START - header - _NONCE_BYTES - _TAG_BYTES)


def sha256_hex(body: bytes) -> str:
    """Return what a header holds of ``body``."""
    return hashlib.sha256(body).hexdigest()


def _prefix(header: Header) -> bytes:
    values = {
        "key_arn": header.key_arn,
        "context": dict(header.context),
        "data_key": b64encode(header.data_key).decode(),
        "sha256": header.sha256,
    }
    text = orjson.dumps(values)
    assert len(text) <= MAX_HEADER_BYTES
    return MAGIC + len(text).to_bytes(_LENGTH_BYTES, "big") + text


def _header_end(file: bytes) -> int:
    if not is_encrypted(file) or len(file) < _START:
        raise BodyBroken("the file does not begin as an encrypted body does")
    length = int.from_bytes(file[len(MAGIC) : _START], "big")
    if length > MAX_HEADER_BYTES or len(file) < _START + length:
        raise BodyBroken("the header was cut")
    return _START + length
