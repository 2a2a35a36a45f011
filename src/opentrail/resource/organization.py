"""The organization that the operator's settings tell: its accounts, and who of them may look after its trails."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from opentrail.resource.trail import Trail

CLOUDTRAIL = "cloudtrail.amazonaws.com"
"""The one service that works for the whole organization here."""

MAX_ACCOUNTS = 1_000
"""Accounts of one organization: an organization trail keeps a digest chain for each of them in every Region."""

MAX_DELEGATED_ADMINISTRATORS = 3
"""CloudTrail's own quota."""

_ID = re.compile(r"o-[a-z0-9]{10,32}")
_ACCOUNT = re.compile(
    r"(?P<id>\d{12})(\s+(?P<name>[^\s<>,][^<>,]{0,49}?))?(\s+<(?P<email>[^\s<>,@]{1,64}@[^\s<>,@]{1,64})>)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Account:
    """One account of an organization. ``str()`` gives the text that ``parse`` reads."""

    account_id: str
    name: str = ""
    email: str = ""

    @classmethod
    def parse(cls, text: str) -> "Account":
        """Read ``222222222222 Audit <audit@example.com>``, name and address as wished; raises ValueError."""
        match = _ACCOUNT.fullmatch(text.strip())
        if match is None:
            raise ValueError("must be an account such as 222222222222 or 222222222222 Audit <audit@example.com>")
        return cls(match["id"], match["name"] or "", match["email"] or "")

    def __str__(self) -> str:
        address = f"<{self.email}>" if self.email else ""
        return " ".join(part for part in (self.account_id, self.name, address) if part)


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization: ``accounts`` are all of it by id, the management account among them."""

    organization_id: str
    management_account_id: str
    accounts: tuple[Account, ...]
    delegated_administrators: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, organization_id: str, management: Account, members: tuple[Account, ...], delegated: tuple[str, ...]
    ) -> "Organization":
        """Join what the settings tell; raises ValueError with what is wrong with it."""
        accounts = {account.account_id: account for account in (management, *members)}
        if len(accounts) < 1 + len(members):
            raise ValueError("an account is named twice (the management account is no member account)")
        if len(accounts) > MAX_ACCOUNTS:
            raise ValueError(f"an organization has at most {MAX_ACCOUNTS} accounts")
        if not {account.account_id for account in members} >= set(delegated):
            raise ValueError("a delegated administrator must be a member account")
        if len(set(delegated)) > MAX_DELEGATED_ADMINISTRATORS:
            raise ValueError(f"there are at most {MAX_DELEGATED_ADMINISTRATORS} delegated administrators")
        return cls(
            organization_id,
            management.account_id,
            tuple(account for _, account in sorted(accounts.items())),
            tuple(sorted(set(delegated))),
        )

    @property
    def arn(self) -> str:
        return f"arn:aws:organizations::{self.management_account_id}:organization/{self.organization_id}"

    def account_arn(self, account_id: str) -> str:
        """Return the ARN under which Organizations knows an account."""
        return f"arn:aws:organizations::{self.management_account_id}:account/{self.organization_id}/{account_id}"

    def account(self, account_id: str) -> Account | None:
        """Return an account of the organization, None for any other."""
        return next((account for account in self.accounts if account.account_id == account_id), None)

    def with_administrators(self, registered: Collection[str]) -> "Organization":
        """Return the organization with further delegated administrators, as far as they are member accounts of it."""
        members = {account.account_id for account in self.accounts} - {self.management_account_id}
        return replace(
            self, delegated_administrators=tuple(sorted({*self.delegated_administrators, *registered} & members))
        )

    def ids_by_account(self) -> dict[str, str]:
        """Return the organization's id by each of its accounts."""
        return {account.account_id: self.organization_id for account in self.accounts}

    def is_administrator(self, account_id: str) -> bool:
        """Say whether an account may look after the organization's trails."""
        return account_id == self.management_account_id or account_id in self.delegated_administrators


def is_organization_id(text: str) -> bool:
    """Say whether ``text`` has the form of an organization's id."""
    return _ID.fullmatch(text) is not None


def organized(trail: Trail, organization: Organization | None) -> Trail:
    """Return an organization trail with the organization as it is now.

    One whose account manages no organization (any more) becomes an ordinary trail of that account, as CloudTrail has
    it.
    """
    if organization is None or organization.management_account_id != trail.account_id:
        return replace(trail, is_organization=False, organization_id="", member_account_ids=())
    return replace(
        trail,
        is_organization=True,
        organization_id=organization.organization_id,
        member_account_ids=tuple(account.account_id for account in organization.accounts),
    )
