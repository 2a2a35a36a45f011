"""Completeness: no operation of ours lets in, or tells anything to, a user whom no policy allows it."""

from typing import Any

import pytest

from opentrail.aws.authorization import authorise
from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.kms.key_policies import default_policy
from opentrail.aws.service import Call
from opentrail.aws.services import SERVICES
from opentrail.envelope import BlobKey, seal_blob
from opentrail.protocol import Operation
from opentrail.protocol.models import operation_model, service_model
from tests.builders import (
    ACCOUNT,
    REGION,
    World,
    a_credential,
    a_key,
    a_role,
    a_trail,
    a_user_principal,
    an_organization,
)
from tests.unit.protocol.botocore_requests import minimal_parameters

OPEN = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
"""Operations that AWS lets everybody call who can sign."""

TRAIL = a_trail()
TRUST = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS":
"arn:aws:iam::123456789012:user/friend"}}]}"""
ROLE = a_role(trust_policy=TRUST)
KEY = a_key(policy=default_policy(ACCOUNT, REGION))
BLOB = seal_blob(bytes(32), BlobKey(KEY.key_id, 1), b"secret", {})
NAMED: dict[str, dict[str, Any]] = {
    "kms": {
        **dict.fromkeys(("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId"), KEY.key_id),
        "AliasName": "alias/logs",
        "CiphertextBlob": BLOB,
        "Policy": KEY.policy,
        "NumberOfBytes": 32,
    },
    "s3": {"Bucket": "logs", "Key": "a"},
    "cloudtrail": {"Name": TRAIL.name, "TrailName": TRAIL.name, "ResourceId": TRAIL.arn, "ResourceIdList": [TRAIL.arn]},
    "organizations": {"AccountId": ACCOUNT},
    "sts": {"RoleArn": ROLE.arn, "RoleSessionName": "session"},
}


def handlers() -> list[tuple[str, str]]:
    return [(service.name, name) for service in SERVICES.values() for name in service.handlers]


def parameters_of(service: str, operation: str) -> dict[str, Any]:
    """The operation's required parameters and those that name a thing, which is there."""
    model = operation_model(Operation(service, operation))
    members = model.input_shape.members if model.input_shape is not None else {}
    named = {name: value for name, value in NAMED.get(service, {}).items() if name in members}
    return minimal_parameters(model) | named


async def a_world() -> World:
    world = World(organization=an_organization())
    await world.put_trail(TRAIL)
    await world.identities.create_role(ROLE)
    await world.add_key(KEY, "alias/logs")
    await world.bucket.put_if_absent("a", b"body", content_type="text/plain")
    return world


@pytest.mark.parametrize(("service", "operation"), handlers())
async def test_a_user_without_policies_is_denied(service: str, operation: str) -> None:
    if (service, operation) in OPEN:
        return
    world = await a_world()
    credential = a_credential(a_user_principal("stranger"), key="AKIAIOSFODNN7STRANGER")
    call = world.call(operation, parameters_of(service, operation), service=service, credential=credential)

    with pytest.raises(AccessDenied):
        await answer(world, call)


async def answer(world: World, call: Call) -> None:
    """Do what the server does with a call whose signature held."""
    service, operation = call.operation
    handler = SERVICES[service].handlers[operation]
    await authorise(world.identities, call, SERVICES[service].requirements(call))
    if handler.prepare is not None:
        call = await handler.prepare(world.ports, call)
    await handler.run(world.ports, call)


def test_what_is_open_to_all_is_still_there() -> None:
    assert {(service, name) for service in SERVICES for name in service_model(service).operation_names} >= OPEN
