"""A change of a key, an alias or a policy is on record before it takes effect, and is not made where that fails."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from opentrail.http_message import HttpResponse
from opentrail.ports.journal import EventEntry, JournalEntry, Position
from opentrail.resource.key import Key
from tests.builders import ACCOUNT, REGION, World, a_credential, a_request
from tests.support.api import api_server, signed

POLICY = orjson.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"},
    }
).decode()

CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("CreateKey", {}),
    ("CreateAlias", {"AliasName": "alias/new", "TargetKeyId": "KEY"}),
    ("UpdateAlias", {"AliasName": "alias/logs", "TargetKeyId": "OTHER"}),
    ("DeleteAlias", {"AliasName": "alias/logs"}),
    ("DisableKey", {"KeyId": "KEY"}),
    ("EnableKeyRotation", {"KeyId": "KEY"}),
    ("RotateKeyOnDemand", {"KeyId": "KEY"}),
    ("ScheduleKeyDeletion", {"KeyId": "KEY"}),
    ("PutKeyPolicy", {"KeyId": "KEY", "Policy": POLICY}),
    ("TagResource", {"KeyId": "KEY", "Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    ("UpdateKeyDescription", {"KeyId": "KEY", "Description": "said anew"}),
]


class Kms:
    """An API server with two keys, of which one has an alias; it notes what was in force when an event was stored."""

    def __init__(self) -> None:
        self.world = World()
        self.server = api_server(self.world)
        self.names: dict[str, str] = {}

    async def prepare(self) -> None:
        await self.world.identities.add_credential(a_credential())
        for name in ("KEY", "OTHER"):
            made = await self.call("CreateKey", {})
            self.names[name] = orjson.loads(made.body or b"")["KeyMetadata"]["KeyId"]
        await self.call("CreateAlias", {"AliasName": "alias/logs", "TargetKeyId": "KEY"})

    async def call(self, operation: str, parameters: dict[str, Any]) -> HttpResponse:
        named = {member: self.names.get(str(value), value) for member, value in parameters.items()}
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{operation}"}
        request = a_request(body=orjson.dumps(named), headers=headers)
        return await self.server.handle(signed(request, "kms", self.world))

    async def in_force(self) -> list[Key]:
        return list(await self.world.keys.keys(ACCOUNT, REGION))


@pytest.mark.parametrize(("operation", "parameters"), CHANGES)
async def test_a_change_is_on_record_before_it_takes_effect(
    operation: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kms = Kms()
    await kms.prepare()
    before = await kms.in_force()
    append, at_record = kms.world.journal.append, []

    async def noting(entries: Sequence[JournalEntry]) -> Position:
        if any(isinstance(entry, EventEntry) for entry in entries):
            at_record.append(await kms.in_force())
        return await append(entries)

    monkeypatch.setattr(kms.world.journal, "append", noting)

    answer = await kms.call(operation, parameters)

    assert answer.status == 200, answer.body
    assert at_record == [before]
    assert await kms.in_force() != before


@pytest.mark.parametrize(("operation", "parameters"), CHANGES)
async def test_a_change_that_cannot_be_recorded_is_not_made(operation: str, parameters: dict[str, Any]) -> None:
    kms = Kms()
    await kms.prepare()
    before = await kms.in_force()
    kms.world.journal.is_unavailable = True

    answer = await kms.call(operation, parameters)

    assert answer.status == 503
    assert await kms.in_force() == before


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [("Encrypt", {"KeyId": "KEY", "Plaintext": "eA=="}), ("GenerateDataKey", {"KeyId": "KEY", "KeySpec": "AES_256"})],
)
async def test_no_secret_leaves_before_the_call_is_on_record(operation: str, parameters: dict[str, Any]) -> None:
    kms = Kms()
    await kms.prepare()
    kms.world.journal.is_unavailable = True

    answer = await kms.call(operation, parameters)

    assert answer.status == 503
    assert b"CiphertextBlob" not in (answer.body or b"")
