"""What ``verify-lake`` reads with: the tables of a home."""

import os

from opentrail.adapters.lake_table.audit import LocalLakeAudit
from opentrail.home import Home


def open_lake_audit(home: Home, workers: int = 0) -> LocalLakeAudit:
    """Return the audit of a home's lake, with as many processes as there are processors unless told otherwise."""
    return LocalLakeAudit(home.lake, workers or len(os.sched_getaffinity(0)))
