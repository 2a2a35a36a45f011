"""Secrets at rest: AES-256-GCM under the installation's master key.

Sealed form: one version byte (1), 12 random nonce bytes, ciphertext and tag. ``context`` is bound as additional
authenticated data, so that one row's secret cannot be moved to another.
"""

import os
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER_KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealBroken(Exception):
    """The sealed bytes were altered, belong to another context, or were sealed under another master key."""


class Sealer:
    """Seals short secrets under one master key, and unseals what that key or a ``former_key`` sealed: while the master
    key is being changed, there are both."""

    def __init__(self, master_key: bytes, former_key: bytes | None = None) -> None:
        keys = [master_key] if former_key is None else [master_key, former_key]
        assert all(len(key) == MASTER_KEY_BYTES for key in keys)
        self._aeads = [AESGCM(key) for key in keys]

    def seal(self, secret: bytes, context: str) -> bytes:
        """Return ``secret`` encrypted and bound to ``context``."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._aeads[0].encrypt(nonce, secret, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Return the secret; raises SealBroken when it cannot be had."""
        if sealed[:1] != _VERSION:
            raise SealBroken(f"unknown seal version in {context}")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for aead in self._aeads:
            with suppress(InvalidTag, ValueError):
                return aead.decrypt(nonce, ciphertext, context.encode())
        raise SealBroken(f"the secret of {context} does not open with this installation's master key")
