"""Log streams: create, delete, describe."""

from collections.abc import Mapping
from typing import Any

from opentrail.aws.logs.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.aws.logs.naming import find_group, find_stream
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.log_groups import LogGroupNotFound, LogNameTaken
from opentrail.ports.log_store import StreamFigures
from opentrail.protocol import Parameters
from opentrail.resource.log_group import LogGroup, LogStream, log_stream_arn, milliseconds

STREAMS_PER_GROUP = 10_000
"""Streams of a group; CloudWatch Logs has no bound."""

_PAGE = 50
_NEVER = -1
"""Where streams without events stand when they are ordered by their last event."""


async def create_log_stream(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new stream of a group."""
    group = await find_group(ports, call)
    name: str = call.parameters["logStreamName"]
    if await ports.log_groups.stream(group.group_id, name) is not None:
        raise ResourceAlreadyExistsException.stream()
    if len(await ports.log_groups.streams(group.group_id)) >= STREAMS_PER_GROUP:
        raise InvalidParameterException.streams(STREAMS_PER_GROUP)
    stream = LogStream(ports.identifiers.uuid(), name, call.received_at)

    async def create() -> None:
        try:
            await ports.log_groups.create_stream(group.group_id, stream)
        except LogNameTaken:
            raise ResourceAlreadyExistsException.stream() from None
        except LogGroupNotFound:
            raise ResourceNotFoundException.group() from None

    return Outcome(after=create)


async def delete_log_stream(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a stream with its events. On record before it takes effect."""
    group = await find_group(ports, call)
    stream = await find_stream(ports, group, call.parameters["logStreamName"])

    async def delete() -> None:
        await ports.log_groups.delete_stream(group.group_id, stream.name)
        await ports.log_store.remove_stream(group.group_id, stream.stream_id)

    return Outcome(after=delete)


async def describe_log_streams(ports: ApiPorts, call: Call) -> Outcome:
    """Show a group's streams, by name or by the time of their last event, from either end."""
    parameters = call.parameters
    prefix, limit = parameters.get("logStreamNamePrefix", ""), parameters.get("limit", _PAGE)
    is_by_time = parameters.get("orderBy") == "LastEventTime"
    if is_by_time and prefix:
        raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group = await find_group(ports, call)
    figures = await ports.log_store.figures(group.group_id)
    streams = [stream for stream in await ports.log_groups.streams(group.group_id) if stream.name.startswith(prefix)]
    is_descending = parameters.get("descending", False)
    placed = [(_place_of(stream, figures, is_by_time), stream) for stream in streams]
    placed.sort(key=lambda one: one[0], reverse=is_descending)
    if "nextToken" in parameters:
        after: Any = tuple(read_token(call, parameters["nextToken"]))
        placed = [one for one in placed if (one[0] < after if is_descending else one[0] > after)]
    output: Parameters = {"logStreams": [_described_stream(group, stream, figures) for _, stream in placed[:limit]]}
    if len(placed) > limit:
        output["nextToken"] = token(call, list(placed[limit - 1][0]))
    return Outcome(output)


def _place_of(stream: LogStream, figures: Mapping[str, StreamFigures], is_by_time: bool) -> tuple[int, str]:
    found = figures.get(stream.stream_id) if is_by_time else None
    return (found.last_timestamp if found is not None else _NEVER, stream.name)


def _described_stream(group: LogGroup, stream: LogStream, figures: Mapping[str, StreamFigures]) -> Parameters:
    shown: Parameters = {
        "logStreamName": stream.name,
        "creationTime": milliseconds(stream.created_at),
        "arn": log_stream_arn(group.arn, stream.name),
        "storedBytes": 0,
    }
    found = figures.get(stream.stream_id)
    if found is None:
        return shown
    return shown | {
        "firstEventTimestamp": found.first_timestamp,
        "lastEventTimestamp": found.last_timestamp,
        "lastIngestionTime": found.last_ingested_at,
        "uploadSequenceToken": sequence_token(stream),
    }


def sequence_token(stream: LogStream) -> str:
    """Return the sequence token of a stream, which CloudWatch Logs still answers and nobody needs any more."""
    return f"49{int(stream.stream_id.replace('-', '') or '0', 16):054d}"[:56]
