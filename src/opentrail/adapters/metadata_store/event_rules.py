"""Event buses and their rules on the metadata database (port: event_rules)."""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, delete, func, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import event_archives, event_buses, event_rules, tags
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_archive import EventArchive, is_event_archive_arn
from opentrail.resource.event_bus import EventBus, is_event_bus_arn
from opentrail.resource.event_rule import EventRule, is_event_rule_arn


class SqlEventRules:
    """Implements EventRules; what it shows is applied by a SqlTrailStore over the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def event_bus(self, arn: str) -> EventBus | None:
        found = await self._snapshots(select(event_buses.c.settings).where(event_buses.c.arn == arn))
        return EventBus.from_json(found[0]) if found else None

    async def event_buses(self, account_id: str, region: str) -> Sequence[EventBus]:
        columns = event_buses.c
        query = select(columns.settings).where(columns.account_id == account_id, columns.region == region)
        return [EventBus.from_json(each) for each in await self._snapshots(query.order_by(columns.name))]

    async def rule(self, arn: str) -> EventRule | None:
        found = await self._snapshots(select(event_rules.c.settings).where(event_rules.c.arn == arn))
        return EventRule.from_json(found[0]) if found else None

    async def rules(self, bus_arn: str) -> Sequence[EventRule]:
        query = select(event_rules.c.settings).where(event_rules.c.bus_arn == bus_arn).order_by(event_rules.c.name)
        return [EventRule.from_json(each) for each in await self._snapshots(query)]

    async def all_rules(self) -> Sequence[EventRule]:
        query = select(event_rules.c.settings).order_by(event_rules.c.arn)
        return [EventRule.from_json(each) for each in await self._snapshots(query)]

    async def count_rules(self, bus_arn: str) -> int:
        query = select(func.count()).select_from(event_rules).where(event_rules.c.bus_arn == bus_arn)
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())

    async def event_archive(self, arn: str) -> EventArchive | None:
        found = await self._snapshots(select(event_archives.c.settings).where(event_archives.c.arn == arn))
        return EventArchive.from_json(found[0]) if found else None

    async def event_archives(self, account_id: str, region: str) -> Sequence[EventArchive]:
        columns = event_archives.c
        query = select(columns.settings).where(columns.account_id == account_id, columns.region == region)
        return [EventArchive.from_json(each) for each in await self._snapshots(query.order_by(columns.arn))]

    async def all_event_archives(self) -> Sequence[EventArchive]:
        query = select(event_archives.c.settings).order_by(event_archives.c.arn)
        return [EventArchive.from_json(each) for each in await self._snapshots(query)]

    async def _snapshots(self, query: Select[bytes]) -> Sequence[bytes]:
        return await self._database.read(lambda connection: connection.execute(query).scalars().all())


def apply_rule_settings(connection: Connection, entry: SettingsEntry) -> bool:
    """Make the settings of an event bus, a rule or an archive visible; False when ``entry`` is about none."""
    if is_event_bus_arn(entry.scope):
        table = event_buses
    elif is_event_rule_arn(entry.scope):
        table = event_rules
    elif is_event_archive_arn(entry.scope):
        table = event_archives
    else:
        return False
    if entry.settings is None:
        connection.execute(delete(table).where(table.c.arn == entry.scope))
        connection.execute(delete(tags).where(tags.c.resource_arn == entry.scope))
    elif table is event_buses:
        bus = EventBus.from_json(entry.settings)
        place = {"account_id": bus.account_id, "region": bus.region, "name": bus.name}
        put(connection, table, {"arn": bus.arn, **place, "settings": entry.settings})
    elif table is event_archives:
        archive = EventArchive.from_json(entry.settings)
        place = {"arn": archive.arn, "account_id": archive.account_id, "region": archive.region}
        put(connection, table, {**place, "settings": entry.settings})
    else:
        rule = EventRule.from_json(entry.settings)
        put(
            connection,
            table,
            {"arn": rule.arn, "bus_arn": rule.bus_arn, "name": rule.name, "settings": entry.settings},
        )
    return True
