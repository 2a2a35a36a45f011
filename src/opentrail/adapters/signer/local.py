"""Signing keys in the home folder: the private half of each sealed under the master key, in its key file.

``sealed_private_key`` is the PKCS#8 DER of the private key, sealed with the context
``signing-key/<region>/<fingerprint>``, so that it opens for that Region and key alone.
"""

import base64
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from opentrail.adapters.signer.key_files import KeyFile, SigningKeyDamaged, fingerprint_of, publish, read_folder
from opentrail.adapters.signer.registered import NewKey, RegisteredSigner
from opentrail.sealing import SealBroken, Sealer

_KEY_BITS = 2048
_EXPONENT = 65537
_SEALED = "sealed_private_key"


class LocalSigner(RegisteredSigner):
    """Signs with keys that it makes and keeps in ``folder``."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        super().__init__(folder, SealedKeys(sealer))


class SealedKeys:
    """Holds private keys in their key files, sealed."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._opened: dict[str, rsa.RSAPrivateKey] = {}

    def holds(self, private: Mapping[str, str]) -> bool:
        return _SEALED in private

    def make(self, region: str, registered: Collection[KeyFile]) -> NewKey:
        private = rsa.generate_private_key(_EXPONENT, _KEY_BITS)
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        sealed = self._sealer.seal(secret, _context(region, fingerprint_of(der)))
        return NewKey(der, {_SEALED: base64.b64encode(sealed).decode()})

    def sign(self, region: str, key: KeyFile, text: bytes) -> bytes:
        fingerprint = key.public.fingerprint
        private = self._opened.get(fingerprint)
        if private is None:
            private = self._opened[fingerprint] = self._open(region, key)
        return private.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def _open(self, region: str, key: KeyFile) -> rsa.RSAPrivateKey:
        private = load_der_private_key(_unseal(self._sealer, region, key), None)
        assert isinstance(private, rsa.RSAPrivateKey)
        return private


def reseal(folder: Path, sealer: Sealer) -> int:
    """Seal every private half that ``folder`` keeps anew, under the sealer's present key; return how many there are.

    Each key file is whole at every moment. Blocks. Raises SigningKeyDamaged, Unavailable.
    """
    count = 0
    for region in sorted(path for path in folder.iterdir() if path.is_dir()):
        for key in read_folder(region):
            if _SEALED in key.private:
                context = _context(region.name, key.public.fingerprint)
                sealed = sealer.seal(_unseal(sealer, region.name, key), context)
                publish(region, replace(key, private={**key.private, _SEALED: base64.b64encode(sealed).decode()}))
                count += 1
    return count


def _unseal(sealer: Sealer, region: str, key: KeyFile) -> bytes:
    fingerprint = key.public.fingerprint
    try:
        sealed = base64.b64decode(key.private.get(_SEALED, ""))
        return sealer.unseal(sealed, _context(region, fingerprint))
    except (SealBroken, ValueError) as error:
        raise SigningKeyDamaged(f"the signing key {fingerprint} of {region} does not open: {error}") from error


def _context(region: str, fingerprint: str) -> str:
    return f"signing-key/{region}/{fingerprint}"
