"""Another Opentrail as a target, over HTTP: what becomes of subscription filters' messages and of other texts there."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from opentrail.adapters.targets.installation import MAX_SPAN_MS, InstallationEndpoint, InstallationTarget
from opentrail.clock import SystemClock
from opentrail.deliver.subscription_data import LOG_DATA, data_messages
from opentrail.ports import Unavailable
from opentrail.ports.log_store import LogEvent, LogRange
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.log_group import LogGroup, milliseconds
from opentrail.resource.named_target import named_target_arn
from tests.builders import ACCOUNT, NOON, REGION, a_credential, a_user, a_user_principal
from tests.support.api import ApiInThread
from tests.support.web_endpoint import web_endpoint

ARN = named_target_arn(REGION, ACCOUNT, "central")
HERE = LogGroup("g", ACCOUNT, REGION, "/app", NOON)
OWNER = a_credential()


@pytest.fixture
def there() -> Iterator[ApiInThread]:
    server = ApiInThread()
    server.start()
    yield server
    server.stop()


def a_target(there: ApiInThread, **changes: str) -> InstallationTarget:
    key = {"access_key_id": OWNER.access_key_id, "secret_access_key": OWNER.secret_access_key}
    given = {"url": there.url, "region": "eu-west-1", **key, **changes}
    return InstallationTarget(InstallationEndpoint(**given), SystemClock())


def a_message(*events: tuple[int, str]) -> Dispatch:
    made = [LogEvent("s", timestamp, timestamp, message) for timestamp, message in events]
    [message] = data_messages(HERE, "one", "all", made)
    return Dispatch("id-1", ARN, message.text.decode(), message.text, {LOG_DATA: "one"})


def kept(there: ApiInThread) -> dict[str, list[tuple[str, int, str]]]:
    """Return what the other installation has: (stream, timestamp, message) by group."""
    world, found = there.world, {}
    for group in there.do(world.log_groups.all_groups()):
        assert (group.account_id, group.region) == (ACCOUNT, "eu-west-1")
        names = {stream.stream_id: stream.name for stream in there.do(world.log_groups.streams(group.group_id))}
        events = there.do(world.log_store.read(LogRange(group.group_id, 0, 2**62), 100))
        found[group.name] = [(names[one.stream_id], one.place.timestamp, one.message) for one in events]
    return found


NOW = milliseconds(SystemClock().now())


async def test_log_events_keep_group_stream_and_time(there: ApiInThread) -> None:
    await a_target(there).send(a_message((NOW, "second"), (NOW - 5, "first")))
    await a_target(there).send(a_message((NOW + 1, "third")))

    assert kept(there) == {"/app": [("one", NOW - 5, "first"), ("one", NOW, "second"), ("one", NOW + 1, "third")]}


async def test_events_of_several_days_and_those_too_old_to_be_taken_are_one_message(there: ApiInThread) -> None:
    ages = (20 * MAX_SPAN_MS, 2 * MAX_SPAN_MS, 0)

    await a_target(there, log_group="collected").send(a_message(*((NOW - age, str(age)) for age in ages)))

    assert kept(there) == {"collected": [("one", NOW - age, str(age)) for age in ages[1:]]}


async def test_another_text_is_an_event_of_the_group_that_the_settings_name_or_the_usual_one(
    there: ApiInThread,
) -> None:
    plain = Dispatch("id-1", ARN, '{"n":1}', b"{}", {"Id": "1"})

    await a_target(there, log_group="alerts").send(plain)
    await a_target(there).send(plain)

    for group in ("alerts", "opentrail"):
        [(stream, at, text)] = kept(there)[group]
        assert (stream, text, abs(at - NOW) < 600_000) == ("events", '{"n":1}', True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"secret_access_key": "wrong"}, "signature"),
        ({"access_key_id": "AKIAREADER0000000001"}, "not authorized to perform: logs:PutLogEvents"),
        ({"url": "http://127.0.0.1:1"}, "did not answer"),
    ],
)
async def test_what_somebody_has_to_mend_is_tried_again(
    there: ApiInThread, changes: Mapping[str, Any], said: str
) -> None:
    there.do(there.world.identities.create_user(a_user("anaya")))
    there.do(there.world.identities.add_credential(a_credential(a_user_principal(), "AKIAREADER0000000001")))

    with pytest.raises(Unavailable, match=said):
        await a_target(there, **changes).send(a_message((NOW, "one")))


async def test_what_would_be_refused_for_ever_is_not_tried_again(there: ApiInThread) -> None:
    with pytest.raises(TargetRefused, match="InvalidParameterException"):
        await a_target(there, log_group="no:name").send(a_message((NOW, "one")))


async def test_an_answer_that_is_no_opentrail_s_is_tried_again() -> None:
    with web_endpoint() as endpoint:
        address = endpoint.url.rsplit("/", 1)[0] if endpoint.url.count("/") > 2 else endpoint.url
        target = InstallationTarget(InstallationEndpoint(address, REGION, "AKIA", "secret"), SystemClock())
        endpoint.status = 503

        with pytest.raises(Unavailable, match="503"):
            await target.send(a_message((NOW, "one")))
