"""PutEvents: an application's own events onto a bus (reference: eventbridge, section 4)."""

from datetime import datetime
from typing import Any

import orjson

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.clock import format_time
from opentrail.pattern.filter_pattern import json_object
from opentrail.ports.journal import EventEntry
from opentrail.resource.event_bus import DEFAULT_BUS, event_bus_arn

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
        bus = _entry_bus_arn(call, entry.get("EventBusName", ""))
        if await _is_there(ports, call, bus):
            events.append(EventEntry(orjson.dumps(event), bus))
    failed = sum("ErrorCode" in result for result in results)
    return Outcome({"FailedEntryCount": failed, "Entries": results}, events=tuple(events))


def buses_of(call: Call) -> tuple[str, ...]:
    """Return the ARNs of the buses that the call's entries name, for the caller's permission."""
    names = {entry.get("EventBusName", "") for entry in call.parameters.get("Entries", ())}
    return tuple(sorted(_entry_bus_arn(call, name) for name in names))


def _entry_bus_arn(call: Call, name: str) -> str:
    return name if name.startswith("arn:") else event_bus_arn(call.region, call.account_id, name or DEFAULT_BUS)


async def _is_there(ports: ApiPorts, call: Call, bus: str) -> bool:
    """Say whether a bus is one of the caller's account and Region."""
    own = event_bus_arn(call.region, call.account_id, "")
    if not bus.startswith(own):
        return False
    return bus == own + DEFAULT_BUS or await ports.event_rules.event_bus(bus) is not None


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
