"""What ``verify-lake`` reads with: the tables of a home, or of the bucket where its settings have them."""

import os
from functools import partial

from opentrail.adapters.lake_table.audit import LocalLakeAudit
from opentrail.adapters.lake_table.bucket_audit import BucketLakeAudit, s3_objects
from opentrail.home import Home
from opentrail.ports.lake_audit import LakeAudit
from opentrail.ports.lake_keys import KeyRingStoreKeys
from opentrail.settings import Settings
from opentrail.wiring.lake import table_bucket
from opentrail.wiring.reading_keys import ReadingKeys


def open_lake_audit(home: Home, settings: Settings, workers: int = 0) -> LakeAudit:
    """Return the audit of a home's lake, with as many processes as there are processors unless told otherwise."""
    count = workers or len(os.sched_getaffinity(0))
    place = table_bucket(settings)
    keys = KeyRingStoreKeys(ReadingKeys(home, settings))
    if place is None:
        return LocalLakeAudit(home.lake, count, keys)
    return BucketLakeAudit(partial(s3_objects, place), count, keys)
