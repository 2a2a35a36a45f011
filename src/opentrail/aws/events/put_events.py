"""PutEvents: an application's own events onto a bus (reference: eventbridge, section 4)."""

from datetime import datetime
from typing import Any

import orjson

from opentrail.arn import Arn
from opentrail.aws.authorization import access_request, denial
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome, Requirement
from opentrail.clock import format_time
from opentrail.pattern.filter_pattern import json_object
from opentrail.policy.bus_use import PUT_EVENTS, event_conditions, judge_bus_use, organization_conditions
from opentrail.policy.evaluation import RESOURCE_BASED, Authorization, Decision
from opentrail.ports.journal import EventEntry
from opentrail.resource.event_bus import DEFAULT_BUS, EventBus, bus_arn_of

MAX_TOTAL_BYTES = 256 * 1024
"""Of a call's entries; each is at most that, so every event fits the rules' bound less its envelope."""

_TIME_BYTES = 14


async def put_events(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the entries that can be taken, each judged by itself; results keep the entries' order.

    An entry for a bus that is not there gets its EventId and goes nowhere, as EventBridge has it.
    """
    entries = call.parameters["Entries"]
    if call.parameters.get("EndpointId"):
        raise ValidationFailed("EndpointId is not supported by this installation.")
    if sum(map(_entry_size, entries)) > MAX_TOTAL_BYTES:
        raise ValidationFailed("Total size of the entries in the request is over the limit.")
    buses = {name: await _bus_of(ports, call, name) for name in buses_of(call)}
    results: list[dict[str, str]] = []
    events: list[EventEntry] = []
    for entry in entries:
        detail = json_object(entry.get("Detail", ""))
        refusal = _refusal(entry, detail)
        if refusal is not None:
            results.append(refusal)
            continue
        event = _taken_event(ports, call, entry, detail)
        results.append({"EventId": event["id"]})
        bus = buses[_entry_bus_arn(call, entry.get("EventBusName", ""))]
        if bus is not None:
            _check_policy(ports, call, bus, event)
            events.append(EventEntry(orjson.dumps(event), bus.arn))
    failed = sum("ErrorCode" in result for result in results)
    return Outcome({"FailedEntryCount": failed, "Entries": results}, events=tuple(events))


def buses_of(call: Call) -> tuple[str, ...]:
    """Return the ARNs of the buses that the call's entries name, for the caller's permission."""
    names = {entry.get("EventBusName", "") for entry in call.parameters.get("Entries", ())}
    return tuple(sorted(_entry_bus_arn(call, name) for name in names))


def _entry_bus_arn(call: Call, name: str) -> str:
    return bus_arn_of(name, call.region, call.account_id)


async def _bus_of(ports: ApiPorts, call: Call, arn: str) -> EventBus | None:
    """Return the bus of an ARN, None when there is none in the call's Region.

    Another account's that is not there is shown without a policy, so that nobody learns which buses others have.
    """
    found = await ports.event_rules.event_bus(arn)
    place = Arn.parse(arn)
    name = place.resource.removeprefix("event-bus/")
    is_own = place.account_id == call.account_id
    if place.region != call.region or (found is None and is_own and name != DEFAULT_BUS):
        return None
    return found or EventBus(arn, name, place.account_id, place.region, call.received_at, call.received_at)


def _check_policy(ports: ApiPorts, call: Call, bus: EventBus, event: dict[str, Any]) -> None:
    """Raise AccessDenied where the bus's policy denies the event, and of another account's bus unless it allows it."""
    is_own = bus.account_id == call.account_id
    if is_own and not bus.policy:
        return
    context = event_conditions(event["source"], event["detail-type"], is_from_bus=False)
    context |= organization_conditions(ports.organization, call.account_id)
    requirement = Requirement(PUT_EVENTS, bus.arn, context)
    decision = judge_bus_use(bus.policy, access_request(call, requirement))
    if decision is Decision.EXPLICIT_DENY or (decision is not Decision.ALLOW and not is_own):
        raise denial(call, requirement, Authorization(decision, RESOURCE_BASED))


def _entry_size(entry: dict[str, Any]) -> int:
    texts = [entry.get(name, "") for name in ("Source", "DetailType", "Detail")] + list(entry.get("Resources", ()))
    return (_TIME_BYTES if "Time" in entry else 0) + sum(len(text.encode()) for text in texts)


def _refusal(entry: dict[str, Any], detail: dict[str, Any] | None) -> dict[str, str] | None:
    """Return what stands in the place of an entry that is not taken, None for one that is."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            said = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": said}
    if entry["Source"].lower().startswith("aws."):
        said = f"Not authorized for the source {entry['Source']}."
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": said}
    if detail is None:
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return None


def _taken_event(ports: ApiPorts, call: Call, entry: dict[str, Any], detail: dict[str, Any] | None) -> dict[str, Any]:
    moment: datetime = entry.get("Time", call.received_at)
    return {
        "version": "0",
        "id": ports.identifiers.uuid(),
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": call.account_id,
        "time": format_time(moment),
        "region": call.region,
        "resources": list(entry.get("Resources", ())),
        "detail": detail,
    }
