"""Archives of event buses: create, describe, list, update, delete (reference: eventbridge, section 5)."""

import asyncio
from dataclasses import replace
from typing import Any

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import (
    InvalidEventPatternException,
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.aws.events.names import find_bus
from opentrail.aws.events.paging import page_of
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_archive import EventArchive, event_archive_arn
from opentrail.resource.event_bus import is_event_bus_arn

ARCHIVES_PER_REGION = 100
"""EventBridge's quota, for one account."""

_STATE, _WITHOUT_RULE = "ENABLED", "DISABLED"
"""An archive takes events from its creation on, unless its managed rule was taken from it by force."""


async def create_archive(ports: ApiPorts, call: Call) -> Outcome:
    """Plan an archive and the managed rule that fills it."""
    given = call.parameters
    _check_supported(given)
    name, source = given["ArchiveName"], given["EventSourceArn"]
    if not is_event_bus_arn(source):
        raise ValidationFailed("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.")
    await find_bus(ports, call, source)
    arn = event_archive_arn(call.region, call.account_id, name)
    if await ports.event_rules.event_archive(arn) is not None:
        raise ResourceAlreadyExistsException.archive(name)
    if len(await ports.event_rules.event_archives(call.account_id, call.region)) >= ARCHIVES_PER_REGION:
        raise LimitExceededException
    archive = EventArchive(
        arn=arn,
        name=name,
        account_id=call.account_id,
        region=call.region,
        archive_id=ports.identifiers.uuid(),
        bus_arn=source,
        created_at=ports.clock.now(),
        pattern=await _checked(given.get("EventPattern", "")),
        retention_days=given.get("RetentionDays", 0),
        description=given.get("Description", ""),
    )
    if await ports.event_rules.rule(archive.rule.arn) is not None:
        raise ResourceAlreadyExistsException.rule(archive.rule.name)
    return Outcome(_told(archive), settings=_settings(archive))


async def update_archive(ports: ApiPorts, call: Call) -> Outcome:
    """Plan other settings of an archive; what is not given stays as it was. A new pattern counts for new events."""
    given = call.parameters
    _check_supported(given)
    before = await find_archive(ports, call, given["ArchiveName"])
    changed = replace(
        before,
        pattern=await _checked(given["EventPattern"]) if "EventPattern" in given else before.pattern,
        retention_days=given.get("RetentionDays", before.retention_days),
        description=given.get("Description", before.description),
    )
    return Outcome(_told(changed), settings=_settings(changed), weakens_record=True)


async def describe_archive(ports: ApiPorts, call: Call) -> Outcome:
    """Show one archive, with how much it holds."""
    archive = await find_archive(ports, call, call.parameters["ArchiveName"])
    more = {"ArchiveArn": archive.arn, "Description": archive.description, "EventPattern": archive.pattern}
    shown = await _listed(ports, archive)
    return Outcome(shown | {name: value for name, value in more.items() if value})


async def list_archives(ports: ApiPorts, call: Call) -> Outcome:
    """List the archives of account and Region by name."""
    given = call.parameters
    found = [
        archive
        for archive in await ports.event_rules.event_archives(call.account_id, call.region)
        if archive.name.startswith(given.get("NamePrefix", ""))
        and given.get("EventSourceArn", archive.bus_arn) == archive.bus_arn
        and given.get("State", "") in ("", await _state(ports, archive))
    ]
    page, token = page_of(call, found, lambda archive: archive.name)
    return Outcome({"Archives": [await _listed(ports, archive) for archive in page], **token})


async def delete_archive(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of an archive with all that it holds; a replay of it fails."""
    archive = await find_archive(ports, call, call.parameters["ArchiveName"])
    ended = (SettingsEntry(archive.rule.arn, None), SettingsEntry(archive.arn, None))
    return Outcome(settings=ended, weakens_record=True, after=lambda: ports.event_archives.delete(archive.archive_id))


async def find_archive(ports: ApiPorts, call: Call, name: str) -> EventArchive:
    """Return an archive of account and Region; raises ResourceNotFoundException."""
    found = await ports.event_rules.event_archive(event_archive_arn(call.region, call.account_id, name))
    if found is None:
        raise ResourceNotFoundException.archive(name)
    return found


def _check_supported(given: dict[str, Any]) -> None:
    if given.get("KmsKeyIdentifier"):
        raise ValidationFailed("KmsKeyIdentifier is not supported by this installation.")


async def _checked(pattern: str) -> str:
    try:
        if pattern:
            await asyncio.to_thread(parse_event_pattern, pattern)
    except InvalidPattern as error:
        raise InvalidEventPatternException(str(error)) from error
    return pattern


def _settings(archive: EventArchive) -> tuple[SettingsEntry, ...]:
    rule = archive.rule
    return SettingsEntry(archive.arn, archive.to_json()), SettingsEntry(rule.arn, rule.to_json())


def _told(archive: EventArchive) -> dict[str, Any]:
    return {"ArchiveArn": archive.arn, "State": _STATE, "CreationTime": archive.created_at}


async def _state(ports: ApiPorts, archive: EventArchive) -> str:
    rule = await ports.event_rules.rule(archive.rule.arn)
    return _STATE if rule is not None and rule.targets else _WITHOUT_RULE


async def _listed(ports: ApiPorts, archive: EventArchive) -> dict[str, Any]:
    size = await ports.event_archives.size(archive.archive_id)
    return {
        "ArchiveName": archive.name,
        "EventSourceArn": archive.bus_arn,
        "State": await _state(ports, archive),
        "RetentionDays": archive.retention_days,
        "SizeBytes": size.size_bytes,
        "EventCount": size.events,
        "CreationTime": archive.created_at,
    }
