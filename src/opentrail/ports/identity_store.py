"""Accounts, users, roles, keys, MFA devices and what was learned of an upstream's identities."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from opentrail.identity import Credential, Principal, Role, UpstreamOwner, User
from opentrail.identity.mfa import MfaDevice
from opentrail.ports import PortError


class NoSuchEntity(PortError):
    """The named user, role or key does not exist."""


class EntityAlreadyExists(PortError):
    """The name or key is taken."""


class IdentityStore(Protocol):
    """Secrets are encrypted at rest; a Credential is in the clear in memory only. All methods raise Unavailable."""

    async def credential(self, access_key_id: str) -> Credential | None:
        """Return the key we know, active or not, expired or not; None when it is not ours. Cheap: cached in memory,
        changes of this process are seen at once."""
        ...

    async def add_credential(self, credential: Credential) -> None:
        """Keep a key pair durably. Raises EntityAlreadyExists."""
        ...

    async def set_credential_active(self, access_key_id: str, is_active: bool) -> None:
        """Switch a key on or off. Raises NoSuchEntity."""
        ...

    async def delete_credential(self, access_key_id: str) -> None:
        """Forget a key. Raises NoSuchEntity."""
        ...

    async def credentials(self, account_id: str) -> Sequence[Credential]:
        """Return the account's keys, secrets included, by key id."""
        ...

    async def create_user(self, user: User) -> None:
        """Raises EntityAlreadyExists."""
        ...

    async def user(self, account_id: str, name: str) -> User | None: ...

    async def users(self, account_id: str) -> Sequence[User]:
        """Return the account's users by name."""
        ...

    async def delete_user(self, account_id: str, name: str) -> None:
        """Delete a user with its keys and its MFA device. Raises NoSuchEntity."""
        ...

    async def create_role(self, role: Role) -> None:
        """Raises EntityAlreadyExists."""
        ...

    async def role(self, account_id: str, name: str) -> Role | None: ...

    async def roles(self, account_id: str) -> Sequence[Role]: ...

    async def delete_role(self, account_id: str, name: str) -> None:
        """Raises NoSuchEntity."""
        ...

    async def put_policy(self, principal_arn: str, name: str, document: str | None) -> None:
        """Set or (None) remove an inline policy of a user or role. Raises NoSuchEntity."""
        ...

    async def policies(self, principal: Principal) -> Sequence[str]:
        """Return the policy documents that apply to a principal: a user's, or an assumed role's role's; none for Root
        (which needs none)."""
        ...

    async def learn(
        self, access_key_id: str, token_hash: str, principal: Principal, expires_at: datetime | None
    ) -> None:
        """Remember who signs with an upstream's key, by key id and hex SHA-256 of the session token ("" without one).
        A key we know ourselves is never relearned."""
        ...

    async def learned(self, access_key_id: str, token_hash: str) -> Principal | None: ...

    async def note_upstream_owners(self, owners: Sequence[UpstreamOwner]) -> None:
        """Remember users and roles that an upstream described, across restarts and for every process of this
        installation; bounded, those seen longest ago make room. What no store could keep is left out."""
        ...

    async def upstream_owner(self, kind: str, account_id: str, name: str) -> UpstreamOwner | None:
        """Return what was noted last of a ``user`` or ``role``. An empty account id stands for the only account that
        any noted owner is of; where there are several, nobody is found."""
        ...

    async def add_mfa_device(self, device: MfaDevice) -> None:
        """Keep the MFA device of a user, or of an account's owner (its Root ARN). Raises NoSuchEntity (no such user),
        EntityAlreadyExists (it has one)."""
        ...

    async def mfa_device(self, user_arn: str) -> MfaDevice | None: ...

    async def delete_mfa_device(self, user_arn: str) -> None:
        """Raises NoSuchEntity."""
        ...

    async def try_mfa_code(self, user_arn: str, serial_number: str, code: str, now: datetime) -> bool:
        """Say whether a code of the user's device is right, by the rules of ``identity.mfa``; durable on return, so
        that it is right once only, in whatever process. Raises NoSuchEntity (no device of that serial number)."""
        ...
