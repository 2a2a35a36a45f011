"""The identity store in memory, for tests of what stands on it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from opentrail.arn import is_root_arn
from opentrail.clock import Clock, SystemClock
from opentrail.identity import Credential, Principal, PrincipalType, Role, UpstreamOwner, User
from opentrail.identity.mfa import MfaDevice, try_code
from opentrail.ports.identity_store import EntityAlreadyExists, NoSuchEntity

_Named = TypeVar("_Named", User, Role)


class InMemoryIdentityStore:
    """Behaves as the port says and forgets everything with the process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._credentials: dict[str, Credential] = {}
        self._users: dict[tuple[str, str], User] = {}
        self._roles: dict[tuple[str, str], Role] = {}
        self._upstream_owners: dict[tuple[str, str, str], UpstreamOwner] = {}
        self._mfa_devices: dict[str, MfaDevice] = {}
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
        user = _remove(self._users, account_id, name)
        self._delete_keys_of(user.arn)
        self._mfa_devices.pop(user.arn, None)

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

    async def note_upstream_owners(self, owners: Sequence[UpstreamOwner]) -> None:
        self._upstream_owners |= {(owner.kind, owner.account_id, owner.name): owner for owner in owners}

    async def upstream_owner(self, kind: str, account_id: str, name: str) -> UpstreamOwner | None:
        accounts = {account for _, account, _ in self._upstream_owners}
        account = account_id or (accounts.pop() if len(accounts) == 1 else "")
        return self._upstream_owners.get((kind, account, name))

    async def add_mfa_device(self, device: MfaDevice) -> None:
        is_user = any(user.arn == device.user_arn for user in self._users.values())
        if not is_user and not is_root_arn(device.user_arn):
            raise NoSuchEntity(f"no user {device.user_arn}")
        if device.user_arn in self._mfa_devices:
            raise EntityAlreadyExists(f"{device.user_arn} has an MFA device")
        self._mfa_devices[device.user_arn] = device

    async def mfa_device(self, user_arn: str) -> MfaDevice | None:
        return self._mfa_devices.get(user_arn)

    async def delete_mfa_device(self, user_arn: str) -> None:
        if self._mfa_devices.pop(user_arn, None) is None:
            raise NoSuchEntity(f"{user_arn} has no MFA device")

    async def try_mfa_code(self, user_arn: str, serial_number: str, code: str, now: datetime) -> bool:
        device = self._mfa_devices.get(user_arn)
        if device is None or device.serial_number != serial_number:
            raise NoSuchEntity(f"{user_arn} has no MFA device of this serial number")
        self._mfa_devices[user_arn], is_right = try_code(device, code, now)
        return is_right

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
