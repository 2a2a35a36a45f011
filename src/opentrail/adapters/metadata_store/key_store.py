"""The key ring's keys on the metadata database (port: key_store)."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, delete, exists, func, or_, select, update

from opentrail.adapters.metadata_store.database import Database, add
from opentrail.adapters.metadata_store.tables import key_aliases, key_versions, keys
from opentrail.clock import Clock, SystemClock
from opentrail.envelope import material_id
from opentrail.ports import Unavailable
from opentrail.ports.key_store import AliasExists, AliasNotFound, KeyMaterial, KeyNotFound
from opentrail.resource.key import Key, KeyAlias, KeyName, KeyRotation, KeyState, parse_key_name
from opentrail.sealing import SealBroken, Sealer

_SETTINGS = ("policy", "state", "description", "tags", "deletion_at", "rotation_period_days", "next_rotation_at")
"""Members of a key that ``change`` writes."""

_ALIAS_MEMBERS = tuple(field.name for field in fields(KeyAlias))


class SqlKeyStore:
    """Implements KeyStore. Material is sealed under the master key, bound to key id and version; nothing is cached."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock | None = None) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock or SystemClock()

    async def add(self, key: Key, material: bytes) -> None:
        row = {name: getattr(key, name) for name in ("key_id", "account_id", "region", "created_at")}
        row |= {name: _column_value(key, name) for name in _SETTINGS} | {"version": 1}
        first = self._version_row(key.key_id, 1, material, key.created_at, is_on_demand=False)

        def work(connection: Connection) -> None:
            connection.execute(keys.insert().values(row))
            connection.execute(key_versions.insert().values(first))

        await self._database.write(work)

    async def find(self, name: str, account_id: str = "", region: str = "") -> Key | None:
        wanted = parse_key_name(name, account_id, region)
        if wanted is None:
            return None
        return await self._first(_by_alias(wanted) if wanted.alias else _by_place(wanted))

    async def find_by_id(self, key_id: str) -> Key | None:
        return await self._first(keys.c.key_id == key_id)

    async def keys(self, account_id: str, region: str, after: str = "", limit: int = 1000) -> Sequence[Key]:
        of_account = and_(keys.c.account_id == account_id, keys.c.region == region, keys.c.key_id > after)
        query = self._living(of_account).order_by(keys.c.key_id).limit(limit)
        return await self._database.read(lambda connection: _keys(connection, query))

    async def count(self, account_id: str, region: str) -> int:
        of_account = and_(keys.c.account_id == account_id, keys.c.region == region)
        query = select(func.count()).select_from(self._living(of_account).subquery())
        return await self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def change(self, before: Key, after: Key) -> None:
        changed = {
            name: _column_value(after, name) for name in _SETTINGS if getattr(before, name) != getattr(after, name)
        }
        if not changed:
            return
        statement = update(keys).where(keys.c.key_id == before.key_id).values(**changed)
        if not await self._database.write(lambda connection: connection.execute(statement).rowcount):
            raise KeyNotFound(before.arn)

    async def rotate(
        self, key_id: str, material: bytes, at: datetime, *, is_on_demand: bool, next_at: datetime | None = None
    ) -> None:
        def work(connection: Connection) -> None:
            query = select(keys.c.version).where(keys.c.key_id == key_id)
            version = connection.execute(query).scalar()
            if version is None:
                raise KeyNotFound(key_id)
            row = self._version_row(key_id, version + 1, material, at, is_on_demand=is_on_demand)
            connection.execute(key_versions.insert().values(row))
            turned: dict[str, Any] = {"version": version + 1}
            turned |= {"next_rotation_at": next_at} if next_at else {}
            connection.execute(update(keys).where(keys.c.key_id == key_id).values(**turned))

        await self._database.write(work)

    async def rotations(self, key_id: str) -> Sequence[KeyRotation]:
        columns = key_versions.c
        query = select(columns.version, columns.material_id, columns.rotated_at, columns.is_on_demand)
        query = query.where(columns.key_id == key_id).order_by(columns.version)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [KeyRotation(*row) for row in rows]

    async def material(self, key_id: str, version: int) -> KeyMaterial | None:
        query = select(key_versions.c.sealed_material).where(
            key_versions.c.key_id == key_id, key_versions.c.version == version
        )
        sealed = await self._database.read(lambda connection: connection.execute(query).scalar())
        if sealed is None:
            return None
        try:
            secret = self._sealer.unseal(sealed, seal_context(key_id, version))
        except SealBroken as error:
            raise Unavailable(str(error)) from error
        return KeyMaterial(version, secret, material_id(secret))

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Key]:
        is_rotated = and_(keys.c.state == KeyState.ENABLED.value, keys.c.rotation_period_days > 0)
        rotating = and_(is_rotated, keys.c.next_rotation_at <= now)
        query = select(keys).where(or_(keys.c.deletion_at <= now, rotating)).order_by(keys.c.key_id).limit(limit)
        return await self._database.read(lambda connection: _keys(connection, query))

    async def destroy(self, key_id: str, now: datetime) -> bool:
        def work(connection: Connection) -> bool:
            is_due = exists().where(keys.c.key_id == key_id, keys.c.deletion_at <= now)
            if not connection.execute(select(is_due)).scalar():
                return False
            for table in (key_aliases, key_versions, keys):
                connection.execute(delete(table).where(table.c.key_id == key_id))
            return True

        return await self._database.write(work)

    async def add_alias(self, alias: KeyAlias) -> None:
        values = {name: getattr(alias, name) for name in _ALIAS_MEMBERS}

        def work(connection: Connection) -> None:
            _check_target(connection, alias)
            if not add(connection, key_aliases, values):
                raise AliasExists(alias.arn)

        await self._database.write(work)

    async def alias(self, account_id: str, region: str, name: str) -> KeyAlias | None:
        query = select(key_aliases).where(_is_alias(account_id, region, name))
        row = await self._database.read(lambda connection: connection.execute(query).mappings().first())
        return None if row is None else KeyAlias(**row)

    async def aliases(
        self, account_id: str, region: str, key_id: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[KeyAlias]:
        columns = key_aliases.c
        query = select(key_aliases).where(
            columns.account_id == account_id, columns.region == region, columns.name > after
        )
        query = query.where(columns.key_id == key_id) if key_id else query
        query = query.order_by(columns.name).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [KeyAlias(**row) for row in rows]

    async def point_alias(self, alias: KeyAlias) -> None:
        statement = update(key_aliases).where(_is_alias(alias.account_id, alias.region, alias.name))
        statement = statement.values(key_id=alias.key_id, updated_at=alias.updated_at)

        def work(connection: Connection) -> None:
            _check_target(connection, alias)
            if not connection.execute(statement).rowcount:
                raise AliasNotFound(alias.arn)

        await self._database.write(work)

    async def delete_alias(self, account_id: str, region: str, name: str) -> None:
        statement = delete(key_aliases).where(_is_alias(account_id, region, name))
        if not await self._database.write(lambda connection: connection.execute(statement).rowcount):
            raise AliasNotFound(name)

    async def _first(self, condition: ColumnElement[bool]) -> Key | None:
        query = self._living(condition)
        found = await self._database.read(lambda connection: _keys(connection, query))
        return found[0] if found else None

    def _living(self, condition: ColumnElement[bool]) -> Select[Any]:
        """Return the keys that meet a condition and whose time of deletion has not come."""
        return select(keys).where(condition, or_(keys.c.deletion_at.is_(None), keys.c.deletion_at > self._clock.now()))

    def _version_row(
        self, key_id: str, version: int, material: bytes, at: datetime, *, is_on_demand: bool
    ) -> dict[str, Any]:
        return {
            "key_id": key_id,
            "version": version,
            "sealed_material": self._sealer.seal(material, seal_context(key_id, version)),
            "material_id": material_id(material),
            "rotated_at": at,
            "is_on_demand": is_on_demand,
        }


def seal_context(key_id: str, version: int) -> str:
    """Return what a version's material is bound to."""
    return f"key {key_id} {version}"


def _column_value(key: Key, name: str) -> Any:
    value = getattr(key, name)
    return orjson.dumps(dict(value)).decode() if name == "tags" else value.value if name == "state" else value


def _by_place(name: KeyName) -> ColumnElement[bool]:
    return and_(keys.c.key_id == name.key_id, keys.c.account_id == name.account_id, keys.c.region == name.region)


def _by_alias(name: KeyName) -> ColumnElement[bool]:
    target = select(key_aliases.c.key_id).where(_is_alias(name.account_id, name.region, name.alias))
    return keys.c.key_id == target.scalar_subquery()


def _is_alias(account_id: str, region: str, name: str) -> ColumnElement[bool]:
    columns = key_aliases.c
    return and_(columns.account_id == account_id, columns.region == region, columns.name == name)


def _check_target(connection: Connection, alias: KeyAlias) -> None:
    place = KeyName(alias.account_id, alias.region, key_id=alias.key_id)
    if not connection.execute(select(exists().where(_by_place(place)))).scalar():
        raise KeyNotFound(place.arn)


def _keys(connection: Connection, query: Select[Any]) -> list[Key]:
    """Return the keys of a query over ``keys``, each with its aliases and the id of its present material."""
    found = [_key(row) for row in connection.execute(query).mappings().all()]
    if not found:
        return []
    ids = [key.key_id for key in found]
    columns = key_versions.c
    materials = select(columns.key_id, columns.version, columns.material_id).where(columns.key_id.in_(ids))
    material_ids = {(row.key_id, row.version): row.material_id for row in connection.execute(materials)}
    names: dict[str, list[str]] = {}
    named = select(key_aliases.c.key_id, key_aliases.c.name).where(key_aliases.c.key_id.in_(ids))
    for row in connection.execute(named.order_by(key_aliases.c.name)):
        names.setdefault(row.key_id, []).append(row.name)
    return [
        replace(key, material_id=material_ids[key.key_id, key.version], aliases=tuple(names.get(key.key_id, ())))
        for key in found
    ]


def _key(row: RowMapping) -> Key:
    values = dict(row) | {"state": KeyState(row["state"]), "tags": orjson.loads(row["tags"])}
    return Key(**values)
