"""Where a query's delivered result lies (reference: lake-and-insights, section 2).

```
s3://<bucket>/[<prefix>/]AWSLogs/<account>/CloudTrail-Lake/Query/YYYY/MM/DD/<query id>/
    result_<n>.csv.gz ...    result_sign.json
```
The day is that on which the query completed, in UTC.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

SIGN_FILE_NAME = "result_sign.json"
QUERY_FOLDER = "CloudTrail-Lake/Query"
MAX_URI_LENGTH = 1024

_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>.*))?")


class ResultPlace(NamedTuple):
    """A bucket, and what stands before ``AWSLogs`` in its keys ("" or with its final slash)."""

    bucket: str
    prefix: str

    def marker_key(self, account_id: str) -> str:
        """Return the key of the empty object that proves that results can be delivered."""
        return f"{self.prefix}AWSLogs/{account_id}/{QUERY_FOLDER}/"

    def folder(self, account_id: str, completed_at: datetime, query_id: str) -> str:
        """Return the folder of one result, with its slash."""
        return f"{self.marker_key(account_id)}{completed_at.astimezone(UTC):%Y/%m/%d}/{query_id}/"


def parse_delivery_uri(uri: str) -> ResultPlace:
    """Read a DeliveryS3Uri; raises ValueError for anything else."""
    found = _URI.fullmatch(uri) if len(uri) <= MAX_URI_LENGTH else None
    if found is None:
        raise ValueError(f"{uri[:100]!r} is no address such as s3://bucket/prefix/")
    prefix = (found["prefix"] or "").strip("/")
    return ResultPlace(found["bucket"], f"{prefix}/" if prefix else "")


def result_file_name(number: int) -> str:
    """Return the name of the ``number``-th file of a result, counted from 1."""
    return f"result_{number}.csv.gz"
