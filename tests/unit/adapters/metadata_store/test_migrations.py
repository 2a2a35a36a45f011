"""The migrations make the schema of ``tables``, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from opentrail.adapters.metadata_store import SqlDeliveryLog, SqlIdentityStore, migrations, open_database
from opentrail.adapters.metadata_store.tables import metadata
from opentrail.identity import SessionContext
from tests.support.metadata import DATABASES, SEALER, database_url

SCRIPTS = ScriptDirectory(str(Path(migrations.__file__).parent))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_url(request, request.param) as url:
        yield url


def shape(connection: Connection) -> dict[str, object]:
    """Everything that the database can tell about its tables."""
    inspector = inspect(connection)
    names = sorted(set(inspector.get_table_names()) - {"alembic_version"})
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), getattr(column["type"], "collation", None), column["nullable"])
                for column in inspector.get_columns(name)
            },
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": sorted(map(str, inspector.get_foreign_keys(name))),
            "unique": sorted(map(str, inspector.get_unique_constraints(name))),
            "checks": sorted(map(str, inspector.get_check_constraints(name))),
            "indexes": sorted(_index(index) for index in inspector.get_indexes(name)),
        }
        for name in names
    }


def _index(index: ReflectedIndex) -> str:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {index['unique']} {options}"


async def test_an_empty_database_is_brought_to_the_schema_of_this_release(url: str) -> None:
    database = await open_database(url)

    differences = await database.read(
        lambda connection: compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True}),
            metadata,
        )
    )
    revision = await database.read(lambda connection: MigrationContext.configure(connection).get_current_revision())

    assert differences == []
    assert revision == SCRIPTS.get_current_head()
    await database.close()


async def test_migrating_and_creating_make_the_same_tables(url: str) -> None:
    database = await open_database(url)
    migrated = await database.read(shape)

    def create_afresh(connection: Connection) -> dict[str, object]:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        return shape(connection)

    created = await database.write(create_afresh)

    assert len(migrated) == len(metadata.tables)
    assert migrated == created
    await database.close()


async def test_opening_again_changes_nothing(url: str) -> None:
    first = await open_database(url)
    before = await first.read(shape)
    await first.close()

    second = await open_database(url)

    assert await second.read(shape) == before
    await second.close()


async def test_what_the_first_release_kept_is_there_after_the_upgrade(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO learned_identities VALUES ('AKIAUP', '', :principal, NULL, '2026-01-02T03:04:05.000000Z')"
            ),
            {
                "principal": '{"type":"AssumedRole","principal_id":"AROA:s","arn":"arn:s","account_id":"1",'
                '"session":{"created_at":"2026-01-02T03:04:05Z","is_mfa_authenticated":false,"issuer_type":"Role"}}'
            },
        )
    engine.dispose()

    database = await open_database(url)

    learned = await SqlIdentityStore(database, SEALER).learned("AKIAUP", "")
    assert learned is not None
    assert learned.session == SessionContext(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), issuer_type="Role")
    await database.close()


async def test_digests_of_before_organization_trails_are_those_of_their_trail_s_account(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    arn, other = (f"arn:aws:cloudtrail:us-east-1:{account}:trail/main" for account in ("111111111111", "222222222222"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for trail, end in ((arn, "13"), (arn, "14"), (other, "13")):
            connection.execute(
                text(
                    "INSERT INTO digest_plans VALUES (:trail, 'us-east-1', :end, :end, 'logs', 'k', :body, 's', 'f', "
                    "'', false, NULL)"
                ),
                {"trail": trail, "end": f"2026-01-02T{end}:00:00.000000Z", "body": b"{}"},
            )
    engine.dispose()

    database = await open_database(url)
    log = SqlDeliveryLog(database)

    assert [plan.account_id for plan in await log.open_digests(arn)] == ["111111111111"] * 2
    [newest] = await log.last_digests(arn)
    assert (newest.end_time.hour, newest.body, newest.key) == (14, b"{}", "k")
    assert [plan.place.account_id for plan in await log.last_digests(other)] == ["222222222222"]
    await database.close()


def test_versions_are_one_numbered_line_that_only_goes_forward() -> None:
    revisions = list(reversed(list(SCRIPTS.walk_revisions())))

    assert [revision.revision for revision in revisions] == [f"{number:04d}" for number in range(1, len(revisions) + 1)]
    assert [Path(revision.path).name[:4] for revision in revisions] == [revision.revision for revision in revisions]
    assert not any(hasattr(revision.module, "downgrade") for revision in revisions)
