"""The stage that other people's clients act on: one for each module, with moto as the upstream."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.clients.stage import Stage
from tests.support.moto_server import moto_server

WAYS = {
    "fail-closed": {},
    "fail-open": {"OPENTRAIL_RECORDING": "fail-open"},
    "two-processes": {"OPENTRAIL_GATEWAY_PROCESSES": "2"},
}
"""The ways to record that every client is driven through: all of them by ``make simulate``, else the first."""

TRIED_WAYS = list(WAYS) if os.environ.get("OPENTRAIL_SIMULATE") == "full" else list(WAYS)[:1]


@pytest.fixture(scope="module", params=TRIED_WAYS)
def stage(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A running Opentrail before moto, which has logs, monitoring, events and sns too; every event is delivered."""
    with moto_server() as moto:
        settings = {f"OPENTRAIL_UPSTREAM_{service}": moto for service in ("EVENTS", "KMS", "LOGS", "MONITORING", "SNS")}
        running = Stage(tmp_path_factory.mktemp("stage") / "home", moto, settings | WAYS[request.param])
        try:
            yield running
        finally:
            running.close()
