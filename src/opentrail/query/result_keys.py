"""Data keys of query results: of the account's own KMS key for results, or else one of the events that the query reads.

CloudWatch Logs keeps results without such a key under one of its own. Here what a group's KMS key guards is guarded in
results, too.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.envelope import BlobBroken, data_key_id, open_text, seal_text
from opentrail.ports.key_ring import (
    BlobInvalid,
    KeyAccessRefused,
    KeyDisabled,
    KeyNotFound,
    KeyRing,
    logs_caller,
    logs_context,
)
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import LogKeyUnusable
from opentrail.ports.query_engine import RowSource
from opentrail.resource.log_group import query_result_arn

_REFUSED = (KeyNotFound, KeyDisabled, KeyAccessRefused, BlobInvalid)


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What is kept of a result's data key: its blob in base64, and the ARN that it was made for; empty for none."""

    blob: str = ""
    arn: str = ""


class ResultKeys:
    """The data keys of the results of queries that run, in memory; those of others are asked of the key ring."""

    def __init__(self, groups: LogGroups, ring: KeyRing) -> None:
        self._groups = groups
        self._ring = ring
        self._open: dict[str, tuple[bytes, AESGCM]] = {}

    async def begin(self, query_id: str, account_id: str, region: str, sources: Sequence[RowSource]) -> ResultKey:
        """Have a query's result kept as its account wants it, or as the sealed events of its sources are.

        Raises LogKeyUnusable, Unavailable.
        """
        key_arn = await self._groups.result_key(account_id, region)
        if key_arn:
            return await self._begin(query_id, key_arn, query_result_arn(region, account_id))
        for source in sources:
            if source.sealed_by is not None:
                blob, arn = source.sealed_by
                key_id = data_key_id(base64.b64decode(blob))
                self._open[query_id] = (key_id, AESGCM(base64.b64decode(source.data_keys[key_id.hex()])))
                return ResultKey(blob, arn)
        return ResultKey()

    async def _begin(self, query_id: str, key_arn: str, arn: str) -> ResultKey:
        try:
            made = await self._ring.generate_data_key(key_arn, logs_context(arn), logs_caller(arn))
        except _REFUSED as error:
            raise LogKeyUnusable(str(error)) from error
        self._open[query_id] = (data_key_id(made.blob), AESGCM(made.plaintext))
        return ResultKey(base64.b64encode(made.blob).decode(), arn)

    def end(self, query_id: str) -> None:
        """Forget the key of a query that runs no more."""
        self._open.pop(query_id, None)

    def sealed(self, query_id: str, start: int, page: bytes) -> bytes:
        """Return a page of a running query's result as it is kept."""
        if query_id not in self._open:
            return page
        key_id, key = self._open[query_id]
        return seal_text(key, key_id, page, _place(query_id, start))

    async def key(self, blob: str, arn: str) -> bytes:
        """Return the data key of a result, empty where ``blob`` is. Raises LogKeyUnusable, Unavailable."""
        if not blob:
            return b""
        try:
            return await self._ring.decrypt(base64.b64decode(blob), logs_context(arn), logs_caller(arn))
        except _REFUSED as error:
            raise LogKeyUnusable(str(error)) from error


def opened_page(key: bytes, query_id: str, start: int, page: bytes) -> bytes:
    """Return a page of a result that was kept under ``key``. Raises LogKeyUnusable for one that was altered."""
    try:
        return open_text(AESGCM(key), page, _place(query_id, start))
    except BlobBroken as error:
        raise LogKeyUnusable("a page of the result was altered") from error


def _place(query_id: str, start: int) -> bytes:
    return f"{query_id} {start}".encode()
