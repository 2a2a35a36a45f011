"""What /metrics tells of each witness."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from opentrail.pipeline.attestation_figures import AttestationFigures
from opentrail.ports import Unavailable
from tests.support.delivery import MINUTE
from tests.unit.pipeline.test_attestation import Office


async def test_lag_pending_failures_and_contradictions_are_told_of_each_witness() -> None:
    office = Office("down", "vault")
    office.notaries[0].failure = Unavailable("down")
    await office.deliver(hours=3)
    lie = office.digest_keys()[-1]
    office.notaries[1].lies.add(lie)
    await office.tick()
    await office.tick(after=6 * MINUTE)
    registry = CollectorRegistry()
    registry.register(AttestationFigures(office.attestation, office.world.clock))

    def figure(name: str, witness: str) -> float | None:
        return registry.get_sample_value(f"opentrail_witness_{name}", {"witness": witness})

    assert [figure("pending_digests", witness) for witness in ("down", "vault")] == [3, 1]
    assert [figure("failing", witness) for witness in ("down", "vault")] == [1, 0]
    assert [figure("contradictions", witness) for witness in ("down", "vault")] == [0, 1]
    oldest = office.attestation.states()[0].oldest
    assert oldest is not None
    assert figure("lag_seconds", "down") == (office.world.clock.now() - oldest) / timedelta(seconds=1)
