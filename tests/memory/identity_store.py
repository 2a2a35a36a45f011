"""The identity store in memory, for tests of what stands on it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from opentrail.clock import Clock, SystemClock
from opentrail.identity import Credential, Principal, PrincipalType, Role, User
from opentrail.ports.identity_store import EntityAlreadyExists, NoSuchEntity

_Named = TypeVar("_Named", User, Role)


class InMemoryIdentityStore:
    """Behaves as the port says and forgets everything with the process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._credentials: dict[str, Credential] = {}
        self._users: dict[tuple[str, str], User] = {}
        self._roles: dict[tuple[str, str], Role] = {}
        self._learned: dict[tuple[str, str], tuple[Principal, datetime | None]] = {}

    async def credential(self, access_key_id: str) -> Credential | None:
        return self._credentials.get(access_key_id)

    async def add_credential(self, credential: Credential) -> None:
        if credential.access_key_id in self._credentials:
            raise EntityAlreadyExists(f"access key {credential.access_key_id} exists")
        self._credentials[credential.access_key_id] = credential
        self._learned = {key: value for key, value in self._learned.items() if key[0] != credential.access_key_id}

    async def set_credential_active(self, access_key_id: str, is_active: bool) -> None:
        credential = self._known(access_key_id)
        self._credentials[access_key_id] = replace(credential, is_active=is_active)

    async def delete_credential(self, access_key_id: str) -> None:
        del self._credentials[self._known(access_key_id).access_key_id]

    async def credentials(self, account_id: str) -> Sequence[Credential]:
        return [
            credential
            for _, credential in sorted(self._credentials.items())
            if credential.principal.account_id == account_id
        ]

    async def create_user(self, user: User) -> None:
        _add(self._users, user)

    async def user(self, account_id: str, name: str) -> User | None:
        return _copy(self._users.get((account_id, name)))

    async def users(self, account_id: str) -> Sequence[User]:
        return [_clone(user) for key, user in sorted(self._users.items()) if key[0] == account_id]

    async def delete_user(self, account_id: str, name: str) -> None:
        self._delete_keys_of(_remove(self._users, account_id, name).arn)

    async def create_role(self, role: Role) -> None:
        _add(self._roles, role)

    async def role(self, account_id: str, name: str) -> Role | None:
        return _copy(self._roles.get((account_id, name)))

    async def roles(self, account_id: str) -> Sequence[Role]:
        return [_clone(role) for key, role in sorted(self._roles.items()) if key[0] == account_id]

    async def delete_role(self, account_id: str, name: str) -> None:
        self._delete_keys_of(_remove(self._roles, account_id, name).arn)

    async def put_policy(self, principal_arn: str, name: str, document: str | None) -> None:
        policies = self._policies_of(principal_arn)
        if policies is None:
            raise NoSuchEntity(f"no user or role {principal_arn}")
        if document is not None:
            policies[name] = document
        elif policies.pop(name, None) is None:
            raise NoSuchEntity(f"{principal_arn} has no policy {name}")

    async def policies(self, principal: Principal) -> Sequence[str]:
        if principal.type is PrincipalType.ROOT:
            return []
        policies = self._policies_of(_owner_arn(principal)) or {}
        return [document for _, document in sorted(policies.items())]

    async def learn(
        self, access_key_id: str, token_hash: str, principal: Principal, expires_at: datetime | None
    ) -> None:
        if access_key_id not in self._credentials:
            self._learned[access_key_id, token_hash] = (principal, expires_at)

    async def learned(self, access_key_id: str, token_hash: str) -> Principal | None:
        principal, expires_at = self._learned.get((access_key_id, token_hash), (None, None))
        return None if expires_at is not None and expires_at <= self._clock.now() else principal

    def _known(self, access_key_id: str) -> Credential:
        try:
            return self._credentials[access_key_id]
        except KeyError:
            raise NoSuchEntity(f"no access key {access_key_id}") from None

    def _policies_of(self, arn: str) -> dict[str, str] | None:
        owners: list[User | Role] = [*self._users.values(), *self._roles.values()]
        return next((owner.policies for owner in owners if owner.arn == arn), None)

    def _delete_keys_of(self, arn: str) -> None:
        self._credentials = {
            key: credential for key, credential in self._credentials.items() if _owner_arn(credential.principal) != arn
        }


def _owner_arn(principal: Principal) -> str:
    issuer = principal.session.issuer_arn if principal.session else ""
    return issuer or principal.arn


def _add(owners: dict[tuple[str, str], _Named], owner: _Named) -> None:
    if (owner.account_id, owner.name) in owners:
        raise EntityAlreadyExists(f"{owner.name} exists in account {owner.account_id}")
    owners[owner.account_id, owner.name] = _clone(owner)


def _remove(owners: dict[tuple[str, str], _Named], account_id: str, name: str) -> _Named:
    if (account_id, name) not in owners:
        raise NoSuchEntity(f"no {name} in account {account_id}")
    return owners.pop((account_id, name))


def _clone(owner: _Named) -> _Named:
    return replace(owner, policies=dict(owner.policies))


def _copy(owner: _Named | None) -> _Named | None:
    return None if owner is None else _clone(owner)
