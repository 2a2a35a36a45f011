"""Data keys that guard what CloudWatch Logs keeps for those who named a KMS key: log events, messages of subscription
filters that wait, results of queries.

The key ring judges every use, so that a KMS key which is disabled, or whose policy lets CloudWatch Logs in no more,
stops reading and writing at once.
"""

from opentrail.ports.key_ring import (
    BlobInvalid,
    DataKey,
    KeyAccessRefused,
    KeyDisabled,
    KeyNotFound,
    KeyRing,
    logs_caller,
    logs_context,
)
from opentrail.ports.log_store import LogKeyUnusable

_REFUSED = (KeyNotFound, KeyDisabled, KeyAccessRefused, BlobInvalid)


class LogDataKeys:
    """Makes and opens data keys by the key ring, and remembers none. Without a ring, which is for tests alone, no key
    can be used."""

    def __init__(self, ring: KeyRing | None) -> None:
        self._ring = ring

    async def new(self, key_arn: str, arn: str) -> DataKey:
        """Return a new data key under a KMS key, bound to the log group, or the account's query results, ``arn``.

        Raises LogKeyUnusable, Unavailable.
        """
        try:
            return await self._usable().generate_data_key(key_arn, logs_context(arn), logs_caller(arn))
        except _REFUSED as error:
            raise LogKeyUnusable(str(error)) from error

    async def plaintext(self, blob: bytes, arn: str) -> bytes:
        """Return the 32 bytes of the data key that ``blob`` holds. Raises LogKeyUnusable, Unavailable."""
        try:
            return await self._usable().decrypt(blob, logs_context(arn), logs_caller(arn))
        except _REFUSED as error:
            raise LogKeyUnusable(str(error)) from error

    def _usable(self) -> KeyRing:
        if self._ring is None:
            raise LogKeyUnusable("there is no key ring")
        return self._ring
