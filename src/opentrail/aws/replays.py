"""Replays over HTTP: operations of ours beside CloudTrail's, signed, authorised and recorded as those are.

``X-Amz-Target: Opentrail.StartReplay``, ``Opentrail.GetReplay``, ``Opentrail.CancelReplay``, signed for cloudtrail: a
JSON object in, a JSON object out (docs/replay.md). No service model has them, so they are read and written here.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from opentrail.aws.authorization import authorise
from opentrail.aws.common_errors import MalformedCall, UnknownOperation
from opentrail.aws.service import ApiPorts, Call, Requirement
from opentrail.errors import AwsError
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.query.replay.replays import Replay, Replays, TooManyReplays
from opentrail.query.replay.requests import HISTORY, ReplayRequest, read_request
from opentrail.query.replay.rules import InvalidReplay

PREFIX = "Opentrail."
OPERATIONS = frozenset({"StartReplay", "GetReplay", "CancelReplay"})

MAX_RECORDED_CHARACTERS = 256
"""Of a text that the event of such a call has."""


class InvalidReplayException(AwsError):
    """The replay cannot be run as it is asked for."""


class ReplayNotFoundException(AwsError):
    """The account has no such replay; one that ended is kept for an hour."""

    def __init__(self) -> None:
        super().__init__("There is no such replay; replays that ended are kept for an hour.")


class ReplayLimitExceededException(AwsError):
    """As many replays wait as may."""


def replay_operation(request: HttpRequest) -> str:
    """Return which of OPERATIONS a request asks for, "" for none."""
    target = request.headers.get("x-amz-target")
    name = target.removeprefix(PREFIX)
    return name if target.startswith(PREFIX) and name in OPERATIONS else ""


def read_parameters(request: HttpRequest) -> dict[str, Any]:
    """Return the request's JSON object. Raises MalformedCall."""
    try:
        given = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise MalformedCall("SerializationException", "The request is no JSON.") from error
    if not isinstance(given, dict):
        raise MalformedCall("SerializationException", "The request is no JSON object.")
    return given


def recorded_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the call's event says of its parameters: which events were asked for, not the rules."""
    names = {"Source": "source", "StartTime": "startTime", "EndTime": "endTime", "ReplayId": "replayId"}
    said: dict[str, Any] = {
        shown: str(given[name])[:MAX_RECORDED_CHARACTERS] for name, shown in names.items() if given.get(name)
    }
    rules = given.get("Rules")
    return said | ({"rules": len(rules)} if isinstance(rules, list) else {})


async def answer_replay(ports: ApiPorts, call: Call) -> dict[str, Any]:
    """Answer one call. Raises AwsError."""
    replays = ports.replays
    if replays is None:
        raise UnknownOperation("This installation replays nothing.")
    try:
        if call.operation.name == "StartReplay":
            return await _start(ports, replays, call)
        replay = replays.find(str(call.parameters.get("ReplayId", "")), call.account_id)
        if replay is None:
            raise ReplayNotFoundException
        await authorise(ports.identities, call, _requirements(replay.source))
        if call.operation.name == "CancelReplay":
            await replays.cancel(replay)
        return _shown(replay)
    except InvalidReplay as error:
        raise InvalidReplayException(str(error)) from error
    except TooManyReplays as error:
        raise ReplayLimitExceededException(str(error)) from error


def json_answer(output: Mapping[str, Any], request_id: str) -> HttpResponse:
    """Return an answer as AWS JSON 1.1 has it."""
    body = orjson.dumps(output)
    headers = (("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", request_id))
    return HttpResponse(200, headers, body, len(body))


async def _start(ports: ApiPorts, replays: Replays, call: Call) -> dict[str, Any]:
    request: ReplayRequest = read_request(call.parameters, call.received_at)
    if request.account_id not in ("", call.account_id):
        raise InvalidReplay("AccountId is the caller's own, or left out")
    source = HISTORY if request.source == HISTORY else await _arn(ports, replays, request, call)
    await authorise(ports.identities, call, _requirements(source))
    return {"ReplayId": replays.start(request, call.account_id, source).id}


async def _arn(ports: ApiPorts, replays: Replays, request: ReplayRequest, call: Call) -> str:
    try:
        store = await replays.runner.store_of(request, call.account_id)
    except InvalidReplay:  # nobody learns whether a store is there who may query none
        await authorise(ports.identities, call, _requirements("*"))
        raise
    assert store is not None
    return store.arn


def _requirements(source: str) -> tuple[Requirement, ...]:
    """Return the permissions that reading the same events otherwise takes."""
    if source == HISTORY:
        return (Requirement("cloudtrail:LookupEvents", "*"),)
    return Requirement("cloudtrail:StartQuery", source), Requirement("cloudtrail:GetQueryResults", source)


def _shown(replay: Replay) -> dict[str, Any]:
    return {name: value for name, value in replay.to_wire().items() if value not in ("", None)}
