"""What a start makes good after a process that did not end well."""

from datetime import datetime

from opentrail.clock import Clock
from opentrail.event.encoding import decode_event, encode_event
from opentrail.pipeline.regions import RegionRegister
from opentrail.ports.journal import EventEntry, Journal
from opentrail.record.events import EventBuilder

CRASH_REASON = "gateway-stopped"
"""Why the result of a pending call is unknown: the process that waited for it is gone."""


async def recover_abandoned_calls(journal: Journal, builder: EventBuilder, regions: RegionRegister) -> int:
    """Turn the pending calls of an earlier process into events with outcome unknown; return how many.

    Each call is closed in the transaction that stores its event, so that a crash on the way neither loses nor doubles
    one. Raises Unavailable.
    """
    calls = await journal.abandoned_calls()
    for call in calls:
        event = builder.finish_unknown(decode_event(call.event), CRASH_REASON)
        await regions.enable(event["awsRegion"])
        await journal.close_call(call.id, [EventEntry(encode_event(event))])
    return len(calls)


async def record_unclean_stop(
    journal: Journal,
    builder: EventBuilder,
    regions: RegionRegister,
    clock: Clock,
    *,
    account_id: str,
    region: str,
    has_lost_calls: bool = False,
) -> bool:
    """Say in a gap event that calls may be missing since the last commit, when the earlier process did not drain or is
    known to have lost calls; for ``fail-open``. Return whether there was such a gap; raises Unavailable."""
    if journal.was_clean_shutdown() and not has_lost_calls:
        return False
    now = clock.now()
    await record_gap(
        journal,
        builder,
        regions,
        account_id=account_id,
        region=region,
        started_at=journal.last_commit_at() or now,
        ended_at=now,
    )
    return True


async def record_gap(
    journal: Journal,
    builder: EventBuilder,
    regions: RegionRegister,
    *,
    account_id: str,
    region: str,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Say in a gap event that calls may be missing, nobody knows how many, for a process did not end well. Raises
    Unavailable."""
    event = builder.gap(
        account_id=account_id,
        region=region,
        started_at=started_at,
        ended_at=ended_at,
        count=None,
        reason="unclean-stop",
    )
    await regions.enable(event["awsRegion"])
    await journal.append([EventEntry(encode_event(event))])
