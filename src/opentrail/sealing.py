"""Secrets at rest: AES-256-GCM under the installation's master key.

Sealed form: one version byte (1), 12 random nonce bytes, ciphertext and tag. ``context`` is bound as additional
authenticated data, so that one row's secret cannot be moved to another.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER_KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealBroken(Exception):
    """The sealed bytes were altered, belong to another context, or were sealed under another master key."""


class Sealer:
    """Seals and unseals short secrets under one master key."""

    def __init__(self, master_key: bytes) -> None:
        assert len(master_key) == MASTER_KEY_BYTES
        self._aead = AESGCM(master_key)

    def seal(self, secret: bytes, context: str) -> bytes:
        """Return ``secret`` encrypted and bound to ``context``."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._aead.encrypt(nonce, secret, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Return the secret; raises SealBroken when it cannot be had."""
        if sealed[:1] != _VERSION:
            raise SealBroken(f"unknown seal version in {context}")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, ciphertext, context.encode())
        except InvalidTag as error:
            raise SealBroken(f"the secret of {context} does not open with this installation's master key") from error
