"""Data keys of event data stores that name a KMS key: made once, kept sealed in the store's settings.

Every use opens the sealed key anew, so that a KMS key which is disabled, or whose policy lets CloudTrail in no more,
stops reading and writing at once. What the data key opens: docs/formats/lake.md, "Stores with a KMS key".
"""

from base64 import b64decode, b64encode
from typing import Protocol

from opentrail.policy.evaluation import RequestPrincipal
from opentrail.ports import Unavailable
from opentrail.ports.key_ring import (
    CLOUDTRAIL_PRINCIPAL,
    TRAIL_CONTEXT,
    BlobInvalid,
    KeyAccessRefused,
    KeyCaller,
    KeyDisabled,
    KeyNotFound,
    KeyRing,
)
from opentrail.resource.event_data_store import EventDataStore

STORE_CALLER = KeyCaller(RequestPrincipal(service=CLOUDTRAIL_PRINCIPAL))
"""CloudTrail acting for event data stores: without aws:SourceArn, by which AWS's key policies for them may not ask."""


class StoreKeyRefused(Unavailable):
    """The KMS key of an event data store cannot be used now; the message says which and why."""


class StoreKeys(Protocol):
    """Who gives the tables of event data stores their data keys."""

    async def data_key(self, store: EventDataStore) -> bytes:
        """Return the 32 bytes of the store's data key, none for a store without a KMS key. Never to be stored.

        Raises StoreKeyRefused, Unavailable.
        """
        ...


class KeyRingStoreKeys:
    """Implements StoreKeys over a key ring; remembers nothing."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def data_key(self, store: EventDataStore) -> bytes:
        if not store.kms_key_id:
            return b""
        blob, context = b64decode(store.sealed_data_key), {TRAIL_CONTEXT: store.arn}
        try:
            return await self._ring.decrypt(blob, context, STORE_CALLER)
        except KeyNotFound as error:
            raise StoreKeyRefused(f"the KMS key {store.kms_key_id} of the event data store is gone") from error
        except (KeyDisabled, KeyAccessRefused) as error:
            raise StoreKeyRefused(f"the KMS key of the event data store cannot be used: {error}") from error
        except BlobInvalid as error:
            raise StoreKeyRefused(f"the data key of {store.arn} does not open: {error}") from error


class NoStoreKeys:
    """Implements StoreKeys where no store has a key."""

    async def data_key(self, store: EventDataStore) -> bytes:
        if store.kms_key_id:
            raise StoreKeyRefused(f"the event data store {store.arn} is encrypted, and no key ring is here")
        return b""


async def new_data_key(ring: KeyRing, key_arn: str, store_arn: str) -> str:
    """Return a new data key for a store, sealed under a KMS key and bound to the store, in base64.

    The key has to give it back, too: a key policy must let CloudTrail do both. Raises KeyNotFound, KeyDisabled,
    KeyAccessRefused.
    """
    context = {TRAIL_CONTEXT: store_arn}
    made = await ring.generate_data_key(key_arn, context, STORE_CALLER)
    await ring.decrypt(made.blob, context, STORE_CALLER)
    return b64encode(made.blob).decode()
