"""Event data stores for the operator: which there are, and legal holds on them.

A hold is the operator's alone: no API call places, sees or lifts one, so that nobody whom it concerns can.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from opentrail.clock import Clock, Identifiers, format_time
from opentrail.errors import OperatorError
from opentrail.event.encoding import encode_event
from opentrail.event.json_values import cut_text
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.journal import EventEntry, Journal, SettingsEntry
from opentrail.record.service_events import OWN_SOURCE, service_event
from opentrail.resource.event_data_store import EventDataStore

Answer = dict[str, Any]

MAX_REASON_BYTES = 1024
"""A longer reason is refused."""

_STORE_TYPE = "AWS::CloudTrail::EventDataStore"


class LakeHolds:
    """Places and lifts legal holds. Each change is on record in the transaction that brings it into force.

    ``changing`` holds off all other changes of settings, ``follow`` has the API's view take up new entries.
    Every method raises OperatorError and Unavailable.
    """

    def __init__(
        self,
        stores: EventDataStores,
        journal: Journal,
        clock: Clock,
        identifiers: Identifiers,
        changing: Callable[[], AbstractAsyncContextManager[None]],
        follow: Callable[[], Awaitable[None]],
    ) -> None:
        self._stores = stores
        self._journal = journal
        self._clock = clock
        self._identifiers = identifiers
        self._changing = changing
        self._follow = follow

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command
            for command in (self.list_event_data_stores, self.hold_event_data_store, self.release_event_data_store)
        }

    async def list_event_data_stores(self) -> Answer:
        """Return every event data store that is not gone."""
        now = self._clock.now()
        stores = [store for store in await self._stores.event_data_stores() if not store.is_gone(now)]
        return {"event_data_stores": [_row(store) for store in stores]}

    async def hold_event_data_store(self, name: str, reason: str) -> Answer:
        """Put a store under a legal hold: nothing of it ends until the hold is lifted. Anew, with another reason, it
        goes on from when it began."""
        reason = reason.strip()
        if not reason or cut_text(reason, MAX_REASON_BYTES) != reason:
            raise OperatorError(f"say why, in at most {MAX_REASON_BYTES} bytes: --reason 'case 4711'")
        async with self._changing():
            store = await self._find(name)
            now = self._clock.now()
            held = store.held(now, reason)
            await self._change("EventDataStoreLegalHoldPlaced", held, {"reason": reason})
        return _row(held)

    async def release_event_data_store(self, name: str) -> Answer:
        """Lift a legal hold. What the retention ended meanwhile goes at the next round; a store that was deleted can be
        restored for seven days more."""
        async with self._changing():
            store = await self._find(name)
            if store.legal_hold_since is None:
                raise OperatorError(f"no legal hold is on the event data store {store.name}")
            released = store.released(self._clock.now())
            details = {"reason": store.legal_hold_reason, "heldSince": format_time(store.legal_hold_since)}
            await self._change("EventDataStoreLegalHoldLifted", released, details)
        return _row(released)

    async def _find(self, name: str) -> EventDataStore:
        found = [
            store
            for store in await self._stores.event_data_stores()
            if name in (store.name, store.id, store.arn) and not store.is_gone(self._clock.now())
        ]
        if not found:
            raise OperatorError(f"there is no event data store {name}")
        if len(found) > 1:
            raise OperatorError(f"{name} is the name of several event data stores; say which: {_arns(found)}")
        return found[0]

    async def _change(self, event_name: str, store: EventDataStore, details: dict[str, Any]) -> None:
        event = service_event(
            OWN_SOURCE,
            event_name,
            {"eventDataStoreArn": store.arn, **details},
            store.account_id,
            store.home_region,
            store.updated_at,
            event_id=self._identifiers.uuid(),
            resources=[(_STORE_TYPE, store.arn)],
        )
        await self._journal.append([EventEntry(encode_event(event)), SettingsEntry(store.arn, store.to_json())])
        await self._follow()


def _arns(stores: Sequence[EventDataStore]) -> str:
    return ", ".join(store.arn for store in stores)


def _row(store: EventDataStore) -> Answer:
    return {
        "name": store.name,
        "arn": store.arn,
        "status": str(store.status),
        "kind": str(store.kind),
        "retention_days": store.retention_days,
        "legal_hold_since": format_time(store.legal_hold_since) if store.legal_hold_since else "",
        "legal_hold_reason": store.legal_hold_reason,
        "deletion_at": format_time(store.deletion_at) if store.deletion_at else "",
    }
