"""Users and roles of upstreams, as their answers described them (part of the port identity_store)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, select, tuple_

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import upstream_owners
from opentrail.clock import Clock
from opentrail.identity import UpstreamOwner

MAX_OWNERS = 10_000
"""Users and roles remembered; new ones take the place of those seen longest ago."""

MAX_NOTED_AT_ONCE = 1_000
"""Owners taken from one answer: as many as IAM puts on a page."""

MAX_FIELD_LENGTH = 2048
"""Longest text of a description that is kept (IAM's own bound of an ARN); an upstream may answer anything."""

SEEN_IS_NOTED_EVERY = timedelta(hours=1)
"""How exact "seen longest ago" is: what is seen again unchanged is written down at most this often."""

_COLUMNS = upstream_owners.c
_FIELDS = ("kind", "account_id", "name", "unique_id", "arn")
_KEY = (_COLUMNS.kind, _COLUMNS.account_id, _COLUMNS.name)


class UpstreamOwners:
    """Owners by kind, account and name. Nothing is cached: they are asked for only when keys and roles are learned."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def note(self, owners: Sequence[UpstreamOwner]) -> None:
        """Remember owners, the newest description of each; writes only what is news."""
        storable = {_key(owner): owner for owner in owners[:MAX_NOTED_AT_ONCE] if _is_storable(owner)}
        if not storable:
            return
        now = self._clock.now()
        known = await self._database.read(lambda connection: _known(connection, list(storable)))
        news = [owner for key, owner in storable.items() if _is_news(owner, known.get(key), now)]
        if news:
            await self._database.write(lambda connection: _note(connection, news, now))

    async def get(self, kind: str, account_id: str, name: str) -> UpstreamOwner | None:
        """Return an owner; with an empty account id that of the only account that any owner is of."""
        if not all(map(_is_text, (kind, account_id, name))):
            return None

        def work(connection: Connection) -> UpstreamOwner | None:
            account = account_id or _only_account(connection)
            is_meant = (_COLUMNS.kind == kind) & (_COLUMNS.account_id == account) & (_COLUMNS.name == name)
            row = connection.execute(select(upstream_owners).where(is_meant)).mappings().first()
            return None if row is None else _owner(row)

        return await self._database.read(work)


def _key(owner: UpstreamOwner) -> tuple[str, str, str]:
    return owner.kind, owner.account_id, owner.name


def _is_text(text: str) -> bool:
    return len(text) <= MAX_FIELD_LENGTH and text.isprintable()


def _is_storable(owner: UpstreamOwner) -> bool:
    return all(_is_text(getattr(owner, name)) for name in _FIELDS)


def _known(connection: Connection, keys: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], RowMapping]:
    rows = connection.execute(select(upstream_owners).where(tuple_(*_KEY).in_(keys))).mappings()
    return {(row["kind"], row["account_id"], row["name"]): row for row in rows}


def _is_news(owner: UpstreamOwner, row: RowMapping | None, now: datetime) -> bool:
    return row is None or _owner(row) != owner or row["seen_at"] <= now - SEEN_IS_NOTED_EVERY


def _note(connection: Connection, owners: Sequence[UpstreamOwner], now: datetime) -> None:
    for owner in owners:
        values: dict[str, Any] = {name: getattr(owner, name) for name in _FIELDS}
        put(connection, upstream_owners, {**values, "seen_at": now})
    surplus = connection.execute(select(func.count()).select_from(upstream_owners)).scalar_one() - MAX_OWNERS
    if surplus > 0:
        oldest = select(*_KEY).order_by(_COLUMNS.seen_at).limit(surplus)
        connection.execute(delete(upstream_owners).where(tuple_(*_KEY).in_(oldest)))


def _only_account(connection: Connection) -> str:
    accounts = connection.execute(select(_COLUMNS.account_id).distinct().limit(2)).scalars().all()
    return accounts[0] if len(accounts) == 1 else ""


def _owner(row: RowMapping) -> UpstreamOwner:
    return UpstreamOwner(**{name: row[name] for name in _FIELDS})
