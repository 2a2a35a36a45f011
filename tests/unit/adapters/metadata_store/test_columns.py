from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from opentrail.adapters.metadata_store.columns import Moment

DIALECT = sqlite.dialect()
# A day from either end, so that no offset leads out of the years that datetime knows.
AWARE = st.datetimes(
    datetime.min + timedelta(days=2),
    datetime.max - timedelta(days=2),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))]),
)


def kept(moment: datetime) -> str:
    text = Moment().process_bind_param(moment, DIALECT)
    assert text is not None
    return text


@given(AWARE)
def test_a_time_comes_back_as_the_same_instant_in_utc(moment: datetime) -> None:
    back = Moment().process_result_value(kept(moment), DIALECT)

    assert back == moment
    assert back is not None
    assert back.tzinfo is UTC


@given(AWARE, AWARE)
def test_text_sorts_as_time_does(one: datetime, other: datetime) -> None:
    assert (kept(one) < kept(other)) is (one < other)
    assert len(kept(one)) == len("2026-01-02T03:04:05.678901Z")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Moment().process_bind_param(datetime(2026, 1, 1), DIALECT)
