"""No secret reaches an event: a canary in every sensitive member of every operation of every service.

Calls are made by botocore's serializers and answers by ours, and both go over the wire: what is parsed, identified and
recorded is bytes. A member is sensitive when its model or the reviewed list says so; a text that is not holds a JSON
document with secrets of its own. Members are filled as deep as sensitive ones go.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from math import prod
from typing import Any

import pytest
from botocore.model import OperationModel, Shape

from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.event.redaction import Action, action_of
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Operation, models
from opentrail.protocol.identify import identify
from opentrail.protocol.models import operation_model
from opentrail.protocol.responses import format_error, format_response
from opentrail.protocol.scope import read_scope
from opentrail.record.events import EventBuilder
from opentrail.record.plans import plan_of
from tests.unit.protocol.botocore_requests import http_request, minimal_parameters
from tests.unit.record.calls import COMPLETED, RECEIVED, a_builder, a_user

pytestmark = pytest.mark.slow

CANARY = "canary5ecretCANARY"
CANARY_NUMBER = 771_177
DOCUMENT = '{"Version": "1", "db": [{"Password": "%s"}, {"name": "API_KEY", "value": "%s"}]}' % (CANARY, CANARY)  # noqa: UP031
MODELLED_SENSITIVE = 2363
"""Shapes that botocore 1.44.5 marks sensitive."""
SERVICES_WITH_SENSITIVE = 237

PARTS = 8
"""The services are walked in so many tests, for workers to share."""

OUT_OF_REACH = {("ec2", "S3StorageUploadPolicy")}
"""Sensitive shapes that no operation takes, gives or fails with."""


class Filler:
    """Values for one operation's input or output with every secret in it; notes the sensitive shapes it filled."""

    def __init__(self, operation: Operation, reached: set[tuple[str, str]], *, text: str = DOCUMENT) -> None:
        self._operation = operation
        self._text = text
        self._reached = reached
        self._turn = 0
        self._choices: dict[int, int] = {}

    def fill(self, shape: Shape | None) -> list[dict[str, Any]]:
        """Return the members of ``shape`` that are secret, lead to a secret, or are texts at its top: as many values
        as it takes to have every member of its unions, and of those inside them, once."""
        if shape is None:
            return [{}]
        values: list[dict[str, Any]] = []
        self._turn, self._choices = 0, {}
        while self._turn < max(1, prod(self._choices.values())):
            values.append(self._value(shape, "", self._operation.name, False, ()))
            self._turn += 1
        return values

    def _value(self, shape: Shape, name: str, operation: str, secret: bool, path: tuple[str, ...]) -> Any:
        if shape.metadata.get("sensitive"):
            self._reached.add((self._operation.service, shape.name))
            secret = True
        is_union = shape.type_name == "structure" and shape.is_tagged_union
        inner = (*path, f"union {shape.name}" if is_union else shape.name)
        match shape.type_name:
            case "structure":
                if shape.is_document_type:
                    return {"free": [{"clientSecret": CANARY, "text": DOCUMENT}]}
                at = "" if path else operation
                return {
                    key: self._value(member, key, at, secret or self._is_listed(key, member, at), inner)
                    for key, member in self._chosen(shape, at, inner, secret)
                }
            case "list":
                return [self._value(shape.member, name, "", secret, inner)]
            case "map":
                is_secret_key = shape.key.metadata.get("sensitive") or (
                    secret and not self._shows_names(name, operation)
                )
                key = CANARY if is_secret_key else str(next(iter(getattr(shape.key, "enum", ())), "key"))
                if shape.key.metadata.get("sensitive"):
                    self._reached.add((self._operation.service, shape.key.name))
                return {key: self._value(shape.value, name, "", secret, inner)}
            case _:
                return _leaf(shape, secret, self._text)

    def _chosen(self, shape: Shape, operation: str, path: tuple[str, ...], secret: bool) -> list[tuple[str, Shape]]:
        wanted = [
            (name, member)
            for name, member in shape.members.items()
            if self._is_wanted(name, member, operation, path, secret)
        ]
        if not shape.is_tagged_union or not wanted:
            return wanted
        level = sum(name.startswith("union ") for name in path[:-1])
        self._choices[level] = max(self._choices.get(level, 1), len(wanted))
        turn = self._turn // prod(count for outer, count in self._choices.items() if outer < level)
        return [wanted[turn % len(wanted)]]

    def _shows_names(self, name: str, operation: str) -> bool:
        """Say whether the list has the names of a map's entries recorded (DynamoDB's attributes)."""
        return action_of(self._operation.service, operation, name) == Action.NAMES

    def _is_listed(self, name: str, shape: Shape, operation: str) -> bool:
        action = action_of(self._operation.service, operation, name)
        if action in (Action.NAMES, Action.VALUES):
            return action == Action.NAMES and shape.type_name == "map"
        return action is not None

    def _is_wanted(self, name: str, shape: Shape, operation: str, path: tuple[str, ...], secret: bool) -> bool:
        if path.count(shape.name) + path.count(f"union {shape.name}") > 1 or (
            len(path) > 1 and path.count(path[-1]) > 1
        ):
            return False
        if shape.serialization.get("location") == "uri" or secret or self._is_listed(name, shape, operation):
            return True
        if shape.type_name in ("structure", "list", "map"):
            return _leads_to_secret(self._operation.service, shape)
        return len(path) < 3 or bool(shape.metadata.get("sensitive"))


def _leaf(shape: Shape, secret: bool, text: str) -> Any:
    match shape.type_name:
        case "timestamp":
            return datetime(2026, 7, 10, tzinfo=UTC)
        case "boolean":
            return True
        case "integer" | "long":
            return CANARY_NUMBER if secret else 1
        case "float" | "double":
            return float(CANARY_NUMBER) if secret else 1.0
        case "blob":
            return CANARY.encode()
    if shape.serialization.get("location") == "uri" or shape.serialization.get("hostLabel"):
        return CANARY if secret else "text"
    return CANARY if secret else next(iter(getattr(shape, "enum", ())), text)


@cache
def _leads_to_secret(service: str, shape: Shape) -> bool:
    """Say whether something below ``shape`` is sensitive, by model or list, or is a document."""
    seen: set[str] = set()
    waiting = [shape]
    while waiting:
        current = waiting.pop()
        if current.name in seen:
            continue
        seen.add(current.name)
        if current.metadata.get("sensitive") or getattr(current, "is_document_type", False):
            return True
        if current.type_name == "structure":
            if any(action_of(service, "", name) for name in current.members):
                return True
            waiting.extend(current.members.values())
        elif current.type_name == "list":
            waiting.append(current.member)
        elif current.type_name == "map":
            waiting.extend((current.key, current.value))
    return False


def _with_secrets_beside(request: HttpRequest) -> HttpRequest:
    """Add a session token where clients send it, and what no model knows."""
    headers = (("X-Amz-Security-Token", CANARY), ("X-Custom-Secret", CANARY), ("Cookie", CANARY))
    joint = "&" if "?" in request.target else "?"
    target = f"{request.target}{joint}X-Amz-Security-Token={CANARY}&X-Amz-Signature={CANARY}&api_key={CANARY}"
    return replace(request, header_list=(*request.header_list, *headers), target=target)


def _without_names(event: Event) -> bytes:
    """Encode an event without the document in its resources: what is named there is a thing, not a document."""
    arns = [{**item, "ARN": "", "ARNPrefix": ""} for item in event.get("resources", ()) if _is_named_so(item)]
    others = [item for item in event.get("resources", ()) if not _is_named_so(item)]
    return encode_event({**event, "resources": arns + others})


def _is_named_so(resource: dict[str, str]) -> bool:
    return CANARY not in (resource.get("ARN", "") + resource.get("ARNPrefix", "")).replace(DOCUMENT, "")


def leaks(encoded: bytes) -> bool:
    return CANARY.encode() in encoded or str(CANARY_NUMBER).encode() in encoded


def _operations(service: str) -> Iterator[tuple[Operation, OperationModel]]:
    for name in models.service_model(service).operation_names:
        yield Operation(service, name), models.service_model(service).operation_model(name)


def _refusal(operation: Operation) -> HttpResponse:
    """The refusal of a signature, which quotes the canonical request that the service computed."""
    message = f"The Canonical String for this request should have been\n'POST\n/\nx-amz-security-token:{CANARY}\n'"
    return format_error(operation, "SignatureDoesNotMatch", message, 403, "request-2")


def _walk(services: list[str]) -> tuple[list[str], Counter[str], set[tuple[str, str]]]:
    """Record calls of every operation: the leaks, what was counted, and the sensitive shapes that were filled."""
    leaks: list[str] = []
    counts: Counter[str] = Counter()
    reached: set[tuple[str, str]] = set()
    builder = a_builder()
    for service in services:
        for operation, model in _operations(service):
            filler = Filler(operation, reached)
            inputs, outputs = filler.fill(model.input_shape), filler.fill(model.output_shape)
            counts["operations"] += 1
            calls = max(len(inputs), len(outputs))
            counts["calls"] += calls
            for turn in range(calls):
                given, answered = inputs[turn % len(inputs)], outputs[turn % len(outputs)]
                if _leak_of_call(builder, operation, model, given, answered, counts):
                    leaks.append(f"{service}:{operation.name}")
            _note_errors(operation, model, reached)
        for cached in (models._service_model, models._operation_model, plan_of, _leads_to_secret):
            cached.cache_clear()  # the memory of a walk over 439 services
    return leaks, counts, reached


def _leak_of_call(
    builder: EventBuilder,
    operation: Operation,
    model: OperationModel,
    given: dict[str, Any],
    answered: dict[str, Any],
    counts: Counter[str],
) -> bool:
    request = _with_secrets_beside(http_request(model, given))
    answer = format_response(operation, answered, "request-1")
    scope = read_scope(request)
    identified = identify(request, scope)
    begun = builder.begin(request, identified, scope, a_user(), RECEIVED)
    events = [begun, builder.finish_unknown(begun, "crash")]
    events += [builder.finish(begun, identified, response, COMPLETED) for response in (answer, _refusal(operation))]
    counts["identified"] += identified is not None
    counts["canaries sent"] += CANARY.encode() in (request.body or b"") or CANARY in request.target
    counts["canaries answered"] += CANARY.encode() in (answer.body or b"")
    counts["with parameters"] += begun["requestParameters"] is not None
    return any(leaks(_without_names(event)) for event in events)


def _note_errors(operation: Operation, model: OperationModel, reached: set[tuple[str, str]]) -> None:
    for shape in model.error_shapes:
        for member in shape.members.values():
            if member.metadata.get("sensitive"):
                reached.add((operation.service, member.name))


@pytest.mark.parametrize("part", range(PARTS))
def test_no_canary_of_any_operation_is_in_its_events(part: int) -> None:
    services = models.service_names()[part::PARTS]

    leaks, counts, reached = _walk(services)

    assert leaks == []
    assert _sensitive(services) - reached == OUT_OF_REACH & _sensitive(services)
    assert counts["operations"] == sum(len(models.read_description(service)["operations"]) for service in services)
    assert counts["calls"] == counts["identified"] == counts["canaries sent"] >= counts["operations"]
    assert counts["canaries answered"] > counts["calls"] / 2
    assert counts["with parameters"] > counts["calls"] * 0.9


def test_the_models_mark_as_many_shapes_as_were_looked_at() -> None:
    sensitive = _sensitive(models.service_names())

    assert len(sensitive) == MODELLED_SENSITIVE
    assert len({service for service, _ in sensitive}) == SERVICES_WITH_SENSITIVE


def _sensitive(services: list[str]) -> set[tuple[str, str]]:
    return {
        (service, name)
        for service in services
        for name, shape in models.read_description(service)["shapes"].items()
        if shape.get("sensitive")
    }


def test_a_message_that_the_model_marks_sensitive_is_hidden() -> None:
    builder, operation = a_builder(), Operation("proton", "CreateService")
    request = http_request(operation_model(operation), minimal_parameters(operation_model(operation)))
    begun = builder.begin(request, operation, read_scope(request), a_user(), RECEIVED)
    refusal = format_error(operation, "ValidationException", f"{CANARY} is wrong", 400, "request-1")

    event = builder.finish(begun, operation, refusal, COMPLETED)

    assert event["errorCode"] == "ValidationException"
    assert event["errorMessage"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
