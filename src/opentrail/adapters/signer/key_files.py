"""The register of signing keys in the home folder: one JSON file a key, whatever holds its private half.

``signing-keys/<region>/<fingerprint>.json`` holds the public key as ListPublicKeys gives it, the validity, and
members that say where the private half is (docs/formats/delivery.md). A key file is published by a rename, and again
when the master key changes only. Keys that expired stay, because the digests they signed do.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from opentrail.ports.signer import PublicKey

_COMMON = {"public_key", "fingerprint", "valid_from", "valid_until"}


class SigningKeyDamaged(OperatorError):
    """A key file cannot be read or opened; the message names it."""


@dataclass(frozen=True)
class KeyFile:
    """One registered key. ``private`` says where the private half is, in members of its holder's own."""

    public: PublicKey
    private: Mapping[str, str]


def fingerprint_of(der: bytes) -> str:
    """Return the lower-case hex MD5 of a key's PKCS#1 DER, by which CloudTrail names it."""
    return hashlib.md5(der, usedforsecurity=False).hexdigest()


def read_folder(folder: Path) -> list[KeyFile]:
    """Return a Region's keys, oldest first. Raises SigningKeyDamaged."""
    return sorted((_read(path) for path in folder.glob("*.json")), key=age)


def age(key: KeyFile) -> tuple[datetime, str]:
    """Order keys by when they began to be valid."""
    return key.public.valid_from, key.public.fingerprint


def publish(folder: Path, key: KeyFile) -> None:
    """Put a key into a Region's folder, for its owner's eyes alone; after a power cut it is whole or not there.

    Raises Unavailable.
    """
    try:
        _publish(folder / f"{key.public.fingerprint}.json", _format(key))
    except OSError as error:
        raise Unavailable(f"cannot store a signing key: {error.strerror}") from error


def _format(key: KeyFile) -> bytes:
    document = {
        "public_key": base64.b64encode(key.public.der).decode(),
        "fingerprint": key.public.fingerprint,
        "valid_from": key.public.valid_from.isoformat(),
        "valid_until": key.public.valid_until.isoformat(),
        **key.private,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _read(path: Path) -> KeyFile:
    try:
        document = orjson.loads(path.read_bytes())
        public = PublicKey(
            base64.b64decode(document["public_key"]),
            str(document["fingerprint"]),
            datetime.fromisoformat(document["valid_from"]),
            datetime.fromisoformat(document["valid_until"]),
        )
        return KeyFile(public, {name: str(value) for name, value in document.items() if name not in _COMMON})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SigningKeyDamaged(f"{path} cannot be read ({error}); restore it from a backup") from error


def _publish(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
