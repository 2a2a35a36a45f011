"""Access keys on the metadata database: rows with sealed secrets, and the memory of those asked for last."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, delete, select, update

from opentrail.adapters.metadata_store.database import Database, add
from opentrail.adapters.metadata_store.principals import format_principal, owner_arn, parse_principal
from opentrail.adapters.metadata_store.recently_used import RecentlyUsed
from opentrail.adapters.metadata_store.tables import credentials, learned_identities
from opentrail.clock import Clock
from opentrail.identity import Credential
from opentrail.ports import Unavailable
from opentrail.ports.identity_store import EntityAlreadyExists, NoSuchEntity
from opentrail.sealing import SealBroken, Sealer

CACHED_KEYS = 10_000
"""Keys of ours kept in memory, secrets in the clear; and, apart from them, key ids known not to be ours."""

CACHE_SECONDS = 10
"""After how long a change that another process made to a shared database is seen at the latest."""

EXPIRED_KEPT = timedelta(days=1)
"""How long a session's key is kept past its expiry, to tell its user that it expired; then new sessions push it out."""

MAX_KEY_ID_LENGTH = 128
"""As IAM's service model bounds an access key id."""


class Credentials:
    """Keys by their id. Secret and session token of a key are sealed together, bound to its id."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._known: RecentlyUsed[str, Credential] = RecentlyUsed(CACHED_KEYS, CACHE_SECONDS, monotonic)
        self._unknown: RecentlyUsed[str, None] = RecentlyUsed(CACHED_KEYS, CACHE_SECONDS, monotonic)

    async def get(self, access_key_id: str) -> Credential | None:
        """Return a key of ours, from memory when it was asked for lately."""
        if cached := self._known.get(access_key_id):
            return cached[0]
        if self._unknown.get(access_key_id) or not is_key_id(access_key_id):
            return None
        changes = self._known.changes
        query = select(credentials).where(credentials.c.access_key_id == access_key_id)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().first())
        if row is None:
            self._unknown.put(access_key_id, None, changes)
            return None
        credential = self._credential(row)
        self._known.put(access_key_id, credential, changes)
        return credential

    async def add(self, credential: Credential, *, after: Callable[[], None]) -> None:
        """Keep a key, delete what was learned of its id, and drop sessions that expired over EXPIRED_KEPT ago."""
        key_id = credential.access_key_id
        if not is_key_id(key_id):
            raise ValueError(f"an access key id has 1 to {MAX_KEY_ID_LENGTH} printable ASCII characters")
        values = self._row(credential)
        expired = self._clock.now() - EXPIRED_KEPT

        def work(connection: Connection) -> None:
            connection.execute(delete(credentials).where(credentials.c.expires_at < expired))
            if not add(connection, credentials, values):
                raise EntityAlreadyExists(f"access key {key_id} exists")
            connection.execute(delete(learned_identities).where(learned_identities.c.access_key_id == key_id))

        def forget() -> None:
            self.forget(key_id)
            after()

        await self._database.write(work, after=forget)

    async def set_active(self, access_key_id: str, is_active: bool) -> None:
        statement = update(credentials).where(credentials.c.access_key_id == access_key_id).values(is_active=is_active)
        await self._change_one(access_key_id, lambda connection: connection.execute(statement).rowcount)

    async def delete(self, access_key_id: str) -> None:
        statement = delete(credentials).where(credentials.c.access_key_id == access_key_id)
        await self._change_one(access_key_id, lambda connection: connection.execute(statement).rowcount)

    async def of_account(self, account_id: str) -> list[Credential]:
        """Return an account's keys by key id."""
        query = select(credentials).where(credentials.c.account_id == account_id).order_by(credentials.c.access_key_id)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [self._credential(row) for row in rows]

    def forget(self, access_key_id: str | None = None) -> None:
        """Drop one key, or all, from memory (not from the database)."""
        for cache in (self._known, self._unknown):
            if access_key_id is None:
                cache.forget_all()
            else:
                cache.forget(access_key_id)

    async def _change_one(self, access_key_id: str, work: Callable[[Connection], int]) -> None:
        if not is_key_id(access_key_id) or not await self._database.write(
            work, after=lambda: self.forget(access_key_id)
        ):
            raise NoSuchEntity(f"no access key {access_key_id}")

    def _row(self, credential: Credential) -> dict[str, Any]:
        secrets = orjson.dumps([credential.secret_access_key, credential.session_token])
        return {
            "access_key_id": credential.access_key_id,
            "account_id": credential.principal.account_id,
            "owner_arn": owner_arn(credential.principal),
            "principal": format_principal(credential.principal),
            "sealed_secrets": self._sealer.seal(secrets, credential.access_key_id),
            "expires_at": credential.expires_at,
            "is_active": credential.is_active,
            "is_imported": credential.is_imported,
            "session_policy": credential.session_policy,
        }

    def _credential(self, row: RowMapping) -> Credential:
        key_id = row["access_key_id"]
        try:
            secret, token = orjson.loads(self._sealer.unseal(row["sealed_secrets"], key_id))
        except SealBroken as error:
            raise Unavailable(str(error)) from error
        return Credential(
            access_key_id=key_id,
            secret_access_key=secret,
            principal=parse_principal(row["principal"]),
            session_token=token,
            expires_at=row["expires_at"],
            is_active=row["is_active"],
            is_imported=row["is_imported"],
            session_policy=row["session_policy"],
        )


def is_key_id(text: str) -> bool:
    """Say whether ``text`` could be an access key id at all; what cannot is looked up nowhere."""
    return 0 < len(text) <= MAX_KEY_ID_LENGTH and text.isascii() and text.isprintable()


def delete_keys_of(connection: Connection, arn: str) -> None:
    """Delete the keys and sessions of the user or role ``arn``."""
    connection.execute(delete(credentials).where(credentials.c.owner_arn == arn))
