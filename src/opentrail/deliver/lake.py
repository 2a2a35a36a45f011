"""Which events an event data store keeps, decided by its settings and the journal's entry alone."""

from collections.abc import Mapping

from opentrail.event.context_keys import with_request_context
from opentrail.event.encoding import decode_event, encode_event
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.selectors import compile_advanced_event_selectors
from opentrail.ports.journal import LIVE, EventEntry, EventsEntry
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind


class LakeSelection:
    """One event data store's choice among the events of a journal.

    What was handed to this store alone (its ARN is the audience) is taken whatever its selectors say. Of live events a
    store of CloudTrail events takes those that its selectors pick, of its accounts and Regions; the other kinds have no
    live events. A store that does not ingest takes nothing. ``organization`` has the organization's id by its accounts.
    """

    def __init__(self, store: EventDataStore, organization: Mapping[str, str] | None = None) -> None:
        self._store = store
        self._organization = organization or {}
        self._context_keys = store.request_context_keys
        self._account_ids = frozenset(store.account_ids)
        self._has_live_events = store.kind is EventDataStoreKind.CLOUDTRAIL
        self._is_selected = compile_predicate(compile_advanced_event_selectors(store.advanced_event_selectors))

    def takes(self, entry: EventEntry | EventsEntry) -> bool:
        """Say whether the store keeps the event. About 10 us for a live one."""
        if not self._store.is_ingesting:
            return False
        if isinstance(entry, EventsEntry) or entry.audience != LIVE:
            return entry.audience == self._store.arn
        if not self._has_live_events:
            return False
        try:
            event = decode_event(entry.event)
        except ValueError:
            return False
        region = event.get("awsRegion")
        if event.get("recipientAccountId") not in self._account_ids or not isinstance(region, str):
            return False
        return self._store.covers_region(region) and self._is_selected(event)

    def records(self, entry: EventEntry | EventsEntry) -> list[bytes]:
        """Return what the store keeps of the events of an entry that it takes: each event, with the context that its
        settings ask for.

        Network activity events have none, nor has what was handed to the store alone.
        """
        return entry.events() if isinstance(entry, EventsEntry) else [self._record(entry)]

    def _record(self, entry: EventEntry) -> bytes:
        if not self._context_keys or entry.audience != LIVE:
            return entry.event
        event = decode_event(entry.event)
        if event.get("eventCategory") == "NetworkActivity":
            return entry.event
        enriched = with_request_context(event, self._context_keys, self._organization)
        return entry.event if enriched is event else encode_event(enriched)
