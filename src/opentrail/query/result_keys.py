"""Data keys of query results: the account's own KMS key for results, or else that of a log group that the query reads.

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
from opentrail.resource.log_group import LogGroup, query_result_arn

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

    async def begin(self, query_id: str, account_id: str, region: str, sealed: Sequence[LogGroup]) -> ResultKey:
        """Have a query's result kept as its account wants it; of its groups, ``sealed`` have sealed events.

        Raises LogKeyUnusable, Unavailable.
        """
        arn, key_arn = query_result_arn(region, account_id), await self._groups.result_key(account_id, region)
        if not key_arn:
            keyed = [group for group in sealed if group.kms_key_arn]
            if not keyed:
                return ResultKey()
            arn, key_arn = keyed[0].arn, keyed[0].kms_key_arn
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
