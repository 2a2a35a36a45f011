"""Accounts' users, roles and keys on the metadata database (port: identity_store)."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, delete, exists, select

from opentrail.adapters.metadata_store.credentials import CACHE_SECONDS, Credentials, delete_keys_of
from opentrail.adapters.metadata_store.database import Database, add, put
from opentrail.adapters.metadata_store.learned_identities import LearnedIdentities
from opentrail.adapters.metadata_store.mfa_devices import MfaDevices, delete_device_of
from opentrail.adapters.metadata_store.principals import owner_arn
from opentrail.adapters.metadata_store.recently_used import RecentlyUsed
from opentrail.adapters.metadata_store.tables import policies, roles, users
from opentrail.adapters.metadata_store.upstream_owners import UpstreamOwners
from opentrail.clock import Clock, SystemClock
from opentrail.identity import Credential, Principal, PrincipalType, Role, UpstreamOwner, User
from opentrail.identity.mfa import MfaDevice
from opentrail.ports.identity_store import EntityAlreadyExists, NoSuchEntity
from opentrail.sealing import Sealer

CACHED_POLICIES = 1_000
"""Users and roles whose policies are kept in memory."""

_Owner = TypeVar("_Owner", User, Role)


class SqlIdentityStore:
    """Implements IdentityStore.

    Keys, policies and learned identities are answered from bounded memory; use one store per process and database,
    since a change made elsewhere is seen only after CACHE_SECONDS. Raises Unavailable also when a secret does not open
    with the master key of ``sealer``.
    """

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        *,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        clock = clock or SystemClock()
        self._database = database
        self._credentials = Credentials(database, sealer, clock, monotonic)
        self._learned = LearnedIdentities(database, clock, monotonic)
        self._owners = UpstreamOwners(database, clock)
        self._mfa_devices = MfaDevices(database, sealer)
        self._policies: RecentlyUsed[str, Sequence[str]] = RecentlyUsed(CACHED_POLICIES, CACHE_SECONDS, monotonic)

    def forget(self) -> None:
        """Drop all that is kept in memory (keys, policies, learned identities), so that the database is asked again:
        another process changed it."""
        self._credentials.forget()
        self._learned.forget()
        self._policies.forget_all()

    async def credential(self, access_key_id: str) -> Credential | None:
        return await self._credentials.get(access_key_id)

    async def add_credential(self, credential: Credential) -> None:
        """Keep a key pair durably. Raises EntityAlreadyExists, and ValueError for an id that IAM would refuse."""
        await self._credentials.add(credential, after=lambda: self._learned.forget(credential.access_key_id))

    async def set_credential_active(self, access_key_id: str, is_active: bool) -> None:
        await self._credentials.set_active(access_key_id, is_active)

    async def delete_credential(self, access_key_id: str) -> None:
        await self._credentials.delete(access_key_id)

    async def credentials(self, account_id: str) -> Sequence[Credential]:
        return await self._credentials.of_account(account_id)

    async def create_user(self, user: User) -> None:
        await self._create(users, user)

    async def user(self, account_id: str, name: str) -> User | None:
        return next(iter(await self._of_account(users, User, account_id, name)), None)

    async def users(self, account_id: str) -> Sequence[User]:
        return await self._of_account(users, User, account_id)

    async def delete_user(self, account_id: str, name: str) -> None:
        await self._delete(users, account_id, name)

    async def create_role(self, role: Role) -> None:
        await self._create(roles, role)

    async def role(self, account_id: str, name: str) -> Role | None:
        return next(iter(await self._of_account(roles, Role, account_id, name)), None)

    async def roles(self, account_id: str) -> Sequence[Role]:
        return await self._of_account(roles, Role, account_id)

    async def delete_role(self, account_id: str, name: str) -> None:
        await self._delete(roles, account_id, name)

    async def put_policy(self, principal_arn: str, name: str, document: str | None) -> None:
        await self._database.write(
            lambda connection: _put_policy(connection, principal_arn, name, document),
            after=lambda: self._policies.forget(principal_arn),
        )

    async def policies(self, principal: Principal) -> Sequence[str]:
        if principal.type is PrincipalType.ROOT:
            return []
        arn = owner_arn(principal)
        if cached := self._policies.get(arn):
            return cached[0]
        changes = self._policies.changes
        query = select(policies.c.document).where(policies.c.principal_arn == arn).order_by(policies.c.name)
        documents = await self._database.read(lambda connection: tuple(connection.execute(query).scalars()))
        self._policies.put(arn, documents, changes)
        return documents

    async def learn(
        self, access_key_id: str, token_hash: str, principal: Principal, expires_at: datetime | None
    ) -> None:
        await self._learned.learn((access_key_id, token_hash), principal, expires_at)

    async def learned(self, access_key_id: str, token_hash: str) -> Principal | None:
        return await self._learned.get((access_key_id, token_hash))

    async def note_upstream_owners(self, owners: Sequence[UpstreamOwner]) -> None:
        await self._owners.note(owners)

    async def upstream_owner(self, kind: str, account_id: str, name: str) -> UpstreamOwner | None:
        return await self._owners.get(kind, account_id, name)

    async def add_mfa_device(self, device: MfaDevice) -> None:
        await self._mfa_devices.add(device)

    async def mfa_device(self, user_arn: str) -> MfaDevice | None:
        return await self._mfa_devices.get(user_arn)

    async def delete_mfa_device(self, user_arn: str) -> None:
        await self._mfa_devices.delete(user_arn)

    async def try_mfa_code(self, user_arn: str, serial_number: str, code: str, now: datetime) -> bool:
        return await self._mfa_devices.try_code(user_arn, serial_number, code, now)

    async def _create(self, table: Table, owner: User | Role) -> None:
        await self._database.write(
            lambda connection: _create(connection, table, owner), after=lambda: self._policies.forget(owner.arn)
        )

    async def _delete(self, table: Table, account_id: str, name: str) -> None:
        def forget() -> None:
            self._credentials.forget()
            self._policies.forget_all()

        await self._database.write(lambda connection: _delete(connection, table, account_id, name), after=forget)

    async def _of_account(
        self, table: Table, kind: type[_Owner], account_id: str, name: str | None = None
    ) -> list[_Owner]:
        def work(connection: Connection) -> list[_Owner]:
            is_asked_for = table.c.account_id == account_id
            if name is not None:
                is_asked_for &= table.c.name == name
            rows = connection.execute(select(table).where(is_asked_for).order_by(table.c.name)).mappings().all()
            documents = _documents(connection, select(table.c.arn).where(is_asked_for))
            return [kind(**row, policies=documents.get(row["arn"], {})) for row in rows]

        return await self._database.read(work)


def _documents(connection: Connection, arns: Any) -> dict[str, dict[str, str]]:
    query = select(policies).where(policies.c.principal_arn.in_(arns)).order_by(policies.c.name)
    documents: dict[str, dict[str, str]] = {}
    for row in connection.execute(query):
        documents.setdefault(row.principal_arn, {})[row.name] = row.document
    return documents


def _create(connection: Connection, table: Table, owner: User | Role) -> None:
    values = {column.name: getattr(owner, column.name) for column in table.columns}
    if not add(connection, table, values):
        raise EntityAlreadyExists(f"{owner.name} exists in account {owner.account_id}")
    for name, document in owner.policies.items():
        put(connection, policies, {"principal_arn": owner.arn, "name": name, "document": document})


def _delete(connection: Connection, table: Table, account_id: str, name: str) -> None:
    is_named = (table.c.account_id == account_id) & (table.c.name == name)
    arn = connection.execute(select(table.c.arn).where(is_named)).scalar()
    if arn is None:
        raise NoSuchEntity(f"no {name} in account {account_id}")
    connection.execute(delete(table).where(is_named))
    connection.execute(delete(policies).where(policies.c.principal_arn == arn))
    delete_keys_of(connection, arn)
    delete_device_of(connection, arn)


def _put_policy(connection: Connection, arn: str, name: str, document: str | None) -> None:
    is_known = exists().where(users.c.arn == arn) | exists().where(roles.c.arn == arn)
    if not connection.execute(select(is_known)).scalar():
        raise NoSuchEntity(f"no user or role {arn}")
    if document is not None:
        put(connection, policies, {"principal_arn": arn, "name": name, "document": document})
        return
    statement = delete(policies).where(policies.c.principal_arn == arn, policies.c.name == name)
    if connection.execute(statement).rowcount == 0:
        raise NoSuchEntity(f"{arn} has no policy {name}")
