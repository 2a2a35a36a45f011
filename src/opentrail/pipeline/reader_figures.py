"""What /metrics tells of the journal's readers: how far Event history and each trail are behind, drawn when asked."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opentrail.clock import Clock
from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.delivery_context import DIGEST_FILE, LOG_FILE, NOTICE
from opentrail.pipeline.trail_delivery import TrailDelivery, TrailState
from opentrail.ports.journal import START, Position

MAX_LABELLED_TRAILS = 100
"""Trails with a value of their own; of those beyond, in order of their ARNs, only the worst shows, as OTHERS."""

OTHERS = "others"


class ReaderFigures(Collector):
    """Collects from what runs; to be registered once everything is joined, and collected in the event loop."""

    def __init__(
        self,
        marks: AppendMarks,
        history_position: Callable[[], Position | None],
        delivery: TrailDelivery,
        clock: Clock,
    ) -> None:
        self._marks = marks
        self._history_position = history_position
        self._delivery = delivery
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead: what is collected changes with the trails."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every figure as of now."""
        lag = self._marks.lag(self._history_position() or START)
        yield GaugeMetricFamily(
            "opentrail_history_lag_entries", "Journal entries that are not in Event history yet.", lag.entries
        )
        yield GaugeMetricFamily(
            "opentrail_history_lag_seconds", "Age of the oldest entry that is not in Event history yet.", lag.seconds
        )
        yield from self._counts()
        states = self._delivery.states()
        yield _by_trail(
            "opentrail_trail_lag_seconds",
            "Age of the oldest journal entry that a trail still needs: at rest up to the log file interval.",
            states,
            lambda state: self._marks.lag(state.needs_after).seconds,
        )
        now = self._clock.now()
        yield _by_trail(
            "opentrail_digest_age_seconds",
            "Since when a trail's deliveries are in no delivered digest: at rest up to the digest interval.",
            [state for state in states if state.undigested_since is not None],
            lambda state: _seconds_since(state.undigested_since, now),
        )
        yield _by_trail(
            "opentrail_trail_failing",
            "1 while a trail's bucket or the signer does not do its part.",
            states,
            lambda state: float(state.is_failing),
        )

    def _counts(self) -> Iterable[Metric]:
        counts = self._delivery.counts
        for name, text, counted in (
            (
                "opentrail_objects_delivered",
                "Objects put and confirmed, notices of them sent, by kind.",
                counts.delivered,
            ),
            ("opentrail_delivery_failures", "Tries to deliver, sign or send that failed, by kind.", counts.failed),
            (
                "opentrail_objects_given_up",
                "Objects given up, each with a gap event, and notices given up, by kind.",
                counts.given_up,
            ),
        ):
            family = CounterMetricFamily(name, text, labels=["kind"])
            for kind in (LOG_FILE, DIGEST_FILE, NOTICE):
                family.add_metric([kind], counted[kind])
            yield family


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment is not None else 0.0


def _by_trail(
    name: str, text: str, states: Sequence[TrailState], value: Callable[[TrailState], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["trail"])
    for state in states[:MAX_LABELLED_TRAILS]:
        family.add_metric([state.trail_arn], value(state))
    if len(states) > MAX_LABELLED_TRAILS:
        family.add_metric([OTHERS], max(value(state) for state in states[MAX_LABELLED_TRAILS:]))
    return family
