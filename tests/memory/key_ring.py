"""A key ring in memory, for tests of what stands on it."""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from opentrail.ports.key_ring import BlobInvalid, DataKey, KeyAccessRefused, KeyCaller, KeyDisabled, KeyNotFound
from opentrail.resource.key import Key, KeyState


class InMemoryKeyRing:
    """Keys that a test adds; ``refused`` are the ARNs of keys whose policy lets nobody use them.

    A blob is random bytes that this object remembers with the data key and its context.
    """

    def __init__(self, *keys: Key, aliases: Mapping[str, str] | None = None) -> None:
        self._keys = {key.arn: key for key in keys}
        self._aliases = dict(aliases or {})
        self._blobs: dict[bytes, tuple[str, dict[str, str], bytes]] = {}
        self.refused: set[str] = set()
        self.failure: Exception | None = None
        self.callers: list[KeyCaller] = []

    def add(self, key: Key, *aliases: str) -> None:
        """Add a key, with aliases (``alias/NAME``)."""
        self._keys[key.arn] = key
        self._aliases |= {key.arn.partition("key/")[0] + alias: key.arn for alias in aliases}

    def set_state(self, key_arn: str, state: KeyState) -> None:
        """Enable or disable a key."""
        self._keys[key_arn] = replace(self._keys[key_arn], state=state)

    def remove(self, key_arn: str) -> None:
        """Destroy a key."""
        del self._keys[key_arn]

    async def describe(self, key: str, account_id: str = "", region: str = "") -> Key:
        if self.failure is not None:
            raise self.failure
        for found in self._keys.values():
            place = f"arn:aws:kms:{region}:{account_id}:"
            arn = self._aliases.get(key) or self._aliases.get(place + key) or key
            if found.arn in (arn, f"{place}key/{key}"):
                return found
        raise KeyNotFound(key)

    async def generate_data_key(self, key: str, context: Mapping[str, str], caller: KeyCaller) -> DataKey:
        found = await self._usable(key, caller)
        plaintext, blob = secrets.token_bytes(32), secrets.token_bytes(100)
        self._blobs[blob] = (found.arn, dict(context), plaintext)
        return DataKey(plaintext, blob, found.arn)

    async def decrypt(self, blob: bytes, context: Mapping[str, str], caller: KeyCaller) -> bytes:
        key_arn, bound, plaintext = self._blobs.get(blob, ("", None, b""))
        if bound != dict(context):
            raise BlobInvalid("the blob does not open with this context")
        await self._usable(key_arn, caller)
        return plaintext

    async def is_altered(self, blob: bytes, context: Mapping[str, str], key_arn: str) -> bool:
        return self._blobs.get(blob, ("", {}, b""))[:2] != (key_arn, dict(context))

    async def _usable(self, key: str, caller: KeyCaller) -> Key:
        self.callers.append(caller)
        found = await self.describe(key)
        if found.arn in self.refused:
            raise KeyAccessRefused(f"the policy of {found.arn} does not allow it")
        if found.state is not KeyState.ENABLED:
            raise KeyDisabled(f"{found.arn} is {found.state}")
        return found
