"""Which digest was told to which witness, on the metadata database (port: witness, AttestationLog)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, func, select, update

from opentrail.adapters.metadata_store.database import Database, add
from opentrail.adapters.metadata_store.tables import digest_plans, witness_receipts
from opentrail.digest.document import sha256_hex
from opentrail.digest.statement import Statement, parse_statement
from opentrail.ports.witness import AttestationState, Receipt

_NO_KEY = ""  # of a row that only marks where a chain starts


class SqlAttestationLog:
    """Implements AttestationLog beside the delivery log, whose digests it reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, witness: str, since: datetime, limit: int) -> Sequence[Statement]:
        query = (
            select(digest_plans)
            .where(digest_plans.c.end_time >= since, *_is_pending(witness))
            .order_by(digest_plans.c.end_time.desc(), digest_plans.c.key.desc())
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [_statement(row) for row in connection.execute(query).all()]
        )

    async def keep(self, receipt: Receipt) -> None:
        statement = receipt.statement
        values = {
            "bucket": statement.bucket,
            "key": statement.key,
            "witness": receipt.witness,
            "kind": receipt.kind,
            "statement": statement.to_bytes(),
            "end_time": statement.end_time,
            "attested_at": receipt.attested_at,
            "evidence": receipt.evidence,
            "is_published": False,
        }
        await self._database.write(lambda connection: add(connection, witness_receipts, values))

    async def unpublished(self, limit: int) -> Sequence[Receipt]:
        query = (
            select(witness_receipts)
            .where(witness_receipts.c.is_published.is_(False))
            .order_by(witness_receipts.c.end_time, *_ORDER)
            .limit(limit)
        )
        return await self._receipts(query)

    async def publish(self, receipt: Receipt) -> None:
        is_receipt = (
            (witness_receipts.c.bucket == receipt.statement.bucket)
            & (witness_receipts.c.key == receipt.statement.key)
            & (witness_receipts.c.witness == receipt.witness)
        )
        statement = update(witness_receipts).where(is_receipt).values(is_published=True)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def receipts(self, bucket: str, key: str) -> Sequence[Receipt]:
        query = (
            select(witness_receipts)
            .where(witness_receipts.c.bucket == bucket, witness_receipts.c.key == key)
            .order_by(*_ORDER)
        )
        return await self._receipts(query)

    async def state(self, witness: str) -> AttestationState:
        query = select(func.count().label("pending"), func.min(digest_plans.c.end_time).label("oldest"))
        row = await self._database.read(lambda connection: connection.execute(query.where(*_is_pending(witness))).one())
        return AttestationState(row.pending, row.oldest)

    async def _receipts(self, query: Any) -> Sequence[Receipt]:
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            Receipt(row.witness, row.kind, parse_statement(row.statement), row.attested_at, row.evidence)
            for row in rows
        ]


_ORDER = (witness_receipts.c.bucket, witness_receipts.c.key, witness_receipts.c.witness)


def _is_pending(witness: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    has_receipt = exists().where(
        witness_receipts.c.bucket == digest_plans.c.bucket,
        witness_receipts.c.key == digest_plans.c.key,
        witness_receipts.c.witness == witness,
    )
    return digest_plans.c.key != _NO_KEY, ~has_receipt


def _statement(row: Row[Any]) -> Statement:
    return Statement(
        bucket=row.bucket,
        key=row.key,
        sha256=sha256_hex(row.body),
        signature=row.signature,
        fingerprint=row.fingerprint,
        start_time=row.start_time,
        end_time=row.end_time,
    )
