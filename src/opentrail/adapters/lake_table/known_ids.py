"""Which event ids a table has, a day at a time, read from its files when they are asked for: 37 bytes an id."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from opentrail.adapters.lake_table.encryption import parquet_file
from opentrail.ports.lake_table import LakeFile

MAX_KEPT_BYTES = 96 * 1024 * 1024
"""Ids of days that are kept in memory, of the days asked for last: 2.6 million."""


class KnownIds:
    """The ids of the days that were asked for last. ``forget`` a day whose files have changed."""

    def __init__(self) -> None:
        self._days: dict[date, pa.ChunkedArray] = {}

    def new_among(
        self, day: date, ids: pa.Array, files: Sequence[LakeFile], coming: Sequence[pa.Array] = ()
    ) -> pa.Array | None:
        """Return for each of a day's ``ids`` whether it is new, None when all are: in none of the day's ``files``, not
        among those that are ``coming``, and not earlier among ``ids``. A record without an id (null) is always new.
        """
        known = pa.chunked_array([*self._of_day(day, files).chunks, *coming], pa.string())
        found = set(pc.filter(known, pc.is_in(known, value_set=ids)).to_pylist()) - {None} if len(known) else set()
        if not found and pc.count_distinct(ids, mode="only_valid").as_py() == len(ids) - ids.null_count:
            return None
        new = []
        for value in ids.to_pylist():
            new.append(value not in found)
            if value is not None:
                found.add(value)
        return pa.array(new, pa.bool_())

    def add(self, day: date, ids: pa.Array) -> None:
        """Take in the ids of rows that were committed to a day since it was asked for."""
        if day in self._days:
            self._days[day] = pa.chunked_array([*self._days[day].chunks, ids])

    def forget(self, day: date) -> None:
        """Read the day's ids again the next time."""
        self._days.pop(day, None)

    def _of_day(self, day: date, files: Sequence[LakeFile]) -> pa.ChunkedArray:
        known = self._days.pop(day, None)
        if known is None:
            read = [parquet_file(file.location, file.key).read(columns=["eventid"])["eventid"] for file in files]
            known = pa.chunked_array([chunk for column in read for chunk in column.chunks], pa.string())
        self._days[day] = known
        while len(self._days) > 1 and sum(ids.nbytes for ids in self._days.values()) > MAX_KEPT_BYTES:
            del self._days[next(iter(self._days))]
        return known
