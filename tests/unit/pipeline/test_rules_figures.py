"""What /metrics tells of rules and their targets."""

import pytest
from prometheus_client import CollectorRegistry

from opentrail.pipeline import rules_figures
from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.rules_figures import RulesFigures
from opentrail.ports import Unavailable
from tests.unit.pipeline.test_invocation_delivery import OTHER, QUEUE, Delivering
from tests.unit.pipeline.test_rules import Reading


async def test_waiting_failures_and_deliveries_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    await delivering.add(1)
    await delivering.add(2)
    await delivering.add(3, OTHER)
    await delivering.tick()
    registry = CollectorRegistry()
    registry.register(RulesFigures(AppendMarks(), Reading().reader(), delivering.delivery))

    def figure(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"opentrail_{name}", labels)

    assert figure("invocations_delivered_total") == 1
    assert figure("invocation_failures_total") == 2
    assert figure("invocations_waiting", target=QUEUE) == 2
    assert figure("target_failing", target=QUEUE) == 1
    assert figure("invocations_waiting", target=OTHER) is None
    assert figure("rules_lag_seconds") == 0
    monkeypatch.setattr(rules_figures, "MAX_LABELLED_TARGETS", 0)
    assert figure("invocations_waiting", target="others") == 2
    assert figure("target_failing", target="others") == 1
