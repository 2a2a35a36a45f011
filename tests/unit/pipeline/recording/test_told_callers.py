"""A call whose answer names its caller is recorded under that name, whichever way it was recorded."""

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.recording.composing import CallComposer
from opentrail.protocol import CredentialScope, Operation
from opentrail.protocol.responses import format_response
from tests.unit.pipeline.recording.support import ACCOUNT, HandClock, a_builder, a_resolver, a_scope

WEB_IDENTITY = Operation("sts", "AssumeRoleWithWebIdentity")
ROLE_ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ROLE_ACCOUNT}:role/deployer"
FORM = (("Host", "gateway.test"), ("Content-Type", "application/x-www-form-urlencoded"))
WEB_IDENTITY_ANSWER = {
    "Credentials": {"AccessKeyId": "ASIAGIVEN", "SecretAccessKey": "given-secret", "SessionToken": "given-token"},
    "AssumedRoleUser": {"Arn": f"arn:aws:sts::{ROLE_ACCOUNT}:assumed-role/deployer/ci", "AssumedRoleId": "AROA:ci"},
    "SubjectFromWebIdentityToken": "repo:one/two",
    "Audience": "sts.amazonaws.com",
    "Provider": "https://id.example.com",
}


def a_call(operation: Operation, **parameters: str) -> HttpRequest:
    body = urlencode({"Action": operation.name, "Version": "2011-06-15", **parameters}).encode()
    return HttpRequest("POST", "/", FORM, body, "192.0.2.1")


async def recorded(
    request: HttpRequest, operation: Operation, scope: CredentialScope | None, response: HttpResponse, how: str
) -> dict[str, Any]:
    """Return the event of a call, made in two steps (fail-closed) or in one (fail-open)."""
    clock = HandClock()
    composer = CallComposer(a_builder(), a_resolver(clock, learns=True), clock)
    call = composer.seen(request, operation, scope)
    if how == "whole":
        encoded = await composer.whole(call, response, clock.now())
    else:
        begun, caller = await composer.begin(call)
        encoded = await composer.finish(call, begun.event, caller, response, clock.now())
    event: dict[str, Any] = orjson.loads(encoded.json)
    return event


@pytest.mark.parametrize("how", ["whole", "in two steps"])
async def test_who_exchanges_a_token_for_a_role_is_named_by_the_answer(how: str) -> None:
    request = a_call(WEB_IDENTITY, RoleArn=ROLE, RoleSessionName="ci", WebIdentityToken="opaque-token")
    response = format_response(WEB_IDENTITY, WEB_IDENTITY_ANSWER, "request-1")

    event = await recorded(request, WEB_IDENTITY, None, response, how)

    provider = f"arn:aws:iam::{ROLE_ACCOUNT}:oidc-provider/id.example.com"
    assert event["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:sts.amazonaws.com:repo:one/two",
        "userName": "repo:one/two",
        "identityProvider": provider,
    }
    assert event["recipientAccountId"] == ROLE_ACCOUNT
    assert event["additionalEventData"]["opentrail"]["identity"] == "claimed"
    for secret in ("opaque-token", "given-secret", "given-token"):
        assert secret not in str(event)


@pytest.mark.parametrize("how", ["whole", "in two steps"])
async def test_a_refused_exchange_stays_on_the_record_of_the_installation_s_account(how: str) -> None:
    request = a_call(WEB_IDENTITY, RoleArn=ROLE, RoleSessionName="ci", WebIdentityToken="opaque-token")

    event = await recorded(request, WEB_IDENTITY, None, HttpResponse(403, (), b""), how)

    assert event["userIdentity"] == {"type": "WebIdentityUser"}
    assert (event["recipientAccountId"], event["eventName"]) == (ACCOUNT, WEB_IDENTITY.name)


@pytest.mark.parametrize("how", ["whole", "in two steps"])
async def test_the_first_get_caller_identity_names_its_own_caller(how: str) -> None:
    operation = Operation("sts", "GetCallerIdentity")
    arn = f"arn:aws:iam::{ROLE_ACCOUNT}:user/ann"
    response = format_response(operation, {"UserId": "AIDAANN", "Account": ROLE_ACCOUNT, "Arn": arn}, "request-1")

    event = await recorded(a_call(operation), operation, a_scope(), response, how)

    assert ACCOUNT != ROLE_ACCOUNT
    assert event["recipientAccountId"] == ROLE_ACCOUNT
    assert event["userIdentity"] == {
        "type": "IAMUser",
        "principalId": "AIDAANN",
        "arn": arn,
        "accountId": ROLE_ACCOUNT,
        "accessKeyId": a_scope().access_key_id,
        "userName": "ann",
    }
