"""Key names: what the KMS key that a trail names is to a bucket which is not kept here."""

from typing import Protocol


class KeyNames(Protocol):
    """The keys that buckets elsewhere encrypt with."""

    async def key_arn(self, name: str, account_id: str, region: str) -> str:
        """Return the ARN of the key that an id, ``alias/NAME`` or alias ARN means in an account and Region.

        A key's ARN comes back unread: the bucket judges it. Raises KeyNotFound, KeyAccessRefused (of
        ``ports.key_ring``) and Unavailable.
        """
        ...
