"""Tokens for connections, asked of their authorization servers and kept in memory alone (port: api_destinations)."""

import asyncio
from collections import OrderedDict

import orjson

from opentrail.deliver.api_request import read_token, token_request
from opentrail.deliver.target_input import InvalidInput
from opentrail.outgoing.call import Answer, Call, NoAnswer, call
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import DestinationRefused, Guard
from opentrail.ports import Unavailable
from opentrail.ports.api_destinations import Connections
from opentrail.ports.targets import TargetRefused
from opentrail.resource.api_destination import Connection

ANSWER_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_TOKENS = 3_000
"""Kept at a time; of more, the longest unused is asked for again."""

EARLY_SECONDS = 60.0
"""A token is no longer used so long before it ends, or in the last tenth of a shorter life."""

_OFFERED = {"Accept-Encoding": "identity"}


class OAuthTokens:
    """Implements TokenSource. Those who want the token of one connection at the same time wait for one request."""

    def __init__(self, connections: Connections, guard: Guard) -> None:
        self._connections = connections
        self._guard = guard
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[str]] = {}

    async def token(self, connection: Connection) -> str:
        name = f"{connection.arn}/{connection.revision}"
        if good := self._good(name):
            return good
        if name not in self._asking:
            self._asking[name] = asyncio.create_task(self._ask(name, connection))
            self._asking[name].add_done_callback(lambda task: self._asked(name, task))
        return await asyncio.shield(self._asking[name])

    def _asked(self, name: str, task: "asyncio.Task[str]") -> None:
        del self._asking[name]
        if not task.cancelled():
            task.exception()  # those who waited have it; nobody may have

    def forget(self, connection: Connection, token: str) -> None:
        name = f"{connection.arn}/{connection.revision}"
        if self._kept.get(name, ("",))[0] == token:
            del self._kept[name]

    def _good(self, name: str) -> str:
        token, until = self._kept.get(name, ("", 0.0))
        if not token or asyncio.get_running_loop().time() >= until:
            return ""
        self._kept.move_to_end(name)
        return token

    async def _ask(self, name: str, connection: Connection) -> str:
        secrets = await self._connections.secrets(connection)
        if not secrets:
            raise TargetRefused("NO_PERMISSIONS", f"the connection {connection.name} is not authorized")
        answer = await self._answer(secrets)
        found = read_token(answer.body) if 200 <= answer.status < 300 else None
        if found is None:
            raise Unavailable(f"the authorization server answered {answer.status}, without a token")
        early = min(EARLY_SECONDS, found.seconds / 10)
        self._kept[name] = found.value, asyncio.get_running_loop().time() + found.seconds - early
        if len(self._kept) > MAX_TOKENS:
            self._kept.popitem(last=False)
        return found.value

    async def _answer(self, secrets: bytes) -> Answer:
        try:
            asked = token_request(orjson.loads(secrets))
            headers = {**asked.headers, **_OFFERED}
            wanted = Call(asked.method, asked.url, headers, asked.body, ANSWER_SECONDS, MAX_ANSWER_BYTES)
            return await call(wanted, self._guard)
        except NoAnswer as error:
            raise Unavailable(str(error)) from error
        except InvalidInput as error:
            raise TargetRefused("INVALID_PARAMETER", str(error)) from error
        except (DestinationRefused, UnusableUrl) as error:
            raise TargetRefused("NO_PERMISSIONS", str(error)) from error
