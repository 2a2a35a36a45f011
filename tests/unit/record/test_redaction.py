"""No secret reaches a record: canaries in every sensitive member of every operation of thirteen services."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import Shape

from opentrail.event.encoding import encode_event
from opentrail.event.redaction import Action, action_of, hide_quoted_values
from opentrail.protocol import Operation, models
from opentrail.protocol.models import operation_model, service_model
from opentrail.protocol.observed import parse_response
from opentrail.protocol.requests import parse_request
from opentrail.protocol.responses import format_response
from opentrail.record.plans import plan_of
from tests.conformance.records.witnesses import wire_request
from tests.unit.record.calls import (
    COMPLETED,
    RECEIVED,
    a_builder,
    a_request,
    a_response,
    a_scope,
    a_user,
    filled,
    recorded,
)

CANARY = "canary5ecretCANARY"
CANARY_NUMBER = 7_711_771_177

SERVICES = (
    "cloudtrail",
    "cognito-idp",
    "dynamodb",
    "ec2",
    "iam",
    "kms",
    "lambda",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
)


@pytest.mark.parametrize("service", SERVICES)
def test_no_sensitive_member_of_a_request_is_recorded(service: str) -> None:
    leaks = []
    for operation, parameters in _inputs(service):
        event = a_builder().begin(
            wire_request(operation, parameters, "us-east-1"), operation, a_scope(service), a_user(), RECEIVED
        )
        if _leaks(encode_event(event)):
            leaks.append(operation.name)

    assert leaks == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_sensitive_member_of_parsed_parameters_is_recorded(service: str) -> None:
    leaks = []
    for operation, parameters in _inputs(service):
        if _leaks(encode_event(recorded(service, operation.name, parameters))):
            leaks.append(operation.name)

    assert leaks == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_sensitive_member_of_a_response_is_recorded(service: str) -> None:
    leaks = []
    for name in service_model(service).operation_names:
        operation = Operation(service, name)
        output = _filled(operation, operation_model(operation).output_shape)
        if _leaks(encode_event(recorded(service, name, {}, output))):
            leaks.append(name)

    assert leaks == []


@pytest.mark.slow
def test_every_operation_of_every_service_has_a_plan_that_keeps_its_secrets() -> None:
    leaks, count = [], 0
    for service in models.service_names():
        for name in service_model(service).operation_names:
            model = operation_model(Operation(service, name))
            given = _filled(Operation(service, name), model.input_shape)
            answered = _filled(Operation(service, name), model.output_shape)
            count += 1
            if _leaks(encode_event(recorded(service, name, given, answered))):
                leaks.append(f"{service}:{name}")
        if service not in SERVICES:
            _forget_models()

    assert leaks == []
    assert count > 15_000


@pytest.mark.parametrize("service", ["iam", "sts", "secretsmanager", "ssm", "kms", "cognito-idp"])
def test_no_sensitive_member_of_a_response_on_the_wire_is_recorded(service: str) -> None:
    builder, leaks = a_builder(), []
    for name in service_model(service).operation_names:
        operation = Operation(service, name)
        response = format_response(operation, _filled(operation, operation_model(operation).output_shape), "req-1")
        begun = builder.begin(wire_request(operation, {}, "us-east-1"), operation, a_scope(service), a_user(), RECEIVED)
        if _leaks(encode_event(builder.finish(begun, operation, response, COMPLETED))):
            leaks.append(name)

    assert leaks == []


def test_the_canaries_are_really_sent() -> None:
    operation = Operation("secretsmanager", "CreateSecret")
    [parameters] = [given for name, given in _inputs("secretsmanager") if name == operation]

    parsed = parse_request(operation, wire_request(operation, parameters, "us-east-1"))
    answer = format_response(Operation("iam", "CreateAccessKey"), {"AccessKey": {"SecretAccessKey": CANARY}}, "r")

    assert parsed["SecretString"] == CANARY
    assert parse_response(Operation("iam", "CreateAccessKey"), answer).output["AccessKey"]["SecretAccessKey"] == CANARY


@pytest.mark.parametrize(
    "message",
    [
        f"1 validation error detected: Value '{CANARY}' at 'password' failed to satisfy constraint: too short",
        f"Value ({CANARY}) for parameter Password is invalid.",
        f'Invalid value: "{CANARY}"',
    ],
)
def test_an_error_message_does_not_quote_a_secret(message: str) -> None:
    event = recorded("iam", "CreateLoginProfile", {"Password": CANARY}, code="ValidationError", message=message)

    assert CANARY not in event["errorMessage"]
    assert "HIDDEN_DUE_TO_SECURITY_REASONS" in event["errorMessage"]


def test_an_error_message_of_a_call_without_secrets_is_kept_word_for_word() -> None:
    message = "Value 'x' at 'name' failed to satisfy constraint"

    event = recorded("cloudtrail", "GetTrail", {"Name": "x"}, code="ValidationException", message=message)

    assert event["errorMessage"] == message


def test_signatures_tokens_and_customer_keys_never_become_s3_parameters() -> None:
    query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900&X-Amz-Credential=AKIA&X-Amz-Security-Token={CANARY}"
    request = a_request(
        "GET",
        f"/b/k?{query}&X-Amz-Signature={CANARY}&x-id={CANARY}&versionId=3",
        (
            ("Authorization", CANARY),
            ("X-Amz-Security-Token", CANARY),
            ("x-amz-server-side-encryption-customer-key", CANARY),
            ("x-amz-server-side-encryption-customer-key-MD5", CANARY),
            ("x-amz-meta-note", CANARY),
            ("x-amz-expected-bucket-owner", "111122223333"),
        ),
    )

    event = recorded("s3", "GetObject", {"Bucket": "b", "Key": "k"}, request=request)

    assert CANARY.encode() not in encode_event(event)
    assert event["requestParameters"] == {
        "bucketName": "b",
        "Host": "service.example",
        "key": "k",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Expires": "900",
        "versionId": "3",
        "x-amz-expected-bucket-owner": "111122223333",
    }


def test_an_unknown_call_keeps_neither_query_nor_body() -> None:
    builder = a_builder()
    event = builder.begin(
        a_request("POST", f"/path?token={CANARY}", body=CANARY.encode()), None, None, a_user(), RECEIVED
    )
    event = builder.finish(event, None, a_response(200, body=CANARY.encode()), COMPLETED, result=None)

    assert CANARY.encode() not in encode_event(event)
    assert event["additionalEventData"]["opentrail"] == {"method": "POST", "path": "/path"}


def test_entries_of_maps_that_no_model_describes_are_hidden_by_name() -> None:
    event = recorded("batch", "SubmitJob", {"parameters": {"password": CANARY, "size": "1"}})

    assert event["requestParameters"] == {"parameters": {"password": "HIDDEN_DUE_TO_SECURITY_REASONS", "size": "1"}}


def test_a_call_whose_answer_nobody_saw_leaks_nothing() -> None:
    builder, request = a_builder(), a_request("POST", "/", (("X-Amz-Security-Token", CANARY),))
    event = builder.begin(request, Operation("sts", "GetCallerIdentity"), None, a_user(), RECEIVED)

    unfinished = builder.finish_unknown(event, "upstream-timeout")

    assert CANARY.encode() not in encode_event(unfinished)


def _inputs(service: str) -> list[tuple[Operation, dict[str, Any]]]:
    operations = [Operation(service, name) for name in service_model(service).operation_names]
    return [(operation, _filled(operation, operation_model(operation).input_shape)) for operation in operations]


def _filled(operation: Operation, shape: Shape | None) -> dict[str, Any]:
    def is_secret(shape: Shape, name: str) -> bool:
        if shape.metadata.get("sensitive"):
            return True
        action = action_of(operation.service, "" if name.startswith("/") else operation.name, name.lstrip("/"))
        if action in (Action.NAMES, Action.VALUES) and shape.type_name != "map":
            return False
        return action is not None and action != Action.VALUES

    value: dict[str, Any] = filled(shape, _leaf, is_secret)
    return value


def _leaf(shape: Shape, name: str, secret: bool) -> Any:
    if shape.type_name == "timestamp":
        return datetime(2026, 7, 10, tzinfo=UTC)
    if shape.type_name == "boolean":
        return True
    if shape.type_name in ("integer", "long"):
        return CANARY_NUMBER if secret else 1
    if shape.type_name in ("float", "double"):
        return float(CANARY_NUMBER) if secret else 1.0
    if shape.type_name == "blob":
        return CANARY.encode()
    return CANARY if secret else next(iter(getattr(shape, "enum", ())), "plain")


def _forget_models() -> None:
    """Keep the memory of a walk over all 400 services bounded."""
    for cached in (models._service_model, models._operation_model, plan_of):
        cached.cache_clear()


def _leaks(encoded: bytes) -> bool:
    return CANARY.encode() in encoded or str(CANARY_NUMBER).encode() in encoded


def test_a_one_time_code_is_neither_recorded_nor_quoted_back() -> None:
    operation = Operation("sts", "AssumeRole")
    parameters = {
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "RoleSessionName": "s",
        "SerialNumber": "arn:aws:iam::123456789012:mfa/m",
        "TokenCode": CANARY,
    }
    begun = a_builder().begin(
        wire_request(operation, parameters, "us-east-1"), operation, a_scope("sts"), a_user(), RECEIVED
    )
    refusal = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>1 validation error detected: "
        f"Value '{CANARY}' at 'tokenCode' failed to satisfy constraint: Member must have length less than or equal to 6"
        f"</Message></Error></ErrorResponse>"
    )
    event = a_builder().finish(begun, operation, a_response(400, body=refusal.encode()), COMPLETED)

    assert event["errorCode"] == "ValidationError"
    assert not _leaks(encode_event(event))


def test_a_secret_in_a_message_that_is_cut_off_before_it_ends_is_hidden() -> None:
    message = f"1 validation error detected: Value '{CANARY * 1000}' at 'password' failed to satisfy constraint"

    assert CANARY not in hide_quoted_values(message, {"password"})


def test_a_hostile_message_is_searched_in_bounded_time() -> None:
    started = time.process_time()
    hide_quoted_values("value '" * 150_000, {"password"})
    hide_quoted_values("value (" * 150_000, {"password"})
    hide_quoted_values("value " + " " * 1_000_000, {"password"})

    assert time.process_time() - started < 1
