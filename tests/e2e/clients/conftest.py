"""The stage that other people's clients act on: one for each module, with moto as the upstream."""

from collections.abc import Iterator

import pytest

from tests.e2e.clients.stage import Stage
from tests.support.moto_server import moto_server


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A running Opentrail before moto, which has logs, monitoring, events and sns too; every event is delivered."""
    with moto_server() as moto:
        settings = {f"OPENTRAIL_UPSTREAM_{service}": moto for service in ("EVENTS", "KMS", "LOGS", "MONITORING", "SNS")}
        running = Stage(tmp_path_factory.mktemp("stage") / "home", moto, settings)
        try:
            yield running
        finally:
            running.close()
