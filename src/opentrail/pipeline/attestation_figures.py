"""What /metrics tells of the witnesses: how far each is behind and whether one contradicts, drawn when asked."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opentrail.clock import Clock
from opentrail.pipeline.attestation import Attestation, WitnessState


class AttestationFigures(Collector):
    """Collects from what runs, one value a witness; there are as many as the settings name."""

    def __init__(self, attestation: Attestation, clock: Clock) -> None:
        self._attestation = attestation
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead: without witnesses there are no figures of theirs."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every figure as of now."""
        families = {
            "opentrail_witness_pending_digests": ("Digests that a witness was not told yet.", _pending),
            "opentrail_witness_lag_seconds": (
                "Age of the oldest digest that a witness was not told yet.",
                self._lag_seconds,
            ),
            "opentrail_witness_failing": ("1 while a witness does not answer, or refuses.", _failing),
            "opentrail_witness_contradictions": (
                "Digests about which a witness holds another statement: somebody signed twice.",
                _contradictions,
            ),
        }
        for name, (text, value) in families.items():
            family = GaugeMetricFamily(name, text, labels=["witness"])
            for state in self._attestation.states():
                family.add_metric([state.name], value(state))
            yield family

    def _lag_seconds(self, state: WitnessState) -> float:
        return max(0.0, (self._clock.now() - state.oldest).total_seconds()) if state.oldest else 0.0


def _pending(state: WitnessState) -> float:
    return float(state.pending)


def _failing(state: WitnessState) -> float:
    return float(bool(state.error))


def _contradictions(state: WitnessState) -> float:
    return float(state.contradictions)
