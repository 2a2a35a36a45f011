"""Everything that the metadata database keeps sealed, sealed anew under the master key's successor."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, RowMapping, Table, select, tuple_, update

from opentrail.adapters.metadata_store import key_store, mfa_devices
from opentrail.adapters.metadata_store.database import Database
from opentrail.adapters.metadata_store.tables import credentials, event_connections, key_versions
from opentrail.adapters.metadata_store.tables import mfa_devices as mfa_table
from opentrail.errors import OperatorError
from opentrail.sealing import SealBroken, Sealer

ROWS_PER_TRANSACTION = 200


class SealedColumn(NamedTuple):
    """A column of sealed secrets, and what each row's is bound to."""

    table: Table
    column: Column[bytes]
    context: Callable[[RowMapping], str]


SEALED: tuple[SealedColumn, ...] = (
    SealedColumn(credentials, credentials.c.sealed_secrets, lambda row: str(row["access_key_id"])),
    SealedColumn(mfa_table, mfa_table.c.sealed_secret, lambda row: mfa_devices.seal_context(row["user_arn"])),
    SealedColumn(
        key_versions, key_versions.c.sealed_material, lambda row: key_store.seal_context(row["key_id"], row["version"])
    ),
    SealedColumn(event_connections, event_connections.c.sealed_secrets, lambda row: str(row["arn"])),
)


class SecretDamaged(OperatorError):
    """A sealed secret opens with neither master key; the message names it."""


async def reseal(database: Database, sealer: Sealer) -> int:
    """Seal every secret under the sealer's present key; return how many there are.

    A few at a time, each few in one transaction, so that it can be broken off anywhere and begun again. Nobody else may
    write to the database meanwhile. Raises SecretDamaged (those before it are done), Unavailable.
    """
    count = 0
    for sealed in SEALED:
        after: tuple[Any, ...] | None = None
        while rows := await database.write(_step(sealed, sealer, after)):
            count += len(rows)
            after = rows[-1]
    return count


def _step(
    sealed: SealedColumn, sealer: Sealer, after: tuple[Any, ...] | None
) -> Callable[[Connection], list[tuple[Any, ...]]]:
    """Return the work on the rows that follow the key ``after``; it returns their keys."""
    key = list(sealed.table.primary_key)
    query = select(*key, sealed.column).order_by(*key).limit(ROWS_PER_TRANSACTION)
    if after is not None:
        query = query.where(tuple_(*key) > after)

    def work(connection: Connection) -> list[tuple[Any, ...]]:
        rows = connection.execute(query).mappings().all()
        for row in rows:
            is_row = [column == row[column.name] for column in key]
            anew = sealer.seal(_unsealed(sealed, sealer, row), sealed.context(row))
            connection.execute(update(sealed.table).where(*is_row).values({sealed.column.name: anew}))
        return [tuple(row[column.name] for column in key) for row in rows]

    return work


def _unsealed(sealed: SealedColumn, sealer: Sealer, row: RowMapping) -> bytes:
    try:
        return sealer.unseal(row[sealed.column.name], sealed.context(row))
    except SealBroken as error:
        raise SecretDamaged(f"{error}; delete it, or restore the database and master.key of one backup") from error
