"""What /metrics tells of the delivery of trails to log groups, drawn when asked."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.log_delivery import LogGroupState
from opentrail.pipeline.reader_figures import MAX_LABELLED_TRAILS, OTHERS


class LogFigures(Collector):
    """Collects from what runs; to be collected in the event loop."""

    def __init__(self, marks: AppendMarks, states: Callable[[], Sequence[LogGroupState]]) -> None:
        self._marks = marks
        self._states = states

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead: what is collected changes with the trails."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every figure as of now."""
        states = self._states()
        yield _by_trail(
            "opentrail_log_group_lag_seconds",
            "Age of the oldest journal entry that a trail's log group may still lack.",
            [(state.trail_arn, self._marks.lag(state.cursor).seconds) for state in states],
        )
        yield _by_trail(
            "opentrail_log_group_failing",
            "1 while a trail's log group takes nothing.",
            [(state.trail_arn, float(state.is_failing)) for state in states],
        )


def _by_trail(name: str, text: str, values: Sequence[tuple[str, float]]) -> GaugeMetricFamily:
    """Return a figure of each trail; of those beyond MAX_LABELLED_TRAILS only the worst shows."""
    family = GaugeMetricFamily(name, text, labels=["trail"])
    for arn, value in values[:MAX_LABELLED_TRAILS]:
        family.add_metric([arn], value)
    if len(values) > MAX_LABELLED_TRAILS:
        family.add_metric([OTHERS], max(value for _, value in values[MAX_LABELLED_TRAILS:]))
    return family
