"""Which event data stores a call on queries may reach: the account's own, and those whose resource policy lets it in.

A store of another account answers as one that is not there unless its policy allows the very operation; a deny in a
store's policy holds for its own account, too.
"""

from functools import partial

from opentrail.aws.authorization import access_request, authorise, denial
from opentrail.aws.cloudtrail.errors import EventDataStoreARNInvalidException, EventDataStoreNotFoundException
from opentrail.aws.cloudtrail.event_data_store_views import is_store_reference, store_named
from opentrail.aws.cloudtrail.lake_errors import InactiveEventDataStoreException
from opentrail.aws.lake_policies import own_resource_policy
from opentrail.aws.service import ApiPorts, Call, Requirement
from opentrail.policy.document import PolicyKind, parse_policy
from opentrail.policy.evaluation import RESOURCE_BASED, Authorization, Decision, evaluate
from opentrail.resource.event_data_store import EventDataStore


async def reachable_store(ports: ApiPorts, call: Call, given: str) -> EventDataStore:
    """Return the event data store of an ARN or id, for the operation of ``call``.

    ``EventDataStoreOwnerAccountId`` of the call, where there is one, must be the store's account. Raises
    EventDataStoreARNInvalid, EventDataStoreNotFound, InactiveEventDataStore, AccessDenied.
    """
    store = await shared_store(ports, call, given)
    if store.is_pending_deletion:
        raise InactiveEventDataStoreException(store.arn)
    return store


async def shared_store(ports: ApiPorts, call: Call, given: str) -> EventDataStore:
    """Return the event data store as ``reachable_store`` does, one that is pending deletion too."""
    owner = call.parameters.get("EventDataStoreOwnerAccountId")
    store = await store_named(ports, call, given)
    is_foreign = store is None
    if store is None:
        store = await _foreign_store(ports, call, given, owner)
    if store is None and not is_store_reference(given):
        raise EventDataStoreARNInvalidException(given)
    if store is None or owner not in (None, store.account_id):
        raise EventDataStoreNotFoundException(given)
    decision = await _by_policy(ports, call, store)
    if is_foreign and decision is not Decision.ALLOW:
        raise EventDataStoreNotFoundException(given)
    if decision is Decision.EXPLICIT_DENY:
        raise denial(call, _requirement(call, store.arn), Authorization(decision, RESOURCE_BASED))
    return store


async def check_permission(ports: ApiPorts, call: Call, resource: str) -> None:
    """Raise AccessDenied unless the caller may do the call's operation on ``resource``, by its own policies or, where
    the resource is its account's, by the resource's."""
    await authorise(ports.identities, call, (_requirement(call, resource),), partial(own_resource_policy, ports, call))


async def _foreign_store(ports: ApiPorts, call: Call, given: str, owner: str | None) -> EventDataStore | None:
    account = given.split(":")[4] if given.startswith("arn:") and is_store_reference(given) else owner
    if account is None or account == call.account_id:
        return None
    found = await ports.event_data_stores.event_data_stores(account)
    return next(
        (
            store
            for store in found
            if given in (store.arn, store.id)
            and store.covers_region(call.region)
            and not store.is_gone(call.received_at)
        ),
        None,
    )


async def _by_policy(ports: ApiPorts, call: Call, store: EventDataStore) -> Decision:
    policy = await ports.event_data_stores.resource_policy(store.arn)
    documents = [parse_policy(policy, PolicyKind.RESOURCE)] if policy else []
    return evaluate(documents, access_request(call, _requirement(call, store.arn)))


def _requirement(call: Call, resource: str) -> Requirement:
    return Requirement(f"cloudtrail:{call.operation.name}", resource)
