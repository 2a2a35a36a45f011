"""Network activity events: what the owner of a VPC endpoint is told of the calls that passed through it.

In: the event of the call as its caller's account has it, and the endpoint. Out: the endpoint owner's event, which has
neither parameters nor answer, but both accounts' endpoint (reference: events, sections 2 and 12). The user guide's
samples spell the type ``AwsVpceEvent``; its list of fields has one s more.
"""

from typing import Any, NamedTuple

from opentrail.event import Event
from opentrail.event.fields import EVENT_VERSION, FIELDS, in_order
from opentrail.event.received import VPCE_DENIED

DENIED_MESSAGE = "The request was denied due to a VPC endpoint policy"
"""The message is the same for every policy."""


class Endpoint(NamedTuple):
    """A VPC endpoint and its owner's account."""

    endpoint_id: str
    owner_account_id: str


def network_activity_event(
    call: Event, endpoint: Endpoint, *, event_id: str, shared_event_id: str, was_denied: bool
) -> Event:
    """Return the endpoint owner's event of ``call``; ``was_denied`` says that the endpoint's policy stopped it.

    ``shared_event_id`` is the same in the caller's event. Of a denied caller of another account the owner learns
    account and principal, and no more. What failed for another reason passed the endpoint: its error is not told.
    """
    event = {name: value for name, value in call.items() if name in FIELDS and FIELDS[name].is_of_network_activity}
    event.pop("errorCode", None)
    event.pop("errorMessage", None)
    event |= {
        "eventVersion": EVENT_VERSION,
        "eventID": event_id,
        "eventType": "AwsVpceEvent",
        "recipientAccountId": endpoint.owner_account_id,
        "sharedEventID": shared_event_id,
        "vpcEndpointId": endpoint.endpoint_id,
        "vpcEndpointAccountId": endpoint.owner_account_id,
        "eventCategory": "NetworkActivity",
    }
    if was_denied:
        event |= {"errorCode": VPCE_DENIED, "errorMessage": DENIED_MESSAGE}
        event["userIdentity"] = _as_seen_by_owner(call["userIdentity"], endpoint)
    return in_order(event)


def _as_seen_by_owner(identity: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    if identity.get("accountId") == endpoint.owner_account_id:
        return identity
    seen = {"type": "AWSAccount", "principalId": identity.get("principalId"), "accountId": identity.get("accountId")}
    return {name: value for name, value in seen.items() if value}
