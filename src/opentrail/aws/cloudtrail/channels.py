"""Channels: create, show, list, change, delete (reference: api section 8)."""

from dataclasses import replace
from typing import Any

from opentrail.aws.cloudtrail.channel_views import channel_settings, find_channel
from opentrail.aws.cloudtrail.errors import InvalidParameterException
from opentrail.aws.cloudtrail.event_data_store_views import find_store
from opentrail.aws.cloudtrail.lake_errors import (
    ChannelAlreadyExistsException,
    ChannelMaxLimitExceededException,
    InactiveEventDataStoreException,
    InvalidEventDataStoreCategoryException,
    InvalidSourceException,
)
from opentrail.aws.cloudtrail.page_tokens import page_of
from opentrail.aws.cloudtrail.tag_rules import check_tags, merged_tags, wire_tags
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pipeline.channel_statuses import IngestionStatus
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.channel import CUSTOM_SOURCE, Channel, channel_arn
from opentrail.resource.event_data_store import EventDataStoreKind

CHANNELS_PER_REGION = 25
"""CloudTrail's quota."""


async def create_channel(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new channel for events of one's own applications; no partner's integration is known here."""
    parameters = call.parameters
    tags = parameters.get("Tags", ())
    check_tags(tags)
    merged = merged_tags({}, tags)
    if parameters["Source"] != CUSTOM_SOURCE:
        raise InvalidSourceException(parameters["Source"])
    channel = Channel(
        arn=channel_arn(call.region, call.account_id, ports.identifiers.uuid()),
        name=parameters["Name"],
        account_id=call.account_id,
        region=call.region,
        source=parameters["Source"],
        destinations=await _channel_destinations(ports, call, parameters["Destinations"]),
    )
    others = await _check_channel_name(ports, channel)
    if others >= CHANNELS_PER_REGION:
        raise ChannelMaxLimitExceededException(CHANNELS_PER_REGION)

    async def set_tags() -> None:
        await ports.trails.set_tags(channel.arn, merged)

    output = channel_settings(channel) | {"Tags": wire_tags(merged)}
    return Outcome(output, settings=(SettingsEntry(channel.arn, channel.to_json()),), before=set_tags)


async def get_channel(ports: ApiPorts, call: Call) -> Outcome:
    """Show one channel, and how its ingestion went last."""
    channel = await find_channel(ports, call, call.parameters["Channel"])
    status = ports.channel_statuses.of(channel.arn)
    told = {} if status is None else _ingestion_status(status)
    return Outcome(channel_settings(channel) | {"IngestionStatus": told})


def _ingestion_status(status: IngestionStatus) -> dict[str, Any]:
    told = {
        "LatestIngestionSuccessTime": status.succeeded_at,
        "LatestIngestionSuccessEventID": status.succeeded_event_id,
        "LatestIngestionErrorCode": status.error_code,
        "LatestIngestionAttemptTime": status.attempted_at,
        "LatestIngestionAttemptEventID": status.attempted_event_id,
    }
    return {name: value for name, value in told.items() if value}


async def list_channels(ports: ApiPorts, call: Call) -> Outcome:
    """List the account's channels of the called Region."""
    channels = [one for one in await ports.event_data_stores.channels(call.account_id) if one.region == call.region]
    page, token = page_of(call, channels, lambda channel: channel.arn)
    return Outcome({"Channels": [{"ChannelArn": one.arn, "Name": one.name} for one in page], **token})


async def update_channel(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the change of a channel's name or destinations."""
    channel = await find_channel(ports, call, call.parameters["Channel"])
    given = call.parameters
    if "Name" not in given and "Destinations" not in given:
        raise InvalidParameterException.nothing_to_update()
    changed = replace(channel, name=given.get("Name", channel.name))
    if "Destinations" in given:
        changed = replace(changed, destinations=await _channel_destinations(ports, call, given["Destinations"]))
    await _check_channel_name(ports, changed)
    settings = (SettingsEntry(changed.arn, changed.to_json()),)
    return Outcome(channel_settings(changed), settings=settings, weakens_record=True)


async def delete_channel(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a channel; what it brought stays."""
    channel = await find_channel(ports, call, call.parameters["Channel"])
    return Outcome(settings=(SettingsEntry(channel.arn, None),), weakens_record=True)


async def _channel_destinations(ports: ApiPorts, call: Call, given: Any) -> tuple[dict[str, Any], ...]:
    """Return the destinations with whole ARNs; raises unless each is an active event data store for such events."""
    found: dict[str, dict[str, Any]] = {}
    for destination in given:
        if destination["Type"] != "EVENT_DATA_STORE":
            raise InvalidParameterException.bad_destination(destination["Type"])
        store = await find_store(ports, call, destination["Location"])
        if store.kind is not EventDataStoreKind.ACTIVITY_AUDIT_LOG:
            raise InvalidEventDataStoreCategoryException(store.arn, store.kind)
        if not store.is_ingesting:
            raise InactiveEventDataStoreException(store.arn)
        if store.arn in found:
            raise InvalidParameterException.repeated_destination(store.arn)
        found[store.arn] = {"Type": destination["Type"], "Location": store.arn}
    return tuple(found.values())


async def _check_channel_name(ports: ApiPorts, channel: Channel) -> int:
    """Return how many other channels the Region has; raises ChannelAlreadyExists when one of them has the name."""
    others = [
        other
        for other in await ports.event_data_stores.channels(channel.account_id)
        if other.region == channel.region and other.arn != channel.arn
    ]
    if any(other.name == channel.name for other in others):
        raise ChannelAlreadyExistsException.of_name(channel.name)
    return len(others)
