"""Delegated administrators in memory."""

from opentrail.resource.organization import Organization


class InMemoryDelegation:
    """Implements Delegation."""

    def __init__(self, organization: Organization | None) -> None:
        self.settled = organization
        self.registered: frozenset[str] = frozenset()

    @property
    def organization(self) -> Organization | None:
        return None if self.settled is None else self.settled.with_administrators(self.registered)

    def is_named_by_settings(self, account_id: str) -> bool:
        return self.settled is not None and account_id in self.settled.delegated_administrators

    async def register(self, account_id: str) -> None:
        self.registered |= {account_id}

    async def deregister(self, account_id: str) -> None:
        self.registered -= {account_id}
