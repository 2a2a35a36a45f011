"""How batches of invocations lie in the database; what the store promises of them is in the ports' suites."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from opentrail.adapters.metadata_store import SqlInvocations, open_database
from opentrail.adapters.metadata_store.tables import invocation_batches
from opentrail.ports.invocations import InvocationBatch
from opentrail.ports.journal import Position

QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORED = select(invocation_batches.c.body)


def a_batch(number: int) -> InvocationBatch:
    batch = InvocationBatch(QUEUE)
    for each in range(number):
        batch.add(Position(f"{each:020}"), "rule", {"Id": "1"}, b'{"eventName":"CreateUser"}' * 20, NOON)
    return batch


@pytest.mark.parametrize("is_compressed", [True, False])
async def test_a_batch_is_compressed_and_one_from_before_is_read(tmp_path: Path, *, is_compressed: bool) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    invocations, batch = SqlInvocations(database), a_batch(50)
    await invocations.advance(Position("1"), [], [], [batch])
    if not is_compressed:
        as_before = update(invocation_batches).values(body=batch.to_bytes())
        await database.write(lambda connection: connection.execute(as_before).rowcount)
    stored = await database.read(lambda connection: bytes(connection.execute(STORED).scalar_one()))

    found = await invocations.due(QUEUE, NOON, 100)

    assert len(stored) * 10 < len(batch.to_bytes()) if is_compressed else stored == batch.to_bytes()
    assert found == InvocationBatch.unpacked(QUEUE, batch.to_bytes())
    await database.close()
