"""TestEventPattern: answers and refusals are those recorded from EventBridge."""

import json
from typing import Any

import pytest

from opentrail.aws import events
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import InvalidEventPatternException
from tests.builders import World

EVENT = {
    "version": "0",
    "id": "b1d2",
    "detail-type": "AWS API Call via CloudTrail",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-11-20T10:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {"eventName": "PutBucketPolicy"},
}


async def ask(pattern: str, event: Any = EVENT) -> Any:
    text = event if isinstance(event, str) else json.dumps(event)
    world = World()
    call = world.call("TestEventPattern", {"EventPattern": pattern, "Event": text}, service="events")
    return (await events.SERVICE.handlers["TestEventPattern"].run(world.ports, call)).output


async def test_it_says_whether_the_pattern_picks_the_event() -> None:
    assert await ask('{"source": ["aws.s3"], "detail": {"eventName": [{"prefix": "Put"}]}}') == {"Result": True}
    assert await ask('{"source": ["aws.ec2"]}') == {"Result": False}


@pytest.mark.parametrize("member", sorted(set(EVENT) - {"version", "detail"}))
async def test_an_event_without_a_member_of_every_event_is_refused(member: str) -> None:
    with pytest.raises(ValidationFailed, match=r"^Parameter Event is not valid\.$"):
        await ask("{}", {name: value for name, value in EVENT.items() if name != member})


@pytest.mark.parametrize("event", ["text", "[]", "[{}]", "{", "", "null", "[" * 100_000])
async def test_an_event_that_is_no_object_is_refused(event: str) -> None:
    with pytest.raises(ValidationFailed, match=r"^Parameter Event is not valid\.$"):
        await ask('{"source": ["aws.s3"]}', event)


async def test_a_pattern_that_breaks_the_language_is_refused_with_the_place() -> None:
    with pytest.raises(InvalidEventPatternException) as refused:
        await ask('{"resources": []}')

    assert str(refused.value) == (
        "Event pattern is not valid. Reason: Empty arrays are not allowed\n"
        ' at [Source: (String)"{"resources": []}"; line: 1, column: 17]'
    )
