"""The installation's own log groups as targets: the text becomes a log event of the group's stream ``events``."""

from opentrail.clock import Clock, Identifiers
from opentrail.ports.log_groups import LogGroupNotFound, LogGroups, LogNameTaken
from opentrail.ports.log_store import LogEvent, LogStore, key_of
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.log_group import LogGroup, LogStream, milliseconds, parse_group_arn

STREAM = "events"

MAX_TEXT_BYTES = 256 * 1024
"""Of one log event; CloudWatch Logs' own bound of a message from EventBridge."""


class OwnLogGroups:
    """Implements Targets for log groups. A text that is delivered twice is there twice."""

    def __init__(self, groups: LogGroups, store: LogStore, clock: Clock, identifiers: Identifiers) -> None:
        self._groups = groups
        self._store = store
        self._clock = clock
        self._identifiers = identifiers

    async def send(self, dispatch: Dispatch) -> None:
        if not dispatch.text or len(dispatch.text.encode()) > MAX_TEXT_BYTES:
            raise TargetRefused("INVALID_PARAMETER", f"a log event has 1 to {MAX_TEXT_BYTES} bytes")
        group = await self._group(dispatch.destination)
        stream = await self._stream(group)
        now = milliseconds(self._clock.now())
        await self._store.append(
            group.group_id, [LogEvent(stream.stream_id, now, now, dispatch.text)], key=key_of(group)
        )

    async def _group(self, arn: str) -> LogGroup:
        try:
            region, account_id, name = parse_group_arn(arn)
        except ValueError as error:
            raise TargetRefused("NO_RESOURCE", str(error)) from error
        group = await self._groups.group(account_id, region, name)
        if group is None:
            raise TargetRefused("NO_RESOURCE", f"there is no log group {arn}")
        return group

    async def _stream(self, group: LogGroup) -> LogStream:
        """Return the stream, made when it is not there; another delivery may make it at the same time."""
        found = await self._groups.stream(group.group_id, STREAM)
        if found is not None:
            return found
        made = LogStream(self._identifiers.uuid(), STREAM, self._clock.now())
        try:
            await self._groups.create_stream(group.group_id, made)
        except LogGroupNotFound as error:
            raise TargetRefused("NO_RESOURCE", f"there is no log group {group.arn}") from error
        except LogNameTaken:
            return await self._groups.stream(group.group_id, STREAM) or made
        return made
