"""Signing keys in the home folder: one JSON file a key, its private half sealed under the master key.

``signing-keys/<region>/<fingerprint>.json`` holds the public key as ListPublicKeys gives it, the validity, and the
PKCS#8 DER of the private key sealed with the context ``signing-key/<region>/<fingerprint>``. A key file is published by
a rename and never changed. Keys that expired stay, because the digests they signed do.

A key is valid for 30 days and signs for the first 29, so that a digest that ends just before a new key began, and is
signed after, still has a key that is valid at its end.
"""

import asyncio
import base64
import hashlib
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from opentrail.ports.signer import PublicKey
from opentrail.sealing import SealBroken, Sealer

VALIDITY = timedelta(days=30)
OVERLAP = timedelta(days=1)
"""How long a key stays valid after the next one took over."""

_KEY_BITS = 2048
_EXPONENT = 65537
_REGION = re.compile(r"[a-z0-9-]{1,63}")


class SigningKeyDamaged(OperatorError):
    """A key file cannot be read or opened; the message names it."""


@dataclass(frozen=True)
class _Key:
    public: PublicKey
    sealed: bytes


class LocalSigner:
    """Signs with keys that it makes when a Region first needs one. One process makes keys, any number may read."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder = folder
        self._sealer = sealer
        self._keys: dict[str, list[_Key]] = {}
        self._opened: dict[str, rsa.RSAPrivateKey] = {}
        self._making: dict[str, asyncio.Lock] = {}

    async def current_key(self, region: str, at: datetime) -> PublicKey:
        async with self._making.setdefault(region, asyncio.Lock()):
            for key in reversed(await self._load(region)):
                if key.public.valid_from <= at < key.public.valid_until - OVERLAP:
                    return key.public
            # From the whole hour on, so that digests of other trails that end a little earlier find it valid.
            return await self._make(region, at.replace(minute=0, second=0, microsecond=0))

    async def rotate(self, region: str, at: datetime) -> PublicKey:
        async with self._making.setdefault(region, asyncio.Lock()):
            await self._load(region)
            return await self._make(region, at.replace(microsecond=0))

    async def sign(self, region: str, fingerprint: str, text: bytes) -> str:
        """Sign in a thread. Raises KeyError for a fingerprint that is not the Region's."""
        for key in await self._load(region):
            if key.public.fingerprint == fingerprint:
                return await asyncio.to_thread(self._sign, region, key, text)
        raise KeyError(fingerprint)

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        keys = [key.public for key in await self._load(region)]
        return [key for key in keys if key.valid_from <= end and key.valid_until >= start]

    async def _load(self, region: str) -> list[_Key]:
        if _REGION.fullmatch(region) is None:
            return []
        if region not in self._keys:
            self._keys[region] = await asyncio.to_thread(_read_folder, self._folder / region)
        return self._keys[region]

    async def _make(self, region: str, valid_from: datetime) -> PublicKey:
        if _REGION.fullmatch(region) is None:
            raise ValueError(f"not a Region: {region[:80]}")
        key = await asyncio.to_thread(self._generate, region, valid_from)
        self._keys[region] = sorted([*self._keys[region], key], key=_age)
        return key.public

    def _generate(self, region: str, valid_from: datetime) -> _Key:
        private = rsa.generate_private_key(_EXPONENT, _KEY_BITS)
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        fingerprint = hashlib.md5(der, usedforsecurity=False).hexdigest()
        secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        key = _Key(
            PublicKey(der, fingerprint, valid_from, valid_from + VALIDITY),
            self._sealer.seal(secret, _context(region, fingerprint)),
        )
        try:
            _publish(self._folder / region / f"{fingerprint}.json", _format(key))
        except OSError as error:
            raise Unavailable(f"cannot store a signing key: {error.strerror}") from error
        return key

    def _sign(self, region: str, key: _Key, text: bytes) -> str:
        fingerprint = key.public.fingerprint
        private = self._opened.get(fingerprint)
        if private is None:
            private = self._opened[fingerprint] = self._open(region, key)
        return private.sign(text, padding.PKCS1v15(), hashes.SHA256()).hex()

    def _open(self, region: str, key: _Key) -> rsa.RSAPrivateKey:
        fingerprint = key.public.fingerprint
        try:
            private = load_der_private_key(self._sealer.unseal(key.sealed, _context(region, fingerprint)), None)
        except SealBroken as error:
            raise SigningKeyDamaged(f"the signing key {fingerprint} of {region} does not open: {error}") from error
        assert isinstance(private, rsa.RSAPrivateKey)
        return private


def _context(region: str, fingerprint: str) -> str:
    return f"signing-key/{region}/{fingerprint}"


def _age(key: _Key) -> tuple[datetime, str]:
    return key.public.valid_from, key.public.fingerprint


def _format(key: _Key) -> bytes:
    document = {
        "public_key": base64.b64encode(key.public.der).decode(),
        "fingerprint": key.public.fingerprint,
        "valid_from": key.public.valid_from.isoformat(),
        "valid_until": key.public.valid_until.isoformat(),
        "sealed_private_key": base64.b64encode(key.sealed).decode(),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _read_folder(folder: Path) -> list[_Key]:
    return sorted((_read(path) for path in folder.glob("*.json")), key=_age)


def _read(path: Path) -> _Key:
    try:
        document = orjson.loads(path.read_bytes())
        public = PublicKey(
            base64.b64decode(document["public_key"]),
            str(document["fingerprint"]),
            datetime.fromisoformat(document["valid_from"]),
            datetime.fromisoformat(document["valid_until"]),
        )
        return _Key(public, base64.b64decode(document["sealed_private_key"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SigningKeyDamaged(f"{path} cannot be read ({error}); restore it from a backup") from error


def _publish(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, so that after a power cut it is whole or not there."""
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
