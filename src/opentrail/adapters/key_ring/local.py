"""Our own key ring (port: key_ring): keys of the key store, blobs of our own format, judged by key policy."""

import os
from collections.abc import Mapping

from opentrail.envelope import BlobBroken, BlobKey, open_blob, read_blob, seal_blob
from opentrail.policy.key_use import context_conditions, judge_key_use
from opentrail.ports.key_ring import BlobInvalid, DataKey, KeyAccessRefused, KeyCaller, KeyDisabled, KeyNotFound
from opentrail.ports.key_store import KeyStore
from opentrail.resource.key import Key, KeyState

DATA_KEY_BYTES = 32
"""AES-256."""

_BROKEN = "the blob was altered, or does not belong to this key and encryption context"


class LocalKeyRing:
    """Implements KeyRing. Judges first and looks at the key's state after, so that a stranger learns neither."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    async def describe(self, key: str, account_id: str = "", region: str = "") -> Key:
        found = await self._keys.find(key, account_id, region)
        if found is None:
            raise KeyNotFound(f"no key {key[:300]}")
        return found

    async def generate_data_key(self, key: str, context: Mapping[str, str], caller: KeyCaller) -> DataKey:
        found = await self.describe(key)
        _judge("kms:GenerateDataKey", found, context, caller)
        material = await self._keys.material(found.key_id, found.version)
        assert material is not None, found.arn
        plaintext = os.urandom(DATA_KEY_BYTES)
        blob = seal_blob(material.secret, BlobKey(found.key_id, material.version), plaintext, context)
        return DataKey(plaintext, blob, found.arn)

    async def decrypt(self, blob: bytes, context: Mapping[str, str], caller: KeyCaller) -> bytes:
        try:
            named = read_blob(blob)
        except BlobBroken as error:
            raise BlobInvalid(str(error)) from error
        found = await self._keys.find_by_id(named.key_id)
        if found is None:
            raise KeyNotFound(f"no key {named.key_id}")
        _judge("kms:Decrypt", found, context, caller)
        material = await self._keys.material(found.key_id, named.version)
        if material is None:
            raise BlobInvalid(_BROKEN)
        try:
            return open_blob(material.secret, blob, context)
        except BlobBroken as error:
            raise BlobInvalid(_BROKEN) from error

    async def is_altered(self, blob: bytes, context: Mapping[str, str], key_arn: str) -> bool:
        try:
            named = read_blob(blob)
        except BlobBroken:
            return True
        if not key_arn.endswith(f"/{named.key_id}"):
            return True
        material = await self._keys.material(named.key_id, named.version)
        if material is None:
            return await self._keys.find_by_id(named.key_id) is not None
        try:
            open_blob(material.secret, blob, context)
        except BlobBroken:
            return True
        return False


def _judge(action: str, key: Key, context: Mapping[str, str], caller: KeyCaller) -> None:
    verdict = judge_key_use(
        action,
        key,
        caller.principal,
        identity=caller.identity,
        session=caller.session,
        conditions={**caller.conditions, **context_conditions(context)},
    )
    if not verdict.is_allowed:
        who = caller.principal.service or caller.principal.arn
        raise KeyAccessRefused(f"{who} may not {action} with {key.arn} {verdict.reason(action)}")
    if key.state is not KeyState.ENABLED:
        state = "disabled" if key.state is KeyState.DISABLED else "pending deletion"
        raise KeyDisabled(f"{key.arn} is {state}")
