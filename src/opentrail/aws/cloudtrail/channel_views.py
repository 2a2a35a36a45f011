"""Channels as operations show them, and how a caller's ARN or id finds one."""

import re

from opentrail.aws.cloudtrail.errors import ChannelNotFoundException
from opentrail.aws.cloudtrail.lake_errors import ChannelARNInvalidException
from opentrail.aws.service import ApiPorts, Call
from opentrail.protocol import Parameters
from opentrail.resource.channel import Channel

_REFERENCE = re.compile(
    r"(arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:\d{12}:channel/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)


def channel_settings(channel: Channel) -> Parameters:
    """Return the members that all operations which describe a channel have."""
    return {
        "ChannelArn": channel.arn,
        "Name": channel.name,
        "Source": channel.source,
        "Destinations": list(channel.destinations),
    }


def is_channel_reference(given: str) -> bool:
    """Say whether ``given`` has the form of a channel's ARN or id."""
    return _REFERENCE.fullmatch(given) is not None


async def channel_named(ports: ApiPorts, call: Call, given: str) -> Channel | None:
    """Return the account's channel of the called Region that an ARN or id names, None when there is none."""
    for channel in await ports.event_data_stores.channels(call.account_id):
        if channel.region == call.region and given in (channel.arn, channel.id):
            return channel
    return None


async def find_channel(ports: ApiPorts, call: Call, given: str) -> Channel:
    """Return the channel that an ARN or id names; raises ChannelARNInvalid, ChannelNotFound."""
    channel = await channel_named(ports, call, given)
    if channel is None:
        if not is_channel_reference(given):
            raise ChannelARNInvalidException(given)
        raise ChannelNotFoundException(given)
    return channel
