"""Resource policies of CloudWatch Logs in memory."""

from collections.abc import Sequence

from opentrail.resource.log_policy import LogPolicy


class InMemoryLogPolicies:
    """Implements LogPolicies."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], LogPolicy] = {}

    async def policies(self, account_id: str, region: str) -> Sequence[LogPolicy]:
        return [one for key, one in sorted(self.kept.items()) if key[:2] == (account_id, region)]

    async def put(self, policy: LogPolicy) -> None:
        self.kept[policy.account_id, policy.region, policy.name] = policy

    async def remove(self, account_id: str, region: str, name: str) -> None:
        self.kept.pop((account_id, region, name), None)
