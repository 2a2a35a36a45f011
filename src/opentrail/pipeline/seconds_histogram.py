"""A Prometheus histogram of durations that costs next to nothing to write to."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import INF as INFINITY


class SecondsHistogram(Collector):
    """A histogram that is written to for every call: prometheus_client's own takes a lock and several objects each
    time. To be observed and collected in the event loop."""

    def __init__(self, name: str, text: str, buckets: Sequence[float]) -> None:
        self._name = name
        self._text = text
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterable[Metric]:
        """Yield the histogram with cumulative buckets."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds, INFINITY), self._counts, strict=True):
            total += count
            buckets.append((str(bound) if bound != INFINITY else "+Inf", float(total)))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)
