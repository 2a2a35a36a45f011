"""TestMetricFilter: which messages are listed, under which numbers and with which fields."""

from typing import Any

import pytest

from opentrail.aws import logs
from opentrail.aws.logs.errors import InvalidParameterException
from tests.builders import World


async def ask(pattern: str, messages: list[str]) -> Any:
    world = World()
    call = world.call("TestMetricFilter", {"filterPattern": pattern, "logEventMessages": messages}, service="logs")
    return (await logs.SERVICE.handlers["TestMetricFilter"].run(world.ports, call)).output["matches"]


async def test_messages_are_numbered_from_one_and_those_that_do_not_match_left_out() -> None:
    matches = await ask('{ $.eventName = "ConsoleLogin" }', ["{}", '{"eventName": "ConsoleLogin"}', "text"])

    assert matches == [{"eventNumber": 2, "eventMessage": '{"eventName": "ConsoleLogin"}', "extractedValues": {}}]


async def test_a_space_delimited_pattern_tells_the_fields() -> None:
    [match] = await ask("[ip, , status = 4*, size]", ["127.0.0.1 - 404 1534"])

    assert match["extractedValues"] == {"$ip": "127.0.0.1", "$2": "-", "$status": "404", "$size": "1534"}


async def test_a_blank_pattern_matches_every_message() -> None:
    assert [match["eventNumber"] for match in await ask("", ["a", "{}"])] == [1, 2]


async def test_a_pattern_that_breaks_the_language_is_refused() -> None:
    with pytest.raises(InvalidParameterException, match=r"^Invalid metric filter pattern$"):
        await ask("{ $.a == 1 }", ["{}"])
