"""Results of queries that read event data stores with KMS keys: kept encrypted under all of these stores' data keys.

A result is as secret as the most secret of what it is made of, so every one of the keys has to be usable to read it.
Its key follows from the stores' data keys and the query's id: it is kept nowhere.
"""

import hmac
from collections.abc import Sequence

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
