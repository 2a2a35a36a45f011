"""The operator's commands on event data stores, over an installation's stores."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from opentrail.admin.lake_holds import LakeHolds
from opentrail.wiring.installation import Installation


def lake_holds(
    installation: Installation, changing: Callable[[], AbstractAsyncContextManager[None]] | None = None
) -> LakeHolds:
    """Return them. ``changing`` is the running server's; without one nobody else changes settings."""
    return LakeHolds(
        installation.event_data_stores,
        installation.journal,
        installation.clock,
        installation.identifiers,
        changing or _alone,
        installation.settings_view.catch_up,
    )


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    yield
