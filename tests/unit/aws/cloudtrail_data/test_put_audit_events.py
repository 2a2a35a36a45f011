import base64
import hashlib
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.aws.cloudtrail_data import errors
from opentrail.aws.cloudtrail_data.put_audit_events import keeps_constraints, put_audit_events
from opentrail.aws.common_errors import ValidationFailed
from opentrail.identity import Credential
from opentrail.ports.journal import MAX_ENTRY_BYTES, EventsEntry, SettingsEntry
from opentrail.protocol import Operation
from opentrail.protocol.validation import validate
from opentrail.resource.channel import Channel, channel_arn
from tests.builders import ACCOUNT, REGION, World, a_credential

STORE = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:eventdatastore/11111111-1111-4111-8111-111111111111"
CHANNEL = channel_arn(REGION, ACCOUNT, "22222222-2222-4222-8222-222222222222")
OTHER_ACCOUNT = "222222222222"


async def a_world() -> World:
    world = World()
    destination = {"Type": "EVENT_DATA_STORE", "Location": STORE}
    channel = Channel(CHANNEL, "app", ACCOUNT, REGION, "Custom", (destination,))
    entry = SettingsEntry(CHANNEL, channel.to_json())
    await world.trails.apply(await world.journal.append([entry]), entry)
    return world


def event_data(**changes: Any) -> dict[str, Any]:
    data = {
        "version": "1.0",
        "userIdentity": {"type": "User", "principalId": "alice", "details": {"team": "ops"}},
        "eventSource": "app.example.com",
        "eventName": "CloseAccount",
        "eventTime": "2026-11-21T08:00:00Z",
        "UID": "u-1",
        "requestParameters": {"account": "7"},
        "sourceIPAddress": "192.0.2.7",
        "recipientAccountId": ACCOUNT,
        "unknownMember": 5,
    }
    return {name: value for name, value in (data | changes).items() if value is not ...}


def entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": f"id-{number}", "eventData": orjson.dumps(event_data(**changes)).decode()}


async def put(
    world: World, *entries: dict[str, Any], credential: Credential | None = None, **more: Any
) -> tuple[dict[str, Any], list[EventsEntry]]:
    parameters = {"channelArn": CHANNEL, "auditEvents": list(entries), **more}
    call = world.call("PutAuditEvents", parameters, service="cloudtrail-data", credential=credential)
    outcome = await put_audit_events(world.ports, call)
    return dict(outcome.output), [entry for entry in outcome.events if isinstance(entry, EventsEntry)]


async def test_event_becomes_a_record_for_the_channels_store_alone() -> None:
    world = await a_world()

    output, events = await put(world, entry())

    assert output["failed"] == []
    (stored,) = events
    assert stored.audience == STORE
    record = orjson.loads(stored.lines)
    assert output["successful"] == [{"id": "id-1", "eventID": record["eventID"]}]
    assert record["eventData"] == event_data()
    assert (record["eventCategory"], record["eventType"]) == ("ActivityAuditLog", "ActivityLog")
    assert (record["eventTime"], record["recipientAccountId"]) == ("2026-11-21T08:00:00Z", ACCOUNT)
    assert record["metadata"]["channelARN"] == CHANNEL


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": ...}, "FieldNotFound"),
        ({"UID": ""}, "FieldNotFound"),
        ({"userIdentity": {"type": "User"}}, "FieldNotFound"),
        ({"userIdentity": "alice"}, "InvalidData"),
        ({"userIdentity": {"type": "User", "principalId": "a", "details": []}}, "InvalidData"),
        ({"eventName": "n" * 1025}, "FieldTooLong"),
        ({"eventName": 5}, "InvalidData"),
        ({"requestParameters": []}, "InvalidData"),
        ({"requestParameters": {"p": "x" * 102_400}}, "FieldTooLong"),
        ({"additionalEventData": {"p": "x" * 28_672}}, "FieldTooLong"),
        ({"errorMessage": "m" * 257}, "FieldTooLong"),
        ({"sourceIPAddress": "here"}, "InvalidData"),
        ({"recipientAccountId": OTHER_ACCOUNT}, "InvalidRecipient"),
        ({"eventSource": "s3.amazonaws.com"}, "InvalidEventSource"),
        ({"eventTime": "2026-11-21 08:00:00"}, "InvalidData"),
        ({"eventTime": "2026-13-21T08:00:00Z"}, "InvalidData"),
    ],
)
async def test_entry_with_a_fault_fails_by_itself(changes: dict[str, Any], code: str) -> None:
    world = await a_world()

    output, events = await put(world, entry(1, **changes), entry(2))

    assert [(one["id"], one["errorCode"]) for one in output["failed"]] == [("id-1", code)]
    assert [one["id"] for one in output["successful"]] == ["id-2"]
    assert [len(entry.events()) for entry in events] == [1]


@pytest.mark.parametrize("text", ["", "{", "[]", "NaN", '{"a":1}{', "[" * 5000])
async def test_text_that_is_no_json_object_fails(text: str) -> None:
    world = await a_world()

    output, events = await put(world, {"id": "x", "eventData": text})

    assert output["failed"][0]["errorCode"] == "InvalidData"
    assert events == []


async def test_events_of_one_call_are_one_journal_entry_for_each_store() -> None:
    world = await a_world()
    text = "line\u2028one\nline two\r\n"

    output, (stored,) = await put(world, *(entry(number, eventName=f"{text}{number}") for number in range(100)))

    records = [orjson.loads(event) for event in stored.events()]
    assert [record["eventID"] for record in records] == [one["eventID"] for one in output["successful"]]
    assert [record["eventData"]["eventName"] for record in records] == [f"{text}{number}" for number in range(100)]


async def test_records_that_grew_past_an_entry_are_more_entries_in_their_order() -> None:
    world = await a_world()
    numbers = "[" + ",".join(["1e15"] * 5_000) + "]"  # written out, each has 18 characters
    data = orjson.dumps(event_data(requestParameters={"n": 0})).decode().replace('{"n":0}', f'{{"n":{numbers}}}')

    output, entries = await put(world, *({"id": str(number), "eventData": data} for number in range(40)))

    assert len(output["successful"]) == 40
    assert len(entries) > 1
    assert all(len(entry.lines) + len(entry.audience) <= MAX_ENTRY_BYTES for entry in entries)
    records = [orjson.loads(event)["eventID"] for entry in entries for event in entry.events()]
    assert records == [one["eventID"] for one in output["successful"]]


async def test_checksum_is_held_against_the_text() -> None:
    world = await a_world()
    good = entry()
    digest = base64.b64encode(hashlib.sha256(good["eventData"].encode()).digest()).decode()

    output, _ = await put(
        world, good | {"eventDataChecksum": digest}, entry(2) | {"eventDataChecksum": "AAAA"}, entry(3)
    )

    assert [one["id"] for one in output["successful"]] == ["id-1", "id-3"]
    assert output["failed"][0]["errorCode"] == "InvalidChecksum"


async def test_request_with_one_id_twice_is_refused_whole() -> None:
    world = await a_world()

    with pytest.raises(errors.DuplicatedAuditEventId):
        await put(world, entry(1), entry(1))


async def test_more_than_a_megabyte_is_refused() -> None:
    world = await a_world()
    large = {"requestParameters": {"p": "x" * 90_000}}

    with pytest.raises(ValidationFailed):
        await put(world, *(entry(number, **large) for number in range(12)))


async def test_channel_that_is_not_there_is_refused() -> None:
    world = await a_world()

    with pytest.raises(errors.InvalidChannelARN):
        await put(world, entry(), channelArn="arn:aws:s3:::bucket")
    with pytest.raises(errors.ChannelNotFound):
        await put(world, entry(), channelArn=CHANNEL[:-1] + "3")


async def test_other_account_needs_the_channels_policy_and_its_external_id() -> None:
    world = await a_world()
    owner = a_credential()
    stranger = replace(owner, principal=replace(owner.principal, account_id=OTHER_ACCOUNT))
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": OTHER_ACCOUNT},
                "Action": "cloudtrail-data:PutAuditEvents",
                "Resource": CHANNEL,
                "Condition": {"StringEquals": {"cloudtrail:ExternalId": "deal-7"}},
            }
        ],
    }

    with pytest.raises(errors.ChannelInsufficientPermission):
        await put(world, entry(), credential=stranger)
    await world.event_data_stores.set_resource_policy(CHANNEL, orjson.dumps(policy).decode())
    with pytest.raises(errors.ChannelInsufficientPermission):
        await put(world, entry(), credential=stranger)
    output, _ = await put(world, entry(), credential=stranger, externalId="deal-7")
    assert len(output["successful"]) == 1


async def test_policy_that_denies_holds_for_the_owner_too() -> None:
    world = await a_world()
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",'
        '"Action":"cloudtrail-data:PutAuditEvents","Resource":"*"}]}'
    )
    await world.event_data_stores.set_resource_policy(CHANNEL, policy)

    with pytest.raises(errors.ChannelInsufficientPermission):
        await put(world, entry())


entries_of_any_kind = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["1", "a-b_C", "", "ü", "a b", "a\n", "x" * 128, "x" * 129]) | st.text(max_size=3),
        "eventData": st.sampled_from(["", "{}"]),
        "eventDataChecksum": st.just("x"),
    },
)
calls_of_any_kind = st.fixed_dictionaries(
    {},
    optional={
        "channelArn": st.sampled_from([CHANNEL, "arn:", "arn", "", "arn:a\n", "arn:ü"]),
        "auditEvents": st.lists(entries_of_any_kind, max_size=3) | st.just([{"id": "1", "eventData": ""}] * 101),
        "externalId": st.sampled_from(["x", "xyz"]),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls_of_any_kind)
def test_what_is_let_through_at_once_keeps_the_models_constraints(parameters: dict[str, Any]) -> None:
    if keeps_constraints(parameters):
        validate(Operation("cloudtrail-data", "PutAuditEvents"), parameters)


def test_usual_call_is_let_through_at_once() -> None:
    assert keeps_constraints({"channelArn": CHANNEL, "auditEvents": [entry(number) for number in range(100)]})
