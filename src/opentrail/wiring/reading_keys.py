"""The key ring of a home for commands that only read: opened when the first encrypted object asks for it."""

import asyncio
from collections.abc import Mapping

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.adapters.metadata_store.database import open_database
from opentrail.adapters.metadata_store.key_store import SqlKeyStore
from opentrail.home import Home
from opentrail.ports.key_ring import DataKey, KeyCaller
from opentrail.resource.key import Key
from opentrail.settings import Settings


class ReadingKeys:
    """Implements KeyRing beside the server that holds the home; the database stays open until the command ends."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._url = settings.metadata_url or f"sqlite:///{home.metadata_file}"
        self._opening = asyncio.Lock()
        self._ring: LocalKeyRing | None = None

    async def describe(self, key: str, account_id: str = "", region: str = "") -> Key:
        return await (await self._opened()).describe(key, account_id, region)

    async def generate_data_key(self, key: str, context: Mapping[str, str], caller: KeyCaller) -> DataKey:
        return await (await self._opened()).generate_data_key(key, context, caller)

    async def decrypt(self, blob: bytes, context: Mapping[str, str], caller: KeyCaller) -> bytes:
        return await (await self._opened()).decrypt(blob, context, caller)

    async def is_altered(self, blob: bytes, context: Mapping[str, str], key_arn: str) -> bool:
        return await (await self._opened()).is_altered(blob, context, key_arn)

    async def _opened(self) -> LocalKeyRing:
        async with self._opening:
            if self._ring is None:
                database = await open_database(self._url)
                self._ring = LocalKeyRing(SqlKeyStore(database, self._home.sealer()))
            return self._ring
