"""Which events are a trail's to deliver, decided by its settings and the event alone.

A file is built again after a crash by asking this once more, so the answer may depend on nothing else.
"""

from dataclasses import dataclass

from opentrail.arn import partition_of
from opentrail.event import Event
from opentrail.event.encoding import decode_event
from opentrail.pattern.selectors import selector_matcher
from opentrail.ports.journal import LIVE, EventEntry, JournalEntry
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.trail import Trail

GLOBAL_EVENT_SOURCES = frozenset(
    {
        "cloudfront.amazonaws.com",
        "globalaccelerator.amazonaws.com",
        "iam.amazonaws.com",
        "importexport.amazonaws.com",
        "organizations.amazonaws.com",
        "route53.amazonaws.com",
        "route53domains.amazonaws.com",
        "shield.amazonaws.com",
        "sts.amazonaws.com",
        "waf.amazonaws.com",
    }
)
"""Services whose events CloudTrail has in the partition's first Region, as global service events."""

_FIRST_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True, slots=True)
class Choice:
    """An event that a trail delivers: whose file it goes into, the event, and its JSON as the journal holds it."""

    place: AccountRegion
    event: Event
    data: bytes


class TrailSelection:
    """One trail's choice among the entries of a journal."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._account_ids = frozenset(trail.account_ids)
        self._is_selected = selector_matcher(trail.event_selectors, trail.advanced_event_selectors)

    def choose(self, entry: JournalEntry) -> "Choice | None":
        """Return the event of a journal entry with the account and Region whose file it goes into, or None."""
        if not isinstance(entry, EventEntry) or entry.audience != LIVE:
            return None
        event = decode_event(entry.event)
        place = self.place_of(event)
        return None if place is None else Choice(place, event, entry.event)

    def place_of(self, event: Event) -> AccountRegion | None:
        """Return whose file ``event`` goes into, None when the trail does not deliver it.

        The account is the recipient's, one of the organization's for an organization trail. Global service events count
        as the first Region's, so a single-Region trail has them only if that is its home.
        """
        trail = self._trail
        region, account_id = event.get("awsRegion"), event.get("recipientAccountId")
        if not trail.is_logging or not isinstance(region, str) or not isinstance(account_id, str):
            return None
        if account_id not in self._account_ids or not trail.covers_region(region):
            return None
        if not trail.includes_global_service_events and is_global_service_event(event, region):
            return None
        return AccountRegion(account_id, region) if self._is_selected(event) else None


def is_global_service_event(event: Event, region: str) -> bool:
    """Say whether an event of ``region`` came from a service without Regions."""
    return region == _FIRST_REGIONS[partition_of(region)] and event.get("eventSource") in GLOBAL_EVENT_SOURCES
