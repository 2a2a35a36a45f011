"""The API server over in-memory ports: for one event loop, or in a thread of its own for other people's clients."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson
import uvicorn

from opentrail.aws.server import ApiServer, asgi_app
from opentrail.event import Event
from opentrail.event.encoding import decode_event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.identity import Credential
from opentrail.pipeline.history import HistoryFeeder
from opentrail.pipeline.regions import EnabledRegions
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports.journal import EventEntry
from opentrail.protocol import sigv4
from opentrail.record.events import EventBuilder
from tests.builders import ACCOUNT, REGION, HandClock, World, a_credential, a_request

_Result = TypeVar("_Result")

START_SECONDS = 20
TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"


def api_server(world: World) -> ApiServer:
    """Return an API server over the ports of ``world``."""
    regions = EnabledRegions(world.journal)
    events = EventBuilder(
        default_account_id=ACCOUNT, default_region=REGION, regions=regions.names, identifiers=world.identifiers
    )
    view = SettingsView(world.journal, world.trails)
    return ApiServer(world.ports, world.journal, events, regions=regions, settings_view=view)


def recorded(world: World) -> list[Event]:
    """Return the events in the journal, oldest first."""
    return [decode_event(entry.event) for entry in world.journal.entries() if isinstance(entry, EventEntry)]


def signed(
    request: HttpRequest, service: str, world: World, *, credential: Credential | None = None, region: str = REGION
) -> HttpRequest:
    """Return ``request`` signed at the world's time."""
    credential = credential or a_credential()
    return sigv4.sign(
        request,
        access_key_id=credential.access_key_id,
        secret_access_key=credential.secret_access_key,
        region=region,
        signing_name=service,
        now=world.clock.now(),
        session_token=credential.session_token,
    )


def cloudtrail_request(operation: str, parameters: Mapping[str, Any] | None = None) -> HttpRequest:
    """Return an unsigned CloudTrail request."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{TARGET}.{operation}"}
    return a_request(body=orjson.dumps(dict(parameters or {})), headers=headers)


def sts_request(form: str) -> HttpRequest:
    """Return an unsigned STS request with a form body."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return a_request(body=f"{form}&Version=2011-06-15".encode(), headers=headers)


async def call_cloudtrail(
    server: ApiServer,
    world: World,
    operation: str,
    parameters: Mapping[str, Any] | None = None,
    **signing: Any,
) -> tuple[HttpResponse, dict[str, Any]]:
    """Make a signed CloudTrail call; return the response and its JSON."""
    response = await server.handle(signed(cloudtrail_request(operation, parameters), "cloudtrail", world, **signing))
    return response, orjson.loads(response.body or b"{}")


class ShiftedClock(HandClock):
    """The real time, which real clients sign with, moved ahead by what a test advances it."""

    def __init__(self) -> None:
        super().__init__()
        self._shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift

    def advance(self, seconds: float) -> None:
        self._shift += timedelta(seconds=seconds)


class ApiInThread:
    """An API server with Event history on a free loopback port, on an event loop in a thread of its own."""

    def __init__(self) -> None:
        self.world = World(clock=ShiftedClock())
        self._started = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        """Start the thread; requests are answered from now on."""
        self._thread.start()
        assert self._started.wait(START_SECONDS)
        self.do(self.world.identities.add_credential(a_credential()))

    def stop(self) -> None:
        """Stop the server and wait for its thread."""
        self._server.should_exit = True
        self._thread.join(START_SECONDS)

    def do(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run ``work`` on the server's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        api = api_server(self.world)
        config = uvicorn.Config(
            asgi_app(api.handle), log_level="warning", lifespan="off", server_header=False, date_header=True
        )
        self._server = uvicorn.Server(config)
        feeder = asyncio.create_task(HistoryFeeder(self.world.journal, self.world.history, self.world.clock).run())
        self._started.set()  # the socket listens already: connections wait for the server
        await self._server.serve(sockets=[self._socket])
        feeder.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeder
        await api.close()
