"""Event buses: create, describe, list, update, delete (reference: eventbridge, section 5)."""

from dataclasses import replace
from typing import Any

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import (
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.aws.events.names import bus_name
from opentrail.aws.events.paging import page_of
from opentrail.aws.events.tags import merged_tags
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_bus import DEFAULT_BUS, EventBus, event_bus_arn

BUSES_PER_REGION = 100
"""EventBridge's quota, for one account; the default bus counts."""

_UNSUPPORTED = ("EventSourceName", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig")


async def create_event_bus(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a custom bus."""
    given = call.parameters
    name = given["Name"]
    _check_supported(given)
    if "/" in name:
        raise ValidationFailed("Event bus name must not contain '/'.")
    arn = event_bus_arn(call.region, call.account_id, name)
    if name == DEFAULT_BUS or await ports.event_rules.event_bus(arn) is not None:
        raise ResourceAlreadyExistsException.bus(name)
    others = [
        bus for bus in await ports.event_rules.event_buses(call.account_id, call.region) if bus.name != DEFAULT_BUS
    ]
    if len(others) + 1 >= BUSES_PER_REGION:
        raise LimitExceededException
    tags = merged_tags({}, given.get("Tags", ()))
    now = ports.clock.now()
    bus = EventBus(arn, name, call.account_id, call.region, now, now, _described(given))
    return Outcome(
        {"EventBusArn": arn, **bus.settings},
        settings=(SettingsEntry(arn, bus.to_json()),),
        before=lambda: ports.trails.set_tags(arn, tags),
    )


async def update_event_bus(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a bus's new description."""
    _check_supported(call.parameters)
    bus = await named_bus(ports, call, call.parameters.get("Name", ""))
    changed = replace(bus, modified_at=ports.clock.now(), settings=_policy(bus) | _described(call.parameters))
    output = {"Arn": bus.arn, "Name": bus.name, **_described(call.parameters)}
    return Outcome(output, settings=(SettingsEntry(bus.arn, changed.to_json()),))


async def describe_event_bus(ports: ApiPorts, call: Call) -> Outcome:
    """Show one bus, by default the default one."""
    return Outcome(_shown_bus(await named_bus(ports, call, call.parameters.get("Name", ""))))


async def list_event_buses(ports: ApiPorts, call: Call) -> Outcome:
    """List the buses of account and Region, the default one among them, by name."""
    kept = {bus.name: bus for bus in await ports.event_rules.event_buses(call.account_id, call.region)}
    buses = sorted(({DEFAULT_BUS: _default_bus(call)} | kept).values(), key=lambda bus: bus.name)
    named = [bus for bus in buses if bus.name.startswith(call.parameters.get("NamePrefix", ""))]
    page, token = page_of(call, named, lambda bus: bus.name)
    return Outcome({"EventBuses": [_shown_bus(bus) for bus in page], **token})


async def delete_event_bus(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a custom bus that has no rules; one that is not there is gone already."""
    name = call.parameters["Name"]
    if name == DEFAULT_BUS:
        raise ValidationFailed("Cannot delete event bus default.")
    arn = event_bus_arn(call.region, call.account_id, name)
    if await ports.event_rules.event_bus(arn) is None:
        return Outcome()
    if await ports.event_rules.count_rules(arn):
        raise ValidationFailed("Event bus can't be deleted since it has rules.")
    return Outcome(settings=(SettingsEntry(arn, None),), weakens_record=True)


async def named_bus(ports: ApiPorts, call: Call, given: str) -> EventBus:
    """Return the bus that ``given`` names, "" for the default one; raises ResourceNotFoundException."""
    name = bus_name(call, given)
    found = await ports.event_rules.event_bus(event_bus_arn(call.region, call.account_id, name))
    if found is not None:
        return found
    if name != DEFAULT_BUS:
        raise ResourceNotFoundException.bus(name)
    return _default_bus(call)


def _default_bus(call: Call) -> EventBus:
    """Return the default bus as it is while nothing was set of it."""
    arn = event_bus_arn(call.region, call.account_id, DEFAULT_BUS)
    return EventBus(arn, DEFAULT_BUS, call.account_id, call.region, call.received_at, call.received_at)


def _shown_bus(bus: EventBus) -> dict[str, Any]:
    shown: dict[str, Any] = {"Name": bus.name, "Arn": bus.arn, **bus.settings}
    if bus.name != DEFAULT_BUS:
        shown |= {"CreationTime": bus.created_at, "LastModifiedTime": bus.modified_at}
    return shown


def _described(given: dict[str, Any]) -> dict[str, Any]:
    return {"Description": given["Description"]} if given.get("Description") else {}


def _policy(bus: EventBus) -> dict[str, Any]:
    return {"Policy": bus.policy} if bus.policy else {}


def _check_supported(given: dict[str, Any]) -> None:
    for member in _UNSUPPORTED:
        if given.get(member):
            raise ValidationFailed(f"{member} is not supported by this installation.")
