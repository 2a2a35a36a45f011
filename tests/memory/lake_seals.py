"""Seals of event data stores in memory."""

from opentrail.ports.lake_seals import LakeSeal


class InMemoryLakeSeals:
    """Behaves as the port says; ``seals`` by the store's ARN."""

    def __init__(self) -> None:
        self.seals: dict[str, LakeSeal] = {}

    async def seal(self, arn: str) -> LakeSeal | None:
        return self.seals.get(arn)

    async def put_seal(self, seal: LakeSeal) -> None:
        self.seals[seal.arn] = seal
