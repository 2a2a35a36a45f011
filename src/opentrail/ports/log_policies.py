"""Resource policies of CloudWatch Logs: which services may put events into an account's groups."""

from collections.abc import Sequence
from typing import Protocol

from opentrail.resource.log_policy import LogPolicy


class LogPolicies(Protocol):
    """Every method is durable on return and raises Unavailable."""

    async def policies(self, account_id: str, region: str) -> Sequence[LogPolicy]:
        """Return the policies of an account in a Region, by name."""
        ...

    async def put(self, policy: LogPolicy) -> None:
        """Keep a policy in place of the one of its name there."""
        ...

    async def remove(self, account_id: str, region: str, name: str) -> None:
        """Remove a policy; one that is not there is passed over."""
        ...
