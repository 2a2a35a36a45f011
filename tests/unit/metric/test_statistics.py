"""Statistics of an aggregate, plain and extended."""

import pytest

from opentrail.metric.aggregate import RELATIVE_WIDTH, of_statistics, of_values
from opentrail.metric.statistics import UnknownStatistic, read_statistic, value_of

TEN = of_values({float(value): 1.0 for value in range(1, 11)})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SampleCount", 10.0),
        ("Sum", 55.0),
        ("Average", 5.5),
        ("Minimum", 1.0),
        ("Maximum", 10.0),
        ("p0", 1.0),
        ("p50", 5.5),
        ("p100", 10.0),
        ("p90", 9.1),
        ("tm80", 4.5),
        ("tc80", 8.0),
        ("ts80", 36.0),
        ("wm80", 5.2),
        ("TM(20%:80%)", 5.5),
        ("TC(2:5)", 3.0),
        ("TS(:5)", 15.0),
        ("PR(:5)", 50.0),
        ("PR(8:)", 20.0),
        ("IQM", 5.5),
    ],
)
def test_a_statistic_of_ten_values(name: str, expected: float) -> None:
    assert value_of(read_statistic(name), TEN) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["p101", "median", "TM(:)", "TM(90%:10%)", "TM(10:90%)", "PR(10%:20%)", "tm", "sum"])
def test_what_is_no_statistic_is_refused(name: str) -> None:
    with pytest.raises(UnknownStatistic):
        read_statistic(name)


def test_a_statistic_set_tells_no_percentile_unless_its_values_are_one() -> None:
    assert value_of(read_statistic("p50"), of_statistics(3, 6, 1, 3)) is None
    assert value_of(read_statistic("p50"), of_statistics(3, 6, 2, 2)) == 2.0


def test_a_percentile_of_very_many_values_is_near_the_true_one() -> None:
    many = of_values({float(value): 1.0 for value in range(1, 5_001)})

    for percent in (1, 50, 90, 99.9):
        found = value_of(read_statistic(f"p{percent}"), many)
        assert found == pytest.approx(percent / 100 * 5_000, rel=RELATIVE_WIDTH, abs=1.5)
