"""Which digest was told to which witness, in memory, over an in-memory delivery log."""

from collections.abc import Sequence
from datetime import datetime

from opentrail.digest.document import sha256_hex
from opentrail.digest.statement import Statement
from opentrail.ports.delivery_log import DigestPlan
from opentrail.ports.witness import AttestationState, Receipt
from tests.memory.delivery_log import InMemoryDeliveryLog


class InMemoryAttestationLog:
    """Implements AttestationLog."""

    def __init__(self, delivery_log: InMemoryDeliveryLog) -> None:
        self._delivery_log = delivery_log
        self._receipts: dict[tuple[str, str, str], Receipt] = {}
        self._published: set[tuple[str, str, str]] = set()

    async def pending(self, witness: str, since: datetime, limit: int) -> Sequence[Statement]:
        return [statement for statement in self._pending(witness) if statement.end_time >= since][:limit]

    def _pending(self, witness: str) -> list[Statement]:
        plans = [plan for plan in self._delivery_log.digests() if plan.key]
        left = [plan for plan in plans if (plan.bucket, plan.key, witness) not in self._receipts]
        return [_statement(plan) for plan in sorted(left, key=lambda plan: (plan.end_time, plan.key), reverse=True)]

    async def keep(self, receipt: Receipt) -> None:
        self._receipts.setdefault(_key(receipt), receipt)

    async def unpublished(self, limit: int) -> Sequence[Receipt]:
        left = [receipt for key, receipt in self._receipts.items() if key not in self._published]
        return sorted(left, key=lambda receipt: (receipt.statement.end_time, _key(receipt)))[:limit]

    async def publish(self, receipt: Receipt) -> None:
        self._published.add(_key(receipt))

    async def receipts(self, bucket: str, key: str) -> Sequence[Receipt]:
        return [self._receipts[place] for place in sorted(self._receipts) if place[:2] == (bucket, key)]

    async def state(self, witness: str) -> AttestationState:
        left = self._pending(witness)
        return AttestationState(len(left), left[-1].end_time if left else None)


def _key(receipt: Receipt) -> tuple[str, str, str]:
    return receipt.statement.bucket, receipt.statement.key, receipt.witness


def _statement(plan: DigestPlan) -> Statement:
    return Statement(
        bucket=plan.bucket,
        key=plan.key,
        sha256=sha256_hex(plan.body),
        signature=plan.signature,
        fingerprint=plan.fingerprint,
        start_time=plan.start_time,
        end_time=plan.end_time,
    )
