"""Timestamps on the wire."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.protocol.timestamps import format_timestamp, parse_timestamp

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1772600767, MOMENT),
        (1772600767.25, MOMENT.replace(microsecond=250000)),
        ("1772600767", MOMENT),
        ("1.772600767E9", MOMENT),
        ("2026-03-04T05:06:07Z", MOMENT),
        ("2026-03-04T05:06:07.123456789Z", MOMENT.replace(microsecond=123456)),
        ("2026-03-04T06:06:07+01:00", MOMENT),
        ("2026-03-04T05:06:07", MOMENT),
        ("Wed, 04 Mar 2026 05:06:07 GMT", MOMENT),
    ],
)
def test_every_form_is_read(value: object, moment: datetime) -> None:
    assert parse_timestamp(value) == moment


def test_every_form_is_written() -> None:
    assert format_timestamp(MOMENT, "iso8601") == "2026-03-04T05:06:07Z"
    assert format_timestamp(MOMENT.replace(microsecond=5000), "iso8601") == "2026-03-04T05:06:07.005Z"
    assert format_timestamp(MOMENT, "rfc822") == "Wed, 04 Mar 2026 05:06:07 GMT"
    assert format_timestamp(MOMENT, "unixTimestamp") == 1772600767.0


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.sampled_from(["iso8601", "rfc822", "unixTimestamp"]))
def test_what_is_written_is_read_back_to_the_second(naive: datetime, form: str) -> None:
    moment = naive.replace(microsecond=0, tzinfo=UTC)
    if form == "rfc822" and moment.year < 1000:
        return

    assert parse_timestamp(format_timestamp(moment, form)) == moment


@given(st.one_of(st.text(max_size=70), st.floats(), st.integers(), st.none(), st.booleans(), st.binary()))
def test_garbage_is_a_value_error(value: object) -> None:
    try:
        parse_timestamp(value)
    except ValueError:
        return
