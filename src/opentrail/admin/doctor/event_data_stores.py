"""Whether event data stores can be read and added to: those with a KMS key need it with every use."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from opentrail.admin.doctor.findings import Fault, Finding
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.key_ring import CLOUDTRAIL_PRINCIPAL, KeyDisabled, KeyNotFound
from opentrail.ports.lake_keys import StoreKeyRefused, StoreKeys
from opentrail.resource.event_data_store import EventDataStore


@dataclass(frozen=True)
class StoreChecks:
    """The event data stores, and who gives them their data keys. ``account_id`` is whose stores go by their names."""

    account_id: str
    stores: EventDataStores
    keys: StoreKeys

    async def check(self) -> AsyncIterator[Finding]:
        """Yield each store, by its ARN, whose key cannot be used. Raises Unavailable."""
        for store in sorted(await self.stores.event_data_stores(), key=lambda store: store.arn):
            try:
                await self.keys.data_key(store)
            except StoreKeyRefused as error:
                yield self._refused(store, error)

    def _refused(self, store: EventDataStore, error: StoreKeyRefused) -> Finding:
        key = store.kms_key_id
        if isinstance(error.__cause__, KeyDisabled):
            fault, mend = Fault.KEY_DISABLED, f"aws kms enable-key --key-id {key}"
        elif isinstance(error.__cause__, KeyNotFound):
            fault, mend = Fault.KEY_MISSING, "nothing opens what it holds; collect in a store with another key"
        else:
            fault, mend = (
                Fault.KEY_POLICY,
                (
                    f"aws kms put-key-policy --key-id {key} --policy-name default --policy file://POLICY, which lets "
                    f"{CLOUDTRAIL_PRINCIPAL} kms:GenerateDataKey and kms:Decrypt (docs/lake.md)"
                ),
            )
        problem = f"it is not read, and new events wait in the journal: {error}"
        if store.account_id == self.account_id:
            return Finding(fault, store.name, problem, mend)
        return Finding(fault, store.arn, problem, mend, store.account_id)
