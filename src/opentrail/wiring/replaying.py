"""Replays joined to the stores: in the server, and by a command on a home that no server holds."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from opentrail.adapters.query_engine.counting import DuckDbCounting
from opentrail.errors import OperatorError
from opentrail.home import Home
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.ports import Unavailable
from opentrail.ports.lake_table import Lake
from opentrail.ports.replay import CountingFailed, Progress
from opentrail.query.replay.replays import ReplayRunner, Replays
from opentrail.query.replay.requests import read_request
from opentrail.query.replay.rules import InvalidReplay
from opentrail.settings import Settings
from opentrail.wiring.installation import Installation, open_installation


def open_replays(installation: Installation, lake: Lake) -> Replays:
    """Return an installation's replays."""

    async def regions() -> list[str]:
        return sorted({installation.settings.region, *await installation.trails.enabled_regions()})

    counting = installation.lake_tables.counting(DuckDbCounting(installation.home.queries))
    runner = ReplayRunner(installation.history, lake, counting, installation.event_data_stores, regions)
    return Replays(runner, installation.clock, installation.identifiers)


async def run_replay(
    home: Home, settings: Settings, request: Mapping[str, Any], on_progress: Progress
) -> dict[str, Any]:
    """Run one replay in this process and return its report. Raises OperatorError, HomeInUse."""
    if not home.path.is_dir():
        raise OperatorError(f"there is no home at {home.path}: `opentrail --home {home.path} serve` makes one")
    home.prepare()
    with home.lock():
        async with open_installation(home, settings) as installation, _lake(installation) as lake:
            await installation.feeder.catch_up()
            runner = open_replays(installation, lake).runner
            try:
                asked = read_request(request, installation.clock.now())
                return await runner.run(asked, settings.account_id, on_progress)
            except (InvalidReplay, CountingFailed, Unavailable) as error:
                raise OperatorError(str(error)) from error


@asynccontextmanager
async def _lake(installation: Installation) -> AsyncIterator[LakeDelivery]:
    tables = installation.lake_tables
    try:
        yield installation.open_lake()
    finally:
        await tables.close()
