"""Keeps organization trails in step with the organization that the settings tell.

A trail carries the accounts that it delivers, so a change of them is a settings entry of the journal like any other:
events before it are delivered for the accounts of before, events after it for those of now.
"""

from collections.abc import Callable, Sequence

from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.journal import EventEntry, Journal, SettingsEntry
from opentrail.ports.trail_store import TrailStore
from opentrail.resource.organization import Organization, organized
from opentrail.resource.trail import Trail

ChangeReport = Callable[[Trail, Trail], Event]
"""(trail before, trail after) -> the event that puts the change on record."""


async def settle_organization(
    journal: Journal,
    trails: TrailStore,
    delivery_log: DeliveryLog,
    organization: Organization | None,
    report: ChangeReport,
) -> Sequence[str]:
    """Bring every organization trail up to ``organization``; return the ARNs of those that changed.

    To be awaited while nobody else changes trails. Each change is on record ahead of its effect, in one transaction.
    The entries are stored; the API's view has them once it has caught up. Raises Unavailable.
    """
    changed = []
    for state in await delivery_log.readers():
        trail = await trails.trail(state.trail_arn)
        if trail is None or not trail.is_organization:
            continue
        new = organized(trail, organization)
        if new != trail:
            event = EventEntry(encode_event(report(trail, new)))
            await journal.append([event, SettingsEntry(new.arn, new.to_json())])
            changed.append(new.arn)
    return changed
