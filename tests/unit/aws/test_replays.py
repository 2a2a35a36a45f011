"""Replays over HTTP: signed, authorised, recorded."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from opentrail.aws.server import ApiServer
from opentrail.query.replay.replays import ReplayRunner, Replays
from tests.builders import ACCOUNT, World, a_credential, a_request, a_user, a_user_principal, an_event
from tests.memory.counting import InMemoryCounting
from tests.support.api import api_server, recorded, signed

DENIED = '{ $.errorCode = "AccessDenied*" }'
RULE = {"Name": "denied", "Rule": DENIED, "Alarm": {"Threshold": 2, "Period": 60}}


class Served:
    """An API server whose history has three events, two of them refused."""

    def __init__(self, world: World) -> None:
        times = ("12:00:10", "12:00:20", "12:05:00")
        errors: tuple[dict[str, Any], ...] = ({"errorCode": "AccessDenied"}, {"errorCode": "AccessDeniedException"}, {})
        self.counting = InMemoryCounting(
            [an_event(eventTime=f"2026-11-20T{at}Z", **error) for at, error in zip(times, errors, strict=True)]
        )
        runner = ReplayRunner(self.counting, None, None, world.event_data_stores, self._regions)
        self.replays = Replays(runner, world.clock, world.identifiers)
        world.ports = replace(world.ports, replays=self.replays)
        self.world = world
        self.server: ApiServer = api_server(world)

    async def _regions(self) -> list[str]:
        return ["eu-west-1"]

    async def call(self, name: str, parameters: Any, **signing: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Opentrail.{name}"}
        body = parameters if isinstance(parameters, bytes) else orjson.dumps(parameters)
        request = signed(a_request(body=body, headers=headers), "cloudtrail", self.world, **signing)
        response = await self.server.handle(request)
        return response.status, orjson.loads(response.body or b"{}")

    async def finished(self, replay_id: str, **signing: Any) -> dict[str, Any]:
        while True:
            _, answer = await self.call("GetReplay", {"ReplayId": replay_id}, **signing)
            if answer["State"] not in ("WAITING", "RUNNING"):
                return answer
            await asyncio.sleep(0)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    world = World()
    await world.identities.add_credential(a_credential())
    found = Served(world)
    yield found
    await found.replays.close()


async def test_a_replay_is_started_and_answers_its_report(served: Served) -> None:
    status, started = await served.call(
        "StartReplay", {"Rules": [RULE], "StartTime": "2026-11-20T11:00:00Z", "EndTime": "2026-11-20T13:00:00Z"}
    )
    answer = await served.finished(started["ReplayId"])
    rule = answer["Report"]["Rules"][0]

    assert (status, answer["State"]) == (200, "FINISHED")
    assert (rule["Matches"], rule["FirstTime"], rule["LastTime"]) == (2, "2026-11-20T12:00:10Z", "2026-11-20T12:00:20Z")
    assert rule["Alarm"]["Transitions"][0]["Time"] == "2026-11-20T12:01:00Z"
    assert rule["Examples"][0]["Conditions"][0]["Found"] == '"AccessDeniedException"'


async def test_its_calls_are_on_record_without_the_rules(served: Served) -> None:
    _, started = await served.call("StartReplay", {"Rules": [RULE], "StartTime": "2026-11-20T11:00:00Z"})
    await served.call("GetReplay", started)

    events = recorded(served.world)

    assert [event["eventName"] for event in events] == ["StartReplay", "GetReplay"]
    assert events[0]["requestParameters"] == {"startTime": "2026-11-20T11:00:00Z", "rules": 1}
    assert events[0]["userIdentity"]["type"] == "Root"


async def test_who_may_not_look_up_events_may_not_replay_them(served: Served) -> None:
    bob = a_user_principal("bob")
    credential = a_credential(bob, key="AKIABOB0000000000000")
    await served.world.identities.create_user(a_user("bob"))
    await served.world.identities.add_credential(credential)

    refused = await served.call("StartReplay", {"Rules": [RULE]}, credential=credential)
    allowed = orjson.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "cloudtrail:LookupEvents", "Resource": "*"},
        }
    ).decode()
    await served.world.identities.put_policy(bob.arn, "lookup", allowed)
    status, _ = await served.call("StartReplay", {"Rules": [RULE]}, credential=credential)

    assert refused[0] == 400
    assert "cloudtrail:LookupEvents" in refused[1]["message"]
    assert status == 200


@pytest.mark.parametrize(
    ("parameters", "code", "says"),
    [
        ({"Rules": []}, "InvalidReplayException", "1 to 50 Rules"),
        ({"Rules": [{"Rule": "{ $.a = "}]}, "InvalidReplayException", "not valid"),
        ({"Rules": [RULE], "AccountId": "999999999999"}, "InvalidReplayException", "caller's own"),
        ({"Rules": [RULE], "Source": "nowhere"}, "InvalidReplayException", "no event data store"),
        ({"Rules": [RULE], "EndTime": "2000-01-01", "StartTime": "2001-01-01"}, "InvalidReplayException", "before"),
        ({"Rules": [RULE], "Rulez": 1}, "InvalidReplayException", "Rulez"),
        ({"Rules": [RULE, RULE]}, "InvalidReplayException", "one name"),
        ({"Rules": [RULE], "StartTime": "1990-01-01"}, "InvalidReplayException", "at most 6944 days"),
        ({"Rules": [RULE], "MaxExamples": 101}, "InvalidReplayException", "MaxExamples"),
        (b"[1]", "SerializationException", "no JSON object"),
        (b"{", "SerializationException", "no JSON"),
    ],
)
async def test_what_cannot_be_replayed_is_refused_in_words(
    served: Served, parameters: Any, code: str, says: str
) -> None:
    status, answer = await served.call("StartReplay", parameters)

    assert (status, answer["__type"]) == (400, code)
    assert says in answer["message"]


async def test_a_replay_is_cancelled_and_no_other_account_sees_it(served: Served) -> None:
    served.counting.gate.clear()
    _, started = await served.call("StartReplay", {"Rules": [RULE]})
    other = served.replays.find(started["ReplayId"], "999999999999")

    _, answer = await served.call("CancelReplay", started)

    assert other is None
    assert answer["State"] == "CANCELLED"


async def test_no_more_replays_wait_than_may(served: Served) -> None:
    served.counting.gate.clear()
    answers = [await served.call("StartReplay", {"Rules": [RULE]}) for _ in range(7)]

    assert [status for status, _ in answers] == [200] * 6 + [400]
    assert answers[-1][1]["__type"] == "ReplayLimitExceededException"
    assert len(served.counting.jobs) <= 1


async def test_an_unsigned_call_learns_nothing(served: Served) -> None:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Opentrail.StartReplay"}
    response = await served.server.handle(a_request(body=orjson.dumps({"Rules": [RULE]}), headers=headers))

    assert response.status in (400, 403)
    assert served.counting.jobs == []
    assert ACCOUNT not in (response.body or b"").decode()
