"""What /metrics tells of rules: how far matching is behind, and how each target fares, drawn when asked."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.pipeline.rules import RulesReader

MAX_LABELLED_TARGETS = 100
"""Targets with values of their own: those for which anything waits, in the order of their ARNs. The others show
together, as OTHERS."""

OTHERS = "others"


class RulesFigures(Collector):
    """Collects from what runs; to be collected in the event loop."""

    def __init__(self, marks: AppendMarks, reader: RulesReader, delivery: InvocationDelivery) -> None:
        self._marks = marks
        self._reader = reader
        self._delivery = delivery

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead: what is collected changes with the targets."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every figure as of now."""
        lag = self._marks.lag(self._reader.matched_through).seconds
        text = "Age of the oldest journal entry that was not matched with the rules yet."
        yield GaugeMetricFamily("opentrail_rules_lag_seconds", text, lag)
        totals = self._delivery.totals
        for name, text, value in (
            ("opentrail_invocations_delivered", "Invocations that targets took.", totals.delivered),
            ("opentrail_invocation_failures", "Tries to deliver an invocation that failed.", totals.failed),
            ("opentrail_invocations_dead_lettered", "Invocations for a dead-letter queue.", totals.dead_lettered),
            ("opentrail_invocations_given_up", "Invocations that failed for good, kept nowhere.", totals.given_up),
            ("opentrail_invocations_lost", "Invocations beyond what may wait for a target.", self._reader.lost),
        ):
            yield CounterMetricFamily(name, text, value=value)
        waiting = self._delivery.waiting()
        yield self._by_target("opentrail_invocations_waiting", "Invocations that wait.", sum, lambda arn: waiting[arn])
        failing = "1 while a target does not answer."
        yield self._by_target("opentrail_target_failing", failing, max, self._delivery.is_failing)

    def _by_target(
        self, name: str, text: str, join: Callable[[list[float]], float], value: Callable[[str], float]
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=["target"])
        targets = sorted(arn for arn, number in self._delivery.waiting().items() if number > 0)
        for arn in targets[:MAX_LABELLED_TARGETS]:
            family.add_metric([arn], value(arn))
        if len(targets) > MAX_LABELLED_TARGETS:
            family.add_metric([OTHERS], join([value(arn) for arn in targets[MAX_LABELLED_TARGETS:]]))
        return family
