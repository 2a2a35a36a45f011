"""Who looks after the organization for CloudTrail: whom the operator's settings name, and whom the API registered."""

from typing import Protocol

from opentrail.resource.organization import Organization


class Delegation(Protocol):
    """The organization with its delegated administrators as they are now."""

    @property
    def organization(self) -> Organization | None:
        """The organization, None when there is none."""
        ...

    def is_named_by_settings(self, account_id: str) -> bool:
        """Say whether the operator's settings name the account: the API cannot take it back."""
        ...

    async def register(self, account_id: str) -> None:
        """Make a member account a delegated administrator, durably. Raises Unavailable."""
        ...

    async def deregister(self, account_id: str) -> None:
        """Let an account that was registered be one no more, durably. Raises Unavailable."""
        ...
