"""Data keys of event data stores without a key ring."""

import hashlib

from opentrail.ports.lake_keys import StoreKeyRefused
from opentrail.resource.event_data_store import EventDataStore


class InMemoryStoreKeys:
    """Gives each store that has a KMS key a data key of its own, while ``is_refused`` is not set."""

    def __init__(self) -> None:
        self.is_refused = False

    async def data_key(self, store: EventDataStore) -> bytes:
        if not store.kms_key_id:
            return b""
        if self.is_refused:
            raise StoreKeyRefused(f"the KMS key {store.kms_key_id} of the event data store is gone")
        return hashlib.sha256(store.arn.encode()).digest()
