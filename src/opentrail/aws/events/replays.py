"""Replays of archives: start, describe, list, cancel (reference: eventbridge, section 5)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from opentrail.arn import Arn
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.archives import find_archive
from opentrail.aws.events.errors import (
    IllegalStatusException,
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.aws.events.paging import page_of
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.event_archive import (
    ENDED,
    EventArchive,
    EventReplay,
    ReplayState,
    event_replay_arn,
    is_event_archive_arn,
)
from opentrail.resource.event_bus import is_event_bus_arn
from opentrail.resource.event_rule import is_event_rule_arn

REPLAYS_UNDER_WAY = 10
"""EventBridge's quota, for one account and Region."""


async def start_replay(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a replay; it begins after the answer."""
    given = call.parameters
    name, source, destination = given["ReplayName"], given["EventSourceArn"], given["Destination"]
    _check_destination(destination)
    if given["EventStartTime"] >= given["EventEndTime"]:
        raise ValidationFailed(_said("EventEndTime", "EventStartTime must be before EventEndTime."))
    archive = await _archive_of(ports, call, source)
    if destination["Arn"] != archive.bus_arn:
        raise ValidationFailed(_said("Destination.Arn", "Cross event bus replay is not permitted."))
    for arn in destination.get("FilterArns", ()):
        rule = await ports.event_rules.rule(arn) if is_event_rule_arn(arn) else None
        if rule is None or rule.bus_arn != archive.bus_arn:
            raise ValidationFailed(_said("Destination.FilterArns", f"{arn} is no rule of the event bus."))
    replays = await ports.event_replays.all(call.account_id, call.region)
    if any(replay.name == name for replay in replays):
        raise ResourceAlreadyExistsException.replay(name)
    if sum(replay.state not in ENDED for replay in replays) >= REPLAYS_UNDER_WAY:
        raise LimitExceededException
    replay = EventReplay(
        arn=event_replay_arn(call.region, call.account_id, name),
        name=name,
        account_id=call.account_id,
        region=call.region,
        archive_arn=archive.arn,
        archive_id=archive.archive_id,
        bus_arn=archive.bus_arn,
        events_from=given["EventStartTime"],
        events_until=given["EventEndTime"],
        started_at=ports.clock.now(),
        description=given.get("Description", ""),
        rules=tuple(destination.get("FilterArns", ())),
    )
    output = {"ReplayArn": replay.arn, "State": replay.state, "ReplayStartTime": replay.started_at}
    return Outcome(output, after=lambda: ports.event_replays.put(replay))


async def describe_replay(ports: ApiPorts, call: Call) -> Outcome:
    """Show one replay, with how far it came."""
    replay = await _named(ports, call)
    destination: dict[str, Any] = {"Arn": replay.bus_arn}
    if replay.rules:
        destination["FilterArns"] = list(replay.rules)
    more = {"Description": replay.description} if replay.description else {}
    return Outcome(_listed(replay) | more | {"ReplayArn": replay.arn, "Destination": destination})


async def list_replays(ports: ApiPorts, call: Call) -> Outcome:
    """List the replays of account and Region by name."""
    given = call.parameters
    found = [
        replay
        for replay in await ports.event_replays.all(call.account_id, call.region)
        if replay.name.startswith(given.get("NamePrefix", ""))
        and given.get("State", replay.state) == replay.state
        and given.get("EventSourceArn", replay.archive_arn) == replay.archive_arn
    ]
    page, token = page_of(call, found, lambda replay: replay.name)
    return Outcome({"Replays": [_listed(replay) for replay in page], **token})


async def cancel_replay(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a replay that is under way; what it set off already is delivered."""
    replay = await _named(ports, call)
    if replay.state not in (ReplayState.STARTING, ReplayState.RUNNING):
        raise IllegalStatusException(replay.name)
    output = {"ReplayArn": replay.arn, "State": ReplayState.CANCELLING}
    return Outcome(output, after=lambda: _cancel(ports, replay.arn))


async def _cancel(ports: ApiPorts, arn: str) -> None:
    """Say that a replay is to end, wherever it has come by now."""
    replay = await ports.event_replays.get(arn)
    if replay is not None and replay.state not in ENDED:
        await ports.event_replays.put(replace(replay, state=ReplayState.CANCELLING))


async def _archive_of(ports: ApiPorts, call: Call, source: str) -> EventArchive:
    if not is_event_archive_arn(source):
        raise ValidationFailed(_said("EventSourceArn", "Must contain an archive ARN."))
    arn = Arn.parse(source)
    name = arn.resource.removeprefix("archive/")
    if (arn.account_id, arn.region) != (call.account_id, call.region):
        raise ResourceNotFoundException.archive(name)
    return await find_archive(ports, call, name)


def _check_destination(destination: dict[str, Any]) -> None:
    if not is_event_bus_arn(destination["Arn"]):
        raise ValidationFailed(_said("Destination.Arn", "Must contain an event bus ARN."))


def _said(member: str, reason: str) -> str:
    return f"Parameter {member} is not valid. Reason: {reason}"


async def _named(ports: ApiPorts, call: Call) -> EventReplay:
    name = call.parameters["ReplayName"]
    found = await ports.event_replays.get(event_replay_arn(call.region, call.account_id, name))
    if found is None:
        raise ResourceNotFoundException.replay(name)
    return found


def _listed(replay: EventReplay) -> dict[str, Any]:
    last = datetime.fromtimestamp(replay.through[0], UTC) if replay.through else None
    listed = {
        "ReplayName": replay.name,
        "EventSourceArn": replay.archive_arn,
        "State": replay.state,
        "StateReason": replay.state_reason or None,
        "EventStartTime": replay.events_from,
        "EventEndTime": replay.events_until,
        "EventLastReplayedTime": last,
        "ReplayStartTime": replay.started_at,
        "ReplayEndTime": replay.ended_at,
    }
    return {name: value for name, value in listed.items() if value is not None}
