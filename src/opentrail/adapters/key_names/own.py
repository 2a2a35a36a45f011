"""Names of keys in the own key ring (port: key_names), for upstreams without a KMS of their own."""

from opentrail.ports.key_ring import KeyRing


class OwnKeyNames:
    """Implements KeyNames."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def key_arn(self, name: str, account_id: str, region: str) -> str:
        return name if ":key/" in name else (await self._ring.describe(name, account_id, region)).arn
