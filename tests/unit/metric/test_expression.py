"""Metric math, read and worked out."""

import re
from collections.abc import Mapping

import pytest

from opentrail.metric.expression import InvalidExpression, Series, Span, read_expression

SERIES: Mapping[str, Series] = {"a": {0: 1.0, 60: 2.0, 120: 4.0}, "b": {0: 10.0, 120: 0.0}}
SPAN = Span(0, 240, 60)


def worked_out(text: str) -> list[dict[int, float]]:
    found = read_expression(text).evaluate(SERIES, list(SERIES.items()), SPAN)
    return [dict(series) for series in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 1", {0: 2.0, 60: 3.0, 120: 5.0}),
        ("a + b * 2", {0: 21.0, 120: 4.0}),
        ("a / b", {0: 0.1}),
        ("-a ^ 2", {0: -1.0, 60: -4.0, 120: -16.0}),
        ("2 * (a - 1)", {0: 0.0, 60: 2.0, 120: 6.0}),
        ("SUM([a, b])", {0: 11.0, 60: 2.0, 120: 4.0}),
        ("MAX(METRICS())", {0: 10.0, 60: 2.0, 120: 4.0}),
        ('AVG(METRICS("b"))', {0: 10.0, 120: 0.0}),
        ("SUM(a)", dict.fromkeys(range(0, 240, 60), 7.0)),
        ("IF(a >= 2, a, 0)", {0: 0.0, 60: 2.0, 120: 4.0}),
        ("IF(a > 1 AND b == 0, 1)", {120: 1.0}),
        ("FILL(b, 5)", {0: 10.0, 60: 5.0, 120: 0.0, 180: 5.0}),
        ("FILL(b, REPEAT)", {0: 10.0, 60: 10.0, 120: 0.0, 180: 0.0}),
        ("FILL(b, LINEAR)", {0: 10.0, 60: 5.0, 120: 0.0}),
        ("CEIL(a / 3)", {0: 1.0, 60: 1.0, 120: 2.0}),
        ("ABS(0 - a)", {0: 1.0, 60: 2.0, 120: 4.0}),
    ],
)
def test_an_expression_makes_a_series(text: str, expected: dict[int, float]) -> None:
    [made] = worked_out(text)
    assert made == pytest.approx(expected)


def test_metrics_alone_are_several_series() -> None:
    assert worked_out("METRICS() * 2") == [{0: 2.0, 60: 4.0, 120: 8.0}, {0: 20.0, 120: 0.0}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ANOMALY_DETECTION_BAND(a)", "the function ANOMALY_DETECTION_BAND is not supported"),
        ("SEARCH('x', 'Sum')", "the function SEARCH is not supported"),
        ("a +", "the expression ends too early"),
        ("(a", "')' is missing"),
        ("a $ 1", "unexpected '$ 1'"),
        ("c", "c is the id of no query"),
        ("IF(a)", "IF takes two or three arguments"),
        ("(" * 60 + "a" + ")" * 60, "nested too deep"),
        ("1 / 0", "has no value"),
    ],
)
def test_what_cannot_be_worked_out_says_why(text: str, said: str) -> None:
    with pytest.raises(InvalidExpression, match=re.escape(said)):
        worked_out(text)
