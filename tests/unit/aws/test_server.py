import asyncio
from typing import Any

import orjson
import pytest

from opentrail.aws.server import ApiServer
from opentrail.aws.services import not_answered
from opentrail.identity import Credential
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.protocol import Operation
from tests.builders import ACCOUNT, World, a_credential, a_request, a_root, a_trail, a_user, a_user_principal
from tests.support.api import api_server, call_cloudtrail, cloudtrail_request, recorded, signed, sts_request

ALLOW_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ALLOW_READS = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudtrail:Describe*","s3:Get*"],'
    '"Resource":"*"}]}'
)
DENY_STOP = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},'
    '{"Effect":"Deny","Action":"cloudtrail:StopLogging","Resource":"*"}]}'
)


async def world_and_server() -> tuple[World, ApiServer]:
    world = World()
    await world.identities.add_credential(a_credential())
    return world, api_server(world)


async def user_credential(world: World, *policies: str, **changes: Any) -> Credential:
    await world.identities.create_user(a_user(**{f"p{number}": text for number, text in enumerate(policies)}))
    credential = a_credential(a_user_principal(), "AKIAUSERUSERUSERUSER", **changes)
    await world.identities.add_credential(credential)
    return credential


async def test_call_is_answered_and_on_record() -> None:
    world, server = await world_and_server()

    response, output = await call_cloudtrail(server, world, "DescribeTrails")

    event = recorded(world)[0]
    assert (response.status, output) == (200, {"trailList": []})
    assert (event["eventSource"], event["eventName"]) == ("cloudtrail.amazonaws.com", "DescribeTrails")
    assert event["userIdentity"]["type"] == "Root"
    assert event["requestID"] == response.headers.get("x-amzn-requestid")
    assert "errorCode" not in event


async def create_trail(server: ApiServer, world: World) -> None:
    response, _ = await call_cloudtrail(server, world, "CreateTrail", {"Name": "main", "S3BucketName": "logs"})
    assert response.status == 200, response.body


def kinds(world: World) -> list[str]:
    entries = world.journal.entries()
    return [
        "event" if not isinstance(entry, SettingsEntry) else "gone" if entry.settings is None else "settings"
        for entry in entries
        if not isinstance(entry, SettingsEntry) or entry.scope == a_trail().arn
    ]


async def test_weakening_calls_are_on_record_before_their_settings_and_others_after() -> None:
    world, server = await world_and_server()

    await create_trail(server, world)
    for operation in ("StartLogging", "StopLogging", "UpdateTrail", "DeleteTrail"):
        response, _ = await call_cloudtrail(server, world, operation, {"Name": "main"})
        assert response.status == 200

    assert kinds(world) == [
        *("settings", "event"),
        *("settings", "event"),
        *("event", "settings"),
        *("event", "settings"),
        *("event", "gone"),
    ]


async def test_put_event_selectors_is_on_record_before_it_takes_effect() -> None:
    world, server = await world_and_server()
    await create_trail(server, world)

    await call_cloudtrail(server, world, "PutEventSelectors", {"TrailName": "main", "EventSelectors": [{}]})

    assert kinds(world)[-2:] == ["event", "settings"]


async def test_change_shows_in_the_next_call() -> None:
    world, server = await world_and_server()

    await create_trail(server, world)
    _, output = await call_cloudtrail(server, world, "GetTrail", {"Name": "main"})

    assert output["Trail"]["TrailARN"] == a_trail().arn


async def test_first_event_of_a_region_is_preceded_by_the_entry_that_enables_it() -> None:
    world, server = await world_and_server()

    await call_cloudtrail(server, world, "ListTrails", region="eu-west-1")
    await call_cloudtrail(server, world, "ListTrails", region="eu-west-1")

    entries = world.journal.entries()
    assert isinstance(entries[0], SettingsEntry)
    assert entries[0].settings == b'["eu-west-1"]'
    assert [type(entry) for entry in entries[1:]] == [EventEntry, EventEntry]


async def test_failed_call_is_on_record_with_its_error() -> None:
    world, server = await world_and_server()

    response, error = await call_cloudtrail(server, world, "GetTrail", {"Name": "main"})

    event = recorded(world)[0]
    assert response.status == 400
    assert error == {
        "__type": "TrailNotFoundException",
        "message": f"Unknown trail: main for the user: {ACCOUNT}",
    }
    assert (event["errorCode"], event["errorMessage"]) == (error["__type"], error["message"])


async def test_nothing_changes_when_the_call_cannot_be_recorded() -> None:
    world, server = await world_and_server()
    await world.journal.close()

    response, error = await call_cloudtrail(server, world, "CreateTrail", {"Name": "main", "S3BucketName": "logs"})

    assert (response.status, error["__type"]) == (503, "ServiceUnavailableException")
    assert await world.trails.trails(ACCOUNT) == []


async def test_settings_in_force_show_later_when_the_store_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world, server = await world_and_server()
    apply = world.trails.apply

    async def unavailable(*_: object) -> None:
        raise Unavailable("locked")

    monkeypatch.setattr(world.trails, "apply", unavailable)
    await create_trail(server, world)
    assert await world.trails.trails(ACCOUNT) == []
    monkeypatch.setattr(world.trails, "apply", apply)
    response, _ = await call_cloudtrail(server, world, "StartLogging", {"Name": "main"})

    assert response.status == 200


async def test_two_trails_of_one_name_cannot_be_created_at_once() -> None:
    world, server = await world_and_server()
    parameters = {"Name": "main", "S3BucketName": "logs"}

    answers = await asyncio.gather(*(call_cloudtrail(server, world, "CreateTrail", parameters) for _ in range(3)))

    assert sorted(response.status for response, _ in answers) == [200, 400, 400]


async def test_defect_is_an_internal_failure_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    world, server = await world_and_server()

    async def broken(_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(world.trails, "trails", broken)
    response, error = await call_cloudtrail(server, world, "ListTrails")

    assert (response.status, error["__type"]) == (500, "InternalFailure")
    assert recorded(world)[0]["errorCode"] == "InternalFailure"
    assert "boom" not in (response.body or b"").decode()


async def test_caller_without_a_policy_is_told_so_in_awss_words() -> None:
    world, server = await world_and_server()
    credential = await user_credential(world)

    response, error = await call_cloudtrail(server, world, "StopLogging", {"Name": "main"}, credential=credential)

    arn = f"arn:aws:iam::{ACCOUNT}:user/anaya"
    assert response.status == 400
    assert error == {
        "__type": "AccessDeniedException",
        "message": f"User: {arn} is not authorized to perform: cloudtrail:StopLogging on resource: {a_trail().arn} "
        "because no identity-based policy allows the cloudtrail:StopLogging action",
    }
    assert recorded(world)[0]["userIdentity"]["userName"] == "anaya"


async def test_explicit_deny_wins() -> None:
    world, server = await world_and_server()
    credential = await user_credential(world, ALLOW_ALL, DENY_STOP)

    _, error = await call_cloudtrail(server, world, "StopLogging", {"Name": "main"}, credential=credential)

    assert error["message"].endswith("with an explicit deny in an identity-based policy")


async def test_allowed_user_passes() -> None:
    world, server = await world_and_server()
    credential = await user_credential(world, ALLOW_READS)

    response, _ = await call_cloudtrail(server, world, "DescribeTrails", credential=credential)

    assert response.status == 200


async def test_session_policy_narrows_the_callers_policies() -> None:
    world, server = await world_and_server()
    credential = await user_credential(world, ALLOW_ALL, session_policy=ALLOW_READS)

    allowed, _ = await call_cloudtrail(server, world, "DescribeTrails", credential=credential)
    _, error = await call_cloudtrail(server, world, "ListTrails", credential=credential)

    assert allowed.status == 200
    assert error["message"].endswith("because no session policy allows the cloudtrail:ListTrails action")


JSON_FORM, QUERY_FORM, S3_FORM = "json", "query", "s3"


async def refuse(
    world: World, server: ApiServer, form: str, *, credential: Credential | None, signing_name: str = "", **signing: Any
) -> tuple[int, str]:
    """Send a read of each service as ``credential`` (None: unsigned); return status and error code."""
    request, service = {
        JSON_FORM: (cloudtrail_request("ListTrails"), "cloudtrail"),
        QUERY_FORM: (sts_request("Action=GetCallerIdentity"), "sts"),
        S3_FORM: (a_request("GET", "/logs?location"), "s3"),
    }[form]
    if credential is not None:
        request = signed(request, signing_name or service, world, credential=credential, **signing)
    response = await server.handle(request)
    body = response.body or b""
    if form == JSON_FORM:
        return response.status, orjson.loads(body)["__type"]
    return response.status, body.decode().partition("<Code>")[2].partition("</Code>")[0]


@pytest.mark.parametrize(
    ("form", "missing", "unknown", "mismatch", "token", "expired"),
    [
        (
            JSON_FORM,
            (400, "MissingAuthenticationTokenException"),
            (400, "UnrecognizedClientException"),
            (400, "InvalidSignatureException"),
            (400, "UnrecognizedClientException"),
            (400, "ExpiredTokenException"),
        ),
        (
            QUERY_FORM,
            (403, "MissingAuthenticationToken"),
            (403, "InvalidClientTokenId"),
            (403, "SignatureDoesNotMatch"),
            (403, "InvalidClientTokenId"),
            (403, "ExpiredToken"),
        ),
        (
            S3_FORM,
            (403, "AccessDenied"),
            (403, "InvalidAccessKeyId"),
            (403, "SignatureDoesNotMatch"),
            (400, "InvalidToken"),
            (400, "ExpiredToken"),
        ),
    ],
)
async def test_caller_who_is_nobody_gets_the_error_of_the_services_protocol(
    form: str,
    missing: tuple[int, str],
    unknown: tuple[int, str],
    mismatch: tuple[int, str],
    token: tuple[int, str],
    expired: tuple[int, str],
) -> None:
    world, server = await world_and_server()
    temporary = a_credential(a_root(), "ASIATEMPORARYTEMPORA", session_token="token", expires_at=world.clock.now())
    inactive = a_credential(a_root(), "AKIAINACTIVEINACTIVE", is_active=False)
    for credential in (temporary, inactive):
        await world.identities.add_credential(credential)
    stranger = a_credential(a_root(), "AKIASTRANGERSTRANGER")
    forger = Credential("AKIAIOSFODNN7EXAMPLE", "not the secret", a_root())
    other_token = Credential("ASIATEMPORARYTEMPORA", temporary.secret_access_key, a_root(), session_token="other")

    assert await refuse(world, server, form, credential=None) == missing
    assert await refuse(world, server, form, credential=stranger) == unknown
    assert await refuse(world, server, form, credential=inactive) == unknown
    assert await refuse(world, server, form, credential=forger) == mismatch
    assert await refuse(world, server, form, credential=other_token) == token
    assert await refuse(world, server, form, credential=temporary) == expired


@pytest.mark.parametrize(
    ("form", "skewed", "region"),
    [
        (JSON_FORM, (400, "InvalidSignatureException"), (400, "InvalidSignatureException")),
        (QUERY_FORM, (403, "SignatureDoesNotMatch"), (403, "SignatureDoesNotMatch")),
        (S3_FORM, (403, "RequestTimeTooSkewed"), (400, "AuthorizationHeaderMalformed")),
    ],
)
async def test_old_signatures_and_unknown_regions_are_refused(
    form: str, skewed: tuple[int, str], region: tuple[int, str]
) -> None:
    world, server = await world_and_server()

    assert await refuse(world, server, form, credential=a_credential(), region="nowhere-9") == region

    request_world = World()
    request_world.clock.advance(-301)
    old = World(clock=request_world.clock)
    assert await refuse(old, server, form, credential=a_credential()) == skewed


async def test_signature_for_another_service_is_refused() -> None:
    world, server = await world_and_server()
    request = signed(cloudtrail_request("ListTrails"), "sts", world)

    response = await server.handle(request)

    assert response.status in (400, 403)
    assert b"Error" in (response.body or b"") or b"Exception" in (response.body or b"")


async def test_altered_body_is_refused() -> None:
    world, server = await world_and_server()
    request = signed(cloudtrail_request("ListTrails"), "cloudtrail", world)
    altered = type(request)(request.method, request.target, request.header_list, b'{"NextToken":"x"}', request.peer, 17)

    response = await server.handle(altered)

    assert orjson.loads(response.body or b"")["__type"] == "InvalidSignatureException"


async def test_refusals_of_nobody_are_folded_under_the_default_account() -> None:
    world, server = await world_and_server()
    stranger = a_credential(a_root("999999999999"), "AKIASTRANGERSTRANGER")

    for _ in range(5):
        await refuse(world, server, JSON_FORM, credential=stranger)
    await server.close()

    first, rest = recorded(world)
    assert first["recipientAccountId"] == ACCOUNT
    assert first["errorCode"] == "UnrecognizedClientException"
    assert first["additionalEventData"]["opentrail"]["count"] == 1
    assert rest["additionalEventData"]["opentrail"]["count"] == 4
    assert first["userIdentity"].get("arn") is None


async def test_body_over_the_bound_is_refused_before_anything_is_read() -> None:
    _, server = await world_and_server()
    request = cloudtrail_request("ListTrails")
    large = type(request)(request.method, request.target, request.header_list, None, request.peer, 2_000_000)

    response = await server.handle(large)

    assert (response.status, orjson.loads(response.body or b"")["__type"]) == (413, "RequestEntityTooLargeException")


async def test_malformed_and_invalid_parameters_get_the_codecs_errors() -> None:
    world, server = await world_and_server()
    garbled = cloudtrail_request("ListTrails")
    garbled = type(garbled)(garbled.method, garbled.target, garbled.header_list, b"{", garbled.peer, 1)

    response = await server.handle(signed(garbled, "cloudtrail", world))
    _, invalid = await call_cloudtrail(server, world, "CreateTrail", {"Name": "main"})

    assert orjson.loads(response.body or b"")["__type"] == "SerializationException"
    assert invalid["__type"] == "ValidationException"
    assert "s3BucketName" in invalid["message"]


@pytest.mark.parametrize(
    ("operation", "code"),
    [("EnableFederation", "UnsupportedOperationException"), ("NoSuchOperation", "UnknownOperationException")],
)
async def test_operation_that_is_not_answered_says_so(operation: str, code: str) -> None:
    world, server = await world_and_server()

    response, error = await call_cloudtrail(server, world, operation)

    assert (response.status, error["__type"]) == (400, code)
    assert recorded(world)[0]["errorCode"] == code


def test_a_service_that_is_not_built_names_the_setting_that_hands_it_to_an_upstream() -> None:
    request = cloudtrail_request("CreateTopic", {})

    unbuilt = not_answered(Operation("sns", "CreateTopic"), request)
    built = not_answered(Operation("sts", "GetWebIdentityToken"), request)

    assert "upstream.sns = URL" in str(unbuilt)
    assert "upstream" not in str(built)


async def test_presigned_calls_are_for_s3_and_get_caller_identity_only() -> None:
    _, server = await world_and_server()
    target = (
        "/?Action=GetSessionToken&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
        "AKIAIOSFODNN7EXAMPLE%2F20261120%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20261120T120000Z"
        "&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
    )

    denied = await server.handle(a_request("GET", target))
    mismatch = await server.handle(a_request("GET", target.replace("GetSessionToken", "GetCallerIdentity")))

    assert b"<Code>MissingAuthenticationToken</Code>" in (denied.body or b"")
    assert b"<Code>SignatureDoesNotMatch</Code>" in (mismatch.body or b"")


async def test_writes_to_archives_are_denied_in_s3s_form() -> None:
    world, server = await world_and_server()

    response = await server.handle(signed(a_request("PUT", "/logs/key", b"x"), "s3", world))

    assert response.status == 403
    assert b"<Code>AccessDenied</Code>" in (response.body or b"")


async def test_head_has_no_body_even_when_it_fails() -> None:
    world, server = await world_and_server()

    response = await server.handle(signed(a_request("HEAD", "/logs/none"), "s3", world))

    assert (response.status, response.body) == (404, b"")


async def test_reading_an_object_is_a_data_event() -> None:
    world, server = await world_and_server()
    await world.bucket.put_if_absent("key", b"body", content_type="text/plain")

    response = await server.handle(signed(a_request("GET", "/logs/key"), "s3", world))

    event = recorded(world)[0]
    assert response.body == b"body"
    assert (event["eventName"], event["eventCategory"], event["managementEvent"]) == ("GetObject", "Data", False)


async def test_both_forms_of_the_target_header_are_understood() -> None:
    world, server = await world_and_server()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "CloudTrail_20131101.ListTrails"}

    response = await server.handle(signed(a_request(body=b"{}", headers=headers), "cloudtrail", world))

    assert (response.status, orjson.loads(response.body or b"")) == (200, {"Trails": []})


async def test_garbage_is_answered_in_some_form() -> None:
    _, server = await world_and_server()

    for request in (
        a_request("GET", "/"),
        a_request("POST", "/?%%%=%ff", b"\xff\x00", {"Content-Type": "application/x-amz-json-1.1"}),
        a_request("BREW", "//..//\x00", b"", {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d"}),
        a_request("POST", "/", b"Action=GetCallerIdentity", {"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        response = await server.handle(request)
        assert 400 <= response.status < 500
