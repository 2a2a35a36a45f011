"""Messages of subscription filters that wait to be sent, of log groups with KMS keys: sealed under a data key of the
group's KMS key, and opened when they are sent. Format: docs/formats/log-groups.md."""

from dataclasses import replace

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.envelope import BlobBroken, data_key_id, open_text, seal_text
from opentrail.ports.invocations import Invocation
from opentrail.ports.key_ring import DataKey
from opentrail.ports.log_keys import LogDataKeys
from opentrail.ports.log_store import LogKey, LogKeyUnusable

SEALED_FOR = "SealedFor"
"""The member of a target that says that the event is sealed: the ARN of the log group that it was sealed for."""

_LENGTH_BYTES = 2


class SealedMessages:
    """Seals and opens by the key ring, which judges every use."""

    def __init__(self, keys: LogDataKeys) -> None:
        self._keys = keys

    async def data_key(self, key: LogKey) -> DataKey:
        """Return a new data key for messages of a group. Raises LogKeyUnusable, Unavailable."""
        return await self._keys.new(key.key_arn, key.group_arn)

    async def opened(self, invocation: Invocation) -> Invocation:
        """Return an invocation as it is to be sent. Raises LogKeyUnusable, Unavailable."""
        if SEALED_FOR.encode() not in invocation.target:
            return invocation
        arn = orjson.loads(invocation.target).get(SEALED_FOR, "")
        if not arn:  # it only stands somewhere in the target
            return invocation
        start = _LENGTH_BYTES + int.from_bytes(invocation.event[:_LENGTH_BYTES], "big")
        key = await self._keys.plaintext(invocation.event[_LENGTH_BYTES:start], arn)
        try:
            event = open_text(AESGCM(key), invocation.event[start:], invocation.invocation_id.encode())
        except BlobBroken as error:
            raise LogKeyUnusable(str(error)) from error
        return replace(invocation, event=event)


def sealed(invocation: Invocation, data_key: DataKey, group_arn: str) -> Invocation:
    """Return an invocation as it waits, under a data key of a group."""
    target = orjson.loads(invocation.target) | {SEALED_FOR: group_arn}
    place = invocation.invocation_id.encode()
    text = seal_text(AESGCM(data_key.plaintext), data_key_id(data_key.blob), invocation.event, place)
    event = len(data_key.blob).to_bytes(_LENGTH_BYTES, "big") + data_key.blob + text
    return replace(invocation, target=orjson.dumps(target), event=event)
