"""Workers: where the rows of a batch are made."""

import pytest

from opentrail.adapters.lake_table.appending import BatchRows
from opentrail.adapters.lake_table.workers import Workers


@pytest.mark.parametrize(("size_bytes", "is_here"), [(1_999_999, True), (2_000_000, False), (None, False)])
def test_only_a_batch_known_to_be_small_is_made_into_rows_without_a_process(
    size_bytes: int | None, is_here: bool
) -> None:
    workers = Workers(1)

    with workers.lease_for(size_bytes) as maker:
        assert isinstance(maker, BatchRows) == is_here

    workers.close()
