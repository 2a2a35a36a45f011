"""API destinations over real HTTP on loopback: credentials, tokens, statuses, rates, and places that are not called."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opentrail.adapters.targets.api_destinations import ApiDestinationTargets
from opentrail.adapters.targets.oauth_tokens import OAuthTokens
from opentrail.adapters.targets.own_events import OwnEvents
from opentrail.outgoing.guard import CredentialGuard
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch, TargetBusy, TargetRefused
from opentrail.resource.api_destination import AuthorizationType, Connection
from tests.builders import HandClock
from tests.conformance.ports.test_api_destinations import a_connection, a_destination
from tests.memory.api_destinations import InMemoryApiDestinations, InMemoryConnections
from tests.support.http_recorder import Asked, HttpRecorder, Reply, http_recorder

DESTINATION = a_destination().arn
BASIC = {"BasicAuthParameters": {"Username": "u", "Password": "p"}}


@pytest.fixture
def web() -> Iterator[HttpRecorder]:
    with http_recorder() as recorder:
        yield recorder


class Calling:
    """API destinations with stores in memory; ``pauses`` are those that a rate made."""

    def __init__(self, allowed: tuple[str, ...] = ("127.0.0.1",)) -> None:
        self.connections, self.destinations = InMemoryConnections(), InMemoryApiDestinations()
        guard = CredentialGuard(allowed)
        self.tokens = OAuthTokens(self.connections, guard)
        self.pauses: list[float] = []
        self.targets = ApiDestinationTargets(
            self.destinations, self.connections, self.tokens, guard, HandClock(), self._pause
        )

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def have(self, url: str, auth: dict[str, Any] = BASIC, **changes: Any) -> None:
        await self.connections.put(a_connection(), json.dumps(auth).encode())
        await self.destinations.put(a_destination(endpoint=url, **changes))

    async def have_oauth(self, web: HttpRecorder) -> Connection:
        auth = {
            "OAuthParameters": {
                "ClientParameters": {"ClientID": "id", "ClientSecret": "s"},
                "AuthorizationEndpoint": f"{web.url}/token",
                "HttpMethod": "POST",
            }
        }
        await self.have(f"{web.url}/in", auth)
        connection = a_connection(authorization_type=AuthorizationType.OAUTH)
        await self.connections.put(connection, None)
        return connection

    async def send(self, text: str = '{"a":1}', **http: Any) -> None:
        await self.targets.send(Dispatch("id-1", DESTINATION, text, b'{"id":"e"}', {"HttpParameters": http}))


class TokenServer:
    """Gives tokens t1, t2, ...; its API takes those in ``good``."""

    def __init__(self, web: HttpRecorder, *good: str) -> None:
        self.given = 0
        self.good = good
        web.reply = self.reply

    def reply(self, asked: Asked) -> Reply:
        if asked.target == "/token":
            self.given += 1
            return Reply(200, json.dumps({"access_token": f"t{self.given}", "expires_in": 3600}).encode())
        return Reply(200 if asked.headers["authorization"].removeprefix("Bearer ") in self.good else 401)


async def test_the_text_reaches_the_endpoint_with_the_connections_credentials(web: HttpRecorder) -> None:
    calling = Calling()
    await calling.have(f"{web.url}/in/*", method="PUT")

    await calling.send(PathParameterValues=["x"], QueryStringParameters={"q": "1"})

    (asked,) = web.asked
    assert (asked.method, asked.target, asked.body) == ("PUT", "/in/x?q=1", b'{"a":1}')
    assert asked.headers["authorization"] == "Basic dTpw"
    assert asked.headers["user-agent"] == "Amazon/EventBridge/ApiDestinations"


@pytest.mark.parametrize("status", [401, 407, 409, 429, 500, 503, 599])
async def test_a_status_that_may_pass_is_tried_again(web: HttpRecorder, status: int) -> None:
    calling = Calling()
    await calling.have(web.url)
    web.reply = lambda asked: Reply(status)

    with pytest.raises(Unavailable, match=f"answered {status}"):
        await calling.send()


@pytest.mark.parametrize(
    ("status", "code"), [(400, "INVALID_PARAMETER"), (403, "NO_PERMISSIONS"), (404, "NO_RESOURCE")]
)
async def test_any_other_status_is_not(web: HttpRecorder, status: int, code: str) -> None:
    calling = Calling()
    await calling.have(web.url)
    web.reply = lambda asked: Reply(status)

    with pytest.raises(TargetRefused) as refused:
        await calling.send()

    assert refused.value.code == code


async def test_a_redirect_is_not_followed(web: HttpRecorder) -> None:
    calling = Calling()
    await calling.have(web.url)
    web.reply = lambda asked: Reply(307, headers=(("Location", f"{web.url}/other"),))

    with pytest.raises(TargetRefused):
        await calling.send()

    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("Fri, 20 Nov 2026 12:00:30 GMT", 30), ("999999", 3600), ("0", 0)]
)
async def test_an_endpoint_is_left_alone_as_long_as_it_asks(web: HttpRecorder, text: str, seconds: int) -> None:
    calling = Calling()
    await calling.have(web.url)
    web.reply = lambda asked: Reply(429, headers=(("Retry-After", text),))

    with pytest.raises(TargetBusy) as busy:
        await calling.send()

    assert busy.value.retry_after == timedelta(seconds=seconds)


async def test_a_negative_time_ends_the_tries_and_an_unreadable_one_counts_for_nothing(web: HttpRecorder) -> None:
    calling = Calling()
    await calling.have(web.url)
    web.reply = lambda asked: Reply(503, headers=(("Retry-After", "-1"),))
    with pytest.raises(TargetRefused):
        await calling.send()

    web.reply = lambda asked: Reply(503, headers=(("Retry-After", "soon"),))
    with pytest.raises(Unavailable) as waiting:
        await calling.send()

    assert not isinstance(waiting.value, TargetBusy)


async def test_a_token_is_asked_for_once_and_used_until_it_is_refused(web: HttpRecorder) -> None:
    calling, server = Calling(), TokenServer(web, "t1")
    await calling.have_oauth(web)

    await asyncio.gather(*(calling.send() for _ in range(5)))
    assert server.given == 1
    server.good = ("t2",)
    await calling.send()
    await calling.send()

    assert server.given == 2
    assert web.asked[-1].headers["authorization"] == "Bearer t2"


async def test_a_fresh_token_that_is_refused_is_tried_again_later(web: HttpRecorder) -> None:
    calling, server = Calling(), TokenServer(web)
    await calling.have_oauth(web)

    with pytest.raises(Unavailable, match="401"):
        await calling.send()

    assert server.given == 2


async def test_a_server_that_gives_no_token_keeps_the_event_waiting(web: HttpRecorder) -> None:
    calling = Calling()
    await calling.have_oauth(web)
    web.reply = lambda asked: Reply(400, b'{"error":"invalid_client"}')

    with pytest.raises(Unavailable, match="authorization server answered 400"):
        await calling.send()


async def test_a_changed_secret_is_worth_a_token_of_its_own(web: HttpRecorder) -> None:
    calling, server = Calling(), TokenServer(web, "t1", "t2")
    connection = await calling.have_oauth(web)
    await calling.send()

    changed = replace(connection, revision="2")
    await calling.connections.put(changed, await calling.connections.secrets(connection))
    await calling.send()

    assert server.given == 2


async def test_calls_are_kept_apart_by_the_rate(web: HttpRecorder) -> None:
    calling = Calling()
    await calling.have(web.url, rate_per_second=2)

    await asyncio.gather(*(calling.send() for _ in range(3)))

    first, second = calling.pauses
    assert 0.3 < first <= 0.5 < second <= 1.0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/in", "https://169.254.169.254/latest", "http://[::1]/in"])
async def test_a_private_address_is_called_only_where_the_settings_allow_it(url: str) -> None:
    calling = Calling(allowed=())
    await calling.have(url)

    with pytest.raises(TargetRefused, match=r"outgoing\.allow") as refused:
        await calling.send()

    assert refused.value.code == "NO_PERMISSIONS"


async def test_no_token_is_asked_for_at_a_private_address(web: HttpRecorder) -> None:
    calling = Calling(allowed=())
    await calling.have_oauth(web)

    with pytest.raises(TargetRefused, match=r"outgoing\.allow"):
        await calling.send()

    assert web.asked == []


async def test_what_does_not_exist_and_what_has_no_secrets_is_refused(web: HttpRecorder) -> None:
    calling = Calling()
    with pytest.raises(TargetRefused, match="API destination"):
        await calling.send()
    await calling.have(web.url)
    await calling.connections.put(a_connection(), b"")
    with pytest.raises(TargetRefused, match="not authorized"):
        await calling.send()
    await calling.connections.delete(a_connection().arn)
    with pytest.raises(TargetRefused, match="connection"):
        await calling.send()
    assert web.asked == []


async def test_buses_api_destinations_and_archives_are_told_apart_by_their_arn() -> None:
    sent: list[str] = []

    class Sender:
        def __init__(self, name: str) -> None:
            self.name = name

        async def send(self, dispatch: Dispatch) -> None:
            sent.append(self.name)

    own = OwnEvents(Sender("bus"), Sender("api"), Sender("archive"))
    for resource in ("api-destination/d/u-1", "event-bus/b", "archive/a"):
        await own.send(Dispatch("id", DESTINATION.replace("api-destination/d/u-1", resource), "", b"{}", {}))

    assert sent == ["api", "bus", "archive"]
