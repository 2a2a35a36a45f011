"""Who signs with an upstream's keys, as its own answers told (part of the port identity_store)."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select, tuple_, update

from opentrail.adapters.metadata_store.credentials import CACHE_SECONDS, is_key_id
from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.principals import format_principal, parse_principal
from opentrail.adapters.metadata_store.recently_used import RecentlyUsed
from opentrail.adapters.metadata_store.tables import credentials, learned_identities
from opentrail.clock import Clock
from opentrail.identity import Principal

MAX_LEARNED = 10_000
"""Identities remembered; a new one takes the place of an expired one, else of the one not used for longest."""

USE_IS_NOTED_EVERY = timedelta(hours=1)
"""How exact "not used for longest" is: using an identity is written down at most this often."""

_Key = tuple[str, str]
_Known = tuple[Principal, datetime | None]


class LearnedIdentities:
    """Identities by key id and session-token hash; one that expired is not told any more."""

    def __init__(self, database: Database, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._cache: RecentlyUsed[_Key, _Known | None] = RecentlyUsed(MAX_LEARNED, CACHE_SECONDS, monotonic)

    async def learn(self, key: _Key, principal: Principal, expires_at: datetime | None) -> None:
        """Remember or replace one identity, unless its key is ours."""
        if not all(map(_is_storable, key)):
            return
        now = self._clock.now()
        values = {
            "access_key_id": key[0],
            "token_hash": key[1],
            "principal": format_principal(principal),
            "expires_at": expires_at,
            "used_at": now,
        }

        def work(connection: Connection) -> None:
            if connection.execute(select(credentials.c.is_active).where(credentials.c.access_key_id == key[0])).first():
                return
            put(connection, learned_identities, values)
            _make_room(connection, now)

        await self._database.write(work, after=lambda: self._cache.forget(key))

    async def get(self, key: _Key) -> Principal | None:
        """Return who signs with a key, from memory when it was asked for lately."""
        found = self._cache.get(key)
        known = found[0] if found else await self._load(key)
        if known is None or (known[1] is not None and known[1] <= self._clock.now()):
            return None
        return known[0]

    def forget(self, access_key_id: str | None = None) -> None:
        """Drop what is known of a key id, with any token, or of all, from memory (not from the database)."""
        self._cache.forget_all(lambda key: access_key_id is None or key[0] == access_key_id)

    async def _load(self, key: _Key) -> _Known | None:
        if not all(map(_is_storable, key)):
            return None
        changes = self._cache.changes
        table = learned_identities.c
        query = select(table.principal, table.expires_at, table.used_at).where(
            table.access_key_id == key[0], table.token_hash == key[1]
        )
        row = await self._database.read(lambda connection: connection.execute(query).first())
        known = None if row is None else (parse_principal(row.principal), row.expires_at)
        self._cache.put(key, known, changes)
        if row is not None and row.used_at <= self._clock.now() - USE_IS_NOTED_EVERY:
            await self._note_use(key)
        return known

    async def _note_use(self, key: _Key) -> None:
        table = learned_identities.c
        statement = (
            update(learned_identities)
            .where(table.access_key_id == key[0], table.token_hash == key[1])
            .values(used_at=self._clock.now())
        )
        await self._database.write(lambda connection: connection.execute(statement).rowcount)


def _is_storable(text: str) -> bool:
    return text == "" or is_key_id(text)


def _make_room(connection: Connection, now: datetime) -> None:
    table = learned_identities.c
    count = select(func.count()).select_from(learned_identities)
    surplus = connection.execute(count).scalar_one() - MAX_LEARNED
    if surplus <= 0:
        return
    surplus -= connection.execute(delete(learned_identities).where(table.expires_at <= now)).rowcount
    if surplus > 0:
        oldest = select(table.access_key_id, table.token_hash).order_by(table.used_at).limit(surplus)
        connection.execute(delete(learned_identities).where(tuple_(table.access_key_id, table.token_hash).in_(oldest)))
