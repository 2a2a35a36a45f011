"""Durations counted in buckets, as Prometheus reads them."""

import pytest
from prometheus_client import CollectorRegistry

from opentrail.pipeline.seconds_histogram import SecondsHistogram


def test_a_duration_counts_in_its_bucket_and_all_above() -> None:
    registry = CollectorRegistry()
    histogram = SecondsHistogram("h", "A histogram.", (0.1, 1.0))
    registry.register(histogram)

    for seconds in (0.1, 0.5, 7.0):
        histogram.observe(seconds)

    buckets = {bound: registry.get_sample_value("h_bucket", {"le": bound}) for bound in ("0.1", "1.0", "+Inf")}
    assert buckets == {"0.1": 1, "1.0": 2, "+Inf": 3}
    assert registry.get_sample_value("h_count") == 3
    assert registry.get_sample_value("h_sum") == pytest.approx(7.6)
