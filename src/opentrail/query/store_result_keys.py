"""Results of queries that read event data stores with KMS keys: kept encrypted under all of these stores' data keys.

A result is as secret as the most secret of what it is made of, so every one of the keys has to be usable to read it.
Its key follows from the stores' data keys and the query's id: it is kept nowhere.
"""

import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.envelope import BlobBroken, data_key_id, open_text, seal_text
from opentrail.ports import Unavailable
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.lake_keys import StoreKeyRefused, StoreKeys

_PURPOSE = b"opentrail query result 1\n"


class StoreResultKeys:
    """Keys of results; remembers nothing."""

    def __init__(self, keys: StoreKeys, stores: EventDataStores) -> None:
        self._keys = keys
        self._stores = stores

    async def key(self, query_id: str, arns: Sequence[str]) -> bytes:
        """Return the key of a query's result, of which the stores ``arns`` have KMS keys; none without any.

        Raises StoreKeyRefused, Unavailable.
        """
        if not arns:
            return b""
        data_keys = []
        for arn in sorted(arns):
            store = await self._stores.event_data_store(arn)
            if store is None:
                raise StoreKeyRefused(f"the event data store {arn} of the query is gone")
            data_keys.append(await self._keys.data_key(store))
        return hmac.digest(b"".join(data_keys), _PURPOSE + query_id.encode(), "sha256")


def sealed_page(key: bytes, query_id: str, start: int, page: bytes) -> bytes:
    """Return a page of a result as it is kept under ``key``; as it is without a key."""
    if not key:
        return page
    return seal_text(AESGCM(key), data_key_id(query_id.encode()), page, _place(query_id, start))


def opened_page(key: bytes, query_id: str, start: int, page: bytes) -> bytes:
    """Return a page that was kept under ``key``. Raises Unavailable for one that was altered."""
    if not key:
        return page
    try:
        return open_text(AESGCM(key), page, _place(query_id, start))
    except BlobBroken as error:
        raise Unavailable("a page of the result was altered") from error


def _place(query_id: str, start: int) -> bytes:
    return f"{query_id} {start}".encode()
