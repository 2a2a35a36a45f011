"""Data keys of query results: of the account's own KMS key for results, or else one of the events that the query reads.

CloudWatch Logs keeps results without such a key under one of its own. Here what a group's KMS key guards is guarded in
results, too.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from opentrail.envelope import data_key_id
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_keys import LogDataKeys
from opentrail.ports.query_engine import RowSource
from opentrail.query.sealed_pages import seal_page
from opentrail.resource.log_group import query_result_arn


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What is kept of a result's data key: its blob in base64, and the ARN that it was made for; empty for none."""

    blob: str = ""
    arn: str = ""


class LogResultKeys:
    """The data keys of the results of queries that run, in memory; those of others are asked of the key ring."""

    def __init__(self, groups: LogGroups, keys: LogDataKeys) -> None:
        self._groups = groups
        self._keys = keys
        self._open: dict[str, tuple[bytes, bytes]] = {}

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
                self._open[query_id] = (key_id, base64.b64decode(source.data_keys[key_id.hex()]))
                return ResultKey(blob, arn)
        return ResultKey()

    async def _begin(self, query_id: str, key_arn: str, arn: str) -> ResultKey:
        made = await self._keys.new(key_arn, arn)
        self._open[query_id] = (data_key_id(made.blob), made.plaintext)
        return ResultKey(base64.b64encode(made.blob).decode(), arn)

    def end(self, query_id: str) -> None:
        """Forget the key of a query that runs no more."""
        self._open.pop(query_id, None)

    def sealed(self, query_id: str, start: int, page: bytes) -> bytes:
        """Return a page of a running query's result as it is kept."""
        if query_id not in self._open:
            return page
        key_id, key = self._open[query_id]
        return seal_page(key, key_id, query_id, start, page)

    async def key(self, blob: str, arn: str) -> bytes:
        """Return the data key of a result, empty where ``blob`` is. Raises LogKeyUnusable, Unavailable."""
        return await self._keys.plaintext(base64.b64decode(blob), arn) if blob else b""
