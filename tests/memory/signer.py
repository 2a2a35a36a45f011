"""A signer in memory, with real RSA keys that one test process makes once."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opentrail.ports.signer import PublicKey

VALIDITY = timedelta(days=30)


@cache
def _private_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class InMemorySigner:
    """Keys are numbered from 0 over all Regions in order of first use; ``rotate`` starts a new one."""

    def __init__(self) -> None:
        self._keys: dict[str, list[tuple[PublicKey, int]]] = {}
        self._count = 0

    async def current_key(self, region: str, at: datetime) -> PublicKey:
        for key, _ in reversed(self._keys.get(region, [])):
            if key.valid_from <= at < key.valid_until:
                return key
        return self._add(region, at)

    async def rotate(self, region: str, at: datetime) -> PublicKey:
        return self._add(region, at)

    def _add(self, region: str, at: datetime) -> PublicKey:
        number = self._count
        self._count += 1
        der = _private_key(number).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        start = at.replace(microsecond=0)
        key = PublicKey(der, hashlib.md5(der).hexdigest(), start, start + VALIDITY)
        self._keys.setdefault(region, []).append((key, number))
        return key

    async def sign(self, region: str, fingerprint: str, text: bytes) -> str:
        for key, number in self._keys.get(region, []):
            if key.fingerprint == fingerprint:
                return _private_key(number).sign(text, padding.PKCS1v15(), hashes.SHA256()).hex()
        raise KeyError(fingerprint)

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        keys = [replace(key) for key, _ in self._keys.get(region, [])]
        return sorted((key for key in keys if key.valid_from <= end and key.valid_until >= start), key=_valid_from)


def _valid_from(key: PublicKey) -> datetime:
    return key.valid_from
