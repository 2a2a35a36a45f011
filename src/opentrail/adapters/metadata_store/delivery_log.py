"""What was planned, put and confirmed for each trail, on the metadata database (port: delivery_log).

Trail snapshots, which change rarely, are kept once each under their SHA-256; plans and readers refer to them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, literal, select, update

from opentrail.adapters.metadata_store.columns import Moment
from opentrail.adapters.metadata_store.database import Database, add, insert, put
from opentrail.adapters.metadata_store.tables import (
    digest_plans,
    log_file_plans,
    pending_notices,
    readers,
    trail_snapshots,
    trail_status,
    trails,
)
from opentrail.ports.delivery_log import DigestPlan, DigestSpan, LogFilePlan, ReaderState
from opentrail.ports.journal import Position
from opentrail.ports.notices import Notice
from opentrail.resource.account_region import AccountRegion

_PLAN_COLUMNS = [log_file_plans.c[field.name] for field in fields(LogFilePlan) if field.name != "trail"]


class SqlDeliveryLog:
    """Implements DeliveryLog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def readers(self) -> Sequence[ReaderState]:
        query = (
            select(readers, trail_snapshots.c.settings)
            .outerjoin(trail_snapshots, readers.c.trail_sha256 == trail_snapshots.c.sha256)
            .order_by(readers.c.trail_arn)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            ReaderState(row.trail_arn, Position(row.cursor), row.settings, tuple(orjson.loads(row.regions)))
            for row in rows
        ]

    async def plan(self, state: ReaderState, plans: Sequence[LogFilePlan]) -> None:
        await self._database.write(lambda connection: _plan(connection, state, plans))

    async def finish(self, trail_arn: str) -> None:
        is_there = exists().where(trails.c.arn == trail_arn)
        statement = delete(readers).where(readers.c.trail_arn == trail_arn, ~is_there)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def open_plans(self, trail_arn: str) -> Sequence[LogFilePlan]:
        return await self._plans(
            [log_file_plans.c.trail_arn == trail_arn, log_file_plans.c.delivered_at.is_(None)],
            [log_file_plans.c.first_position, log_file_plans.c.key],
        )

    async def confirm(self, trail_arn: str, key: str, delivered_at: datetime, notices: Sequence[Notice] = ()) -> None:
        is_plan = (log_file_plans.c.trail_arn == trail_arn) & (log_file_plans.c.key == key)
        if not await self._database.write(lambda connection: _confirm(connection, is_plan, delivered_at, notices)):
            raise KeyError(key)

    async def delivered(
        self, trail_arn: str, place: AccountRegion, after: datetime, through: datetime
    ) -> Sequence[LogFilePlan]:
        return await self._plans(
            [
                log_file_plans.c.trail_arn == trail_arn,
                log_file_plans.c.account_id == place.account_id,
                log_file_plans.c.region == place.region,
                log_file_plans.c.delivered_at > after,
                log_file_plans.c.delivered_at <= through,
            ],
            [log_file_plans.c.delivered_at, log_file_plans.c.key],
        )

    async def last_digests(self, trail_arn: str) -> Sequence[DigestPlan]:
        chain = (digest_plans.c.account_id, digest_plans.c.region)
        newest = (
            select(*chain, func.max(digest_plans.c.end_time).label("end_time"))
            .where(digest_plans.c.trail_arn == trail_arn)
            .group_by(*chain)
            .subquery()
        )
        is_newest = and_(*(digest_plans.c[column.name] == column for column in newest.c))
        query = select(digest_plans).join(newest, is_newest).where(digest_plans.c.trail_arn == trail_arn)
        rows = await self._database.read(lambda connection: connection.execute(query.order_by(*chain)).mappings().all())
        return [DigestPlan(**row) for row in rows]

    async def delivered_digests(
        self, trail_arn: str, place: AccountRegion, start: datetime, end: datetime, limit: int
    ) -> Sequence[DigestSpan]:
        plans = digest_plans.c
        query = (
            select(plans.bucket, plans.key, plans.start_time, plans.end_time)
            .where(plans.trail_arn == trail_arn, plans.account_id == place.account_id, plans.region == place.region)
            .where(plans.end_time >= start, plans.end_time <= end)
            .where(plans.delivered_at.is_not(None), plans.key != "")
            .order_by(plans.end_time.desc())
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [DigestSpan(**row) for row in rows]

    async def plan_digest(self, plan: DigestPlan) -> None:
        await self._database.write(lambda connection: add(connection, digest_plans, asdict(plan)))

    async def open_digests(self, trail_arn: str) -> Sequence[DigestPlan]:
        query = (
            select(digest_plans)
            .where(digest_plans.c.trail_arn == trail_arn, digest_plans.c.delivered_at.is_(None))
            .order_by(digest_plans.c.end_time, digest_plans.c.account_id, digest_plans.c.region)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [DigestPlan(**row) for row in rows]

    async def confirm_digest(
        self, trail_arn: str, place: AccountRegion, end_time: datetime, delivered_at: datetime
    ) -> None:
        is_plan = (
            (digest_plans.c.trail_arn == trail_arn)
            & (digest_plans.c.account_id == place.account_id)
            & (digest_plans.c.region == place.region)
            & (digest_plans.c.end_time == end_time)
        )
        statement = update(digest_plans).where(is_plan).values(delivered_at=_first_time(digest_plans, delivered_at))
        if await self._database.write(lambda connection: connection.execute(statement).rowcount) == 0:
            raise KeyError(end_time)

    async def set_status(self, trail_arn: str, region: str, values: Mapping[str, str]) -> None:
        if values:
            await self._database.write(lambda connection: _set_status(connection, trail_arn, region, values))

    async def status(self, trail_arn: str, region: str) -> Mapping[str, str]:
        query = (
            select(trail_status.c.name, trail_status.c.value)
            .where(trail_status.c.trail_arn == trail_arn, trail_status.c.region == region)
            .order_by(trail_status.c.name)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.name: row.value for row in rows}

    async def _plans(self, conditions: list[ColumnElement[bool]], order: list[Any]) -> Sequence[LogFilePlan]:
        query = (
            select(*_PLAN_COLUMNS, trail_snapshots.c.settings.label("trail"))
            .join(trail_snapshots, log_file_plans.c.trail_sha256 == trail_snapshots.c.sha256)
            .where(*conditions)
            .order_by(*order)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [LogFilePlan(**row) for row in rows]


def start_reader(connection: Connection, state: ReaderState) -> None:
    """Give a new trail its reader, unless an earlier trail of that ARN still has one, and an empty status."""
    add(connection, readers, _reader_values(connection, state))
    connection.execute(delete(trail_status).where(trail_status.c.trail_arn == state.trail_arn))


def _plan(connection: Connection, state: ReaderState, plans: Sequence[LogFilePlan]) -> None:
    put(connection, readers, _reader_values(connection, state))
    if plans:
        snapshots = {plan.trail: _keep_snapshot(connection, plan.trail) for plan in plans}
        rows = [_plan_values(plan, snapshots[plan.trail]) for plan in plans]
        connection.execute(insert(connection, log_file_plans).on_conflict_do_nothing(), rows)


def _confirm(
    connection: Connection, is_plan: ColumnElement[bool], delivered_at: datetime, notices: Sequence[Notice]
) -> bool:
    """Confirm a plan once, its notices with it; say whether the plan is there."""
    is_open = log_file_plans.c.delivered_at.is_(None)
    statement = update(log_file_plans).where(is_plan, is_open).values(delivered_at=delivered_at)
    if connection.execute(statement).rowcount == 0:
        return connection.execute(select(log_file_plans.c.key).where(is_plan)).first() is not None
    for notice in notices:
        add(connection, pending_notices, asdict(notice))
    return True


def _reader_values(connection: Connection, state: ReaderState) -> dict[str, Any]:
    return {
        "trail_arn": state.trail_arn,
        "cursor": state.cursor,
        "trail_sha256": None if state.trail is None else _keep_snapshot(connection, state.trail),
        "regions": orjson.dumps(state.regions).decode(),
    }


def _keep_snapshot(connection: Connection, settings: bytes) -> str:
    sha256 = hashlib.sha256(settings).hexdigest()
    add(connection, trail_snapshots, {"sha256": sha256, "settings": settings})
    return sha256


def _plan_values(plan: LogFilePlan, trail_sha256: str) -> dict[str, Any]:
    values = {column.name: getattr(plan, column.name) for column in _PLAN_COLUMNS}
    return values | {"trail_sha256": trail_sha256}


def _first_time(table: Table, delivered_at: datetime) -> ColumnElement[datetime]:
    return func.coalesce(table.c.delivered_at, literal(delivered_at, Moment()))


def _set_status(connection: Connection, trail_arn: str, region: str, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        put(connection, trail_status, {"trail_arn": trail_arn, "region": region, "name": name, "value": value})
