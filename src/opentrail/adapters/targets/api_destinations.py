"""API destinations as targets: HTTP endpoints called with their connection's credentials (reference: eventbridge,
section 5). What may be called is the guard's to say, of endpoints and authorization servers alike."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from opentrail.clock import Clock
from opentrail.deliver.api_request import invocation_request
from opentrail.deliver.target_input import InvalidInput
from opentrail.outgoing.call import Answer, Call, NoAnswer, call
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import DestinationRefused, Guard
from opentrail.ports import Unavailable
from opentrail.ports.api_destinations import ApiDestinations, Connections, TokenSource
from opentrail.ports.targets import Dispatch, TargetBusy, TargetRefused
from opentrail.resource.api_destination import ApiDestination, AuthorizationType, Connection

ANSWER_SECONDS = 5.0
"""EventBridge's own patience with an API destination."""

MAX_PACED = 10_000
"""API destinations of which it is known when they were last called; of more, the longest unused is forgotten."""

MAX_RETRY_AFTER = timedelta(hours=1)
"""Of what an endpoint asks for."""

_REFRESHING = frozenset({401, 407})
_TRY_AGAIN = frozenset({401, 407, 409, 429})
_CODES = {403: "NO_PERMISSIONS", 404: "NO_RESOURCE", 410: "NO_RESOURCE"}


class ApiDestinationTargets:
    """Implements Targets for API destinations. ``pause`` and ``monotonic`` keep each to its rate."""

    def __init__(
        self,
        destinations: ApiDestinations,
        connections: Connections,
        tokens: TokenSource,
        guard: Guard,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._destinations = destinations
        self._connections = connections
        self._tokens = tokens
        self._guard = guard
        self._clock = clock
        self._pause = pause
        self._next_call: OrderedDict[str, float] = OrderedDict()

    async def send(self, dispatch: Dispatch) -> None:
        destination = await self._destinations.get(dispatch.destination)
        if destination is None:
            raise TargetRefused("NO_RESOURCE", f"the API destination {dispatch.destination} does not exist")
        connection = await self._connections.get(destination.connection_arn)
        if connection is None:
            raise TargetRefused("NO_RESOURCE", f"the connection {destination.connection_arn} does not exist")
        secrets = await self._connections.secrets(connection)
        if not secrets:
            raise TargetRefused("NO_PERMISSIONS", f"the connection {connection.name} is not authorized")
        auth: Mapping[str, Any] = orjson.loads(secrets)
        if connection.authorization_type is not AuthorizationType.OAUTH:
            _judge(await self._call(destination, auth, dispatch, ""), self._clock)
            return
        await self._send_with_token(destination, connection, auth, dispatch)

    async def _send_with_token(
        self, destination: ApiDestination, connection: Connection, auth: Mapping[str, Any], dispatch: Dispatch
    ) -> None:
        """Call with a token; where a kept one is refused, once more with a fresh one."""
        token = await self._tokens.token(connection)
        answer = await self._call(destination, auth, dispatch, token)
        if answer.status in _REFRESHING:
            self._tokens.forget(connection, token)
            fresh = await self._tokens.token(connection)
            if fresh != token:
                answer = await self._call(destination, auth, dispatch, fresh)
        _judge(answer, self._clock)

    async def _call(
        self, destination: ApiDestination, auth: Mapping[str, Any], dispatch: Dispatch, token: str
    ) -> Answer:
        try:
            asked = invocation_request(destination, auth, dispatch.target, dispatch.event, dispatch.text, token)
        except InvalidInput as error:
            raise TargetRefused("INVALID_PARAMETER", str(error)) from error
        await self._wait_for_turn(destination)
        wanted = Call(asked.method, asked.url, asked.headers, asked.body, ANSWER_SECONDS)
        try:
            return await call(wanted, self._guard)
        except NoAnswer as error:
            raise Unavailable(str(error)) from error
        except (DestinationRefused, UnusableUrl) as error:
            raise TargetRefused("NO_PERMISSIONS", str(error)) from error

    async def _wait_for_turn(self, destination: ApiDestination) -> None:
        """Keep calls apart by what the API destination's rate leaves between two."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_call.pop(destination.arn, now))
        self._next_call[destination.arn] = turn + 1 / destination.rate_per_second
        if len(self._next_call) > MAX_PACED:
            self._next_call.popitem(last=False)
        if turn > now:
            await self._pause(turn - now)


def _judge(answer: Answer, clock: Clock) -> None:
    """Raise the port's error for any status but 2xx."""
    status = answer.status
    if 200 <= status < 300:
        return
    said = f"the endpoint answered {status}"
    if status in _TRY_AGAIN or status >= 500:
        asked = _retry_after(answer, clock)
        if asked is None:
            raise Unavailable(said)
        if asked < timedelta():
            raise TargetRefused("THROTTLING", f"{said}, not to be tried again")
        raise TargetBusy(said, min(asked, MAX_RETRY_AFTER))
    raise TargetRefused(_CODES.get(status, "INVALID_PARAMETER"), said)


def _retry_after(answer: Answer, clock: Clock) -> timedelta | None:
    """Return the answer's Retry-After, a number of seconds or a date; None when there is none that can be read."""
    text = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "").strip()
    try:
        seconds = float(text)
        if math.isfinite(seconds):
            return timedelta(seconds=max(min(seconds, MAX_RETRY_AFTER.total_seconds()), -1))
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(text) - clock.now(), timedelta())
    except (ValueError, TypeError, OverflowError):
        return None
