"""Real CloudTrail records and the calls that would have made them, rebuilt through botocore's own serializer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.model import Shape

from opentrail.event.redaction import HIDDEN
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, Principal, PrincipalType, SessionContext
from opentrail.protocol import Operation
from opentrail.protocol.models import operation_model, service_model
from opentrail.record.ec2 import OlderRequestRenderer, OlderResponseRenderer, is_newer
from opentrail.record.names import event_name
from opentrail.record.rendering import lower_first

CORPUS = Path(__file__).parents[3] / ".." / "shared" / "corpus" / "real"
ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

SERVICES = {
    "account.amazonaws.com": "account",
    "acm-pca.amazonaws.com": "acm-pca",
    "appsync.amazonaws.com": "appsync",
    "bedrock.amazonaws.com": "bedrock",
    "ce.amazonaws.com": "ce",
    "cloudtrail.amazonaws.com": "cloudtrail",
    "config.amazonaws.com": "config",
    "devops-guru.amazonaws.com": "devops-guru",
    "ec2-instance-connect.amazonaws.com": "ec2-instance-connect",
    "ec2.amazonaws.com": "ec2",
    "ecr.amazonaws.com": "ecr",
    "ecs.amazonaws.com": "ecs",
    "elasticloadbalancing.amazonaws.com": "elb",
    "guardduty.amazonaws.com": "guardduty",
    "health.amazonaws.com": "health",
    "iam.amazonaws.com": "iam",
    "kms.amazonaws.com": "kms",
    "lambda.amazonaws.com": "lambda",
    "lightsail.amazonaws.com": "lightsail",
    "logs.amazonaws.com": "logs",
    "monitoring.amazonaws.com": "cloudwatch",
    "notifications.amazonaws.com": "notifications",
    "organizations.amazonaws.com": "organizations",
    "ram.amazonaws.com": "ram",
    "rds.amazonaws.com": "rds",
    "resource-explorer-2.amazonaws.com": "resource-explorer-2",
    "rolesanywhere.amazonaws.com": "rolesanywhere",
    "route53.amazonaws.com": "route53",
    "route53resolver.amazonaws.com": "route53resolver",
    "s3.amazonaws.com": "s3",
    "sagemaker.amazonaws.com": "sagemaker",
    "secretsmanager.amazonaws.com": "secretsmanager",
    "securityhub.amazonaws.com": "securityhub",
    "sns.amazonaws.com": "sns",
    "ssm.amazonaws.com": "ssm",
    "sso.amazonaws.com": "sso-admin",
    "sts.amazonaws.com": "sts",
    "support.amazonaws.com": "support",
    "transfer.amazonaws.com": "transfer",
    "wafv2.amazonaws.com": "wafv2",
}


@dataclass(frozen=True)
class Witness:
    """One real record, and the operation it tells of."""

    operation: Operation
    record: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.operation.service}-{self.operation.name}-{self.record.get('errorCode', 'success')}"


def witnesses() -> Iterator[Witness]:
    """Yield one record per operation and outcome: the one with the most to say, from delivered log files."""
    best: dict[tuple[Operation, str], dict[str, Any]] = {}
    for record in _records():
        service = SERVICES.get(record.get("eventSource", ""))
        operation = None if service is None else _operation(service, record["eventName"])
        if operation is None or record.get("eventType") != "AwsApiCall":
            continue
        key = (operation, record.get("errorCode", ""))
        if key not in best or _substance(record) > _substance(best[key]):
            best[key] = record
    for (operation, _), record in sorted(
        best.items(), key=lambda item: (item[0][0].service, item[0][0].name, item[0][1])
    ):
        yield Witness(operation, record)


def request_of(witness: Witness) -> HttpRequest:
    """Return the request, as botocore's client sends it, whose parameters are those the record shows."""
    parameters = request_parameters(witness.operation, witness.record.get("requestParameters") or {})
    return wire_request(witness.operation, parameters, witness.record["awsRegion"])


def wire_request(operation: Operation, parameters: dict[str, Any], region: str) -> HttpRequest:
    """Return what botocore's client puts on the wire for a call."""
    sent: list[AWSPreparedRequest] = []

    def capture(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, _NoBody())

    client = _client(operation.service, region)
    client.meta.events.register("before-send", capture)
    try:
        client._make_api_call(operation.name, parameters)
    except Exception:
        if not sent:
            raise
    finally:
        client.meta.events.unregister("before-send", capture)
    return _as_message(sent[0])


def request_parameters(operation: Operation, recorded: dict[str, Any]) -> dict[str, Any]:
    """Return the operation's input, by the model's names, that a record's requestParameters tell of."""
    model = operation_model(operation)
    if model.input_shape is None:
        return {}
    if operation.service == "s3":
        return _s3_parameters(model.input_shape, recorded)
    if operation.service == "ec2":
        if is_newer(model):
            inner = recorded.get(f"{operation.name}Request") or {}
            return _from_xml(model.input_shape, inner, numbered=True) or {}
        return _from_sets(OlderRequestRenderer(), model.input_shape, _ungrouped(recorded), operation.name)
    return dict(_from_json(model.input_shape, recorded))


def response_output(witness: Witness) -> dict[str, Any]:
    """Return the operation's output that a record's responseElements (or KMS's resources) tell of."""
    operation, recorded = witness.operation, witness.record.get("responseElements")
    shape = operation_model(operation).output_shape
    if operation.service == "kms" and witness.record.get("resources"):
        return {"KeyId": witness.record["resources"][0]["ARN"]}
    if shape is None or not recorded:
        return {}
    if operation.service == "ec2":
        if is_newer(operation_model(operation)):
            return _from_xml(shape, recorded.get(f"{operation.name}Response") or {}, numbered=False) or {}
        return _from_wire_sets(OlderResponseRenderer(), shape, recorded, operation.name)
    if operation.service == "secretsmanager" and "arn" in recorded:
        recorded = {"aRN": recorded["arn"]}
    if operation.service == "rds" and len(shape.members) == 1:
        recorded = {lower_first(name): recorded for name in shape.members}
    return dict(_from_json(shape, recorded))


def caller_of(record: dict[str, Any]) -> CallerIdentity:
    """Return the identity that a record shows, as the identity store would give it."""
    shown = record["userIdentity"]
    context = shown.get("sessionContext")
    issuer = (context or {}).get("sessionIssuer") or {}
    attributes = (context or {}).get("attributes", {})
    session = (
        None
        if context is None
        else SessionContext(
            created_at=datetime.fromisoformat(attributes.get("creationDate", "2023-07-10T00:00:00Z")).astimezone(UTC),
            is_mfa_authenticated=attributes.get("mfaAuthenticated") == "true",
            issuer_type=issuer.get("type", ""),
            issuer_principal_id=issuer.get("principalId", ""),
            issuer_arn=issuer.get("arn", ""),
            issuer_account_id=issuer.get("accountId", ""),
            issuer_user_name=issuer.get("userName", ""),
        )
    )
    try:
        kind = PrincipalType(shown.get("type", ""))
    except ValueError:
        return CallerIdentity(None, shown.get("accessKeyId", ""), True)
    principal = Principal(
        kind,
        shown.get("principalId", ""),
        shown.get("arn", ""),
        shown.get("accountId", ""),
        shown.get("userName", ""),
        session,
    )
    return CallerIdentity(principal, shown.get("accessKeyId", ""), True)


class _NoBody:
    def stream(self, **_: Any) -> Iterator[bytes]:
        return iter(())


@cache
def _client(service: str, region: str) -> Any:
    session = botocore.session.Session()
    session.set_credentials(ACCESS_KEY_ID, SECRET)
    config = Config(parameter_validation=False, retries={"max_attempts": 0})
    known = (
        region if region[:2] in ("us", "eu", "ap") and region.count("-") == 2 and region[-1].isdigit() else "us-east-1"
    )
    return session.create_client(service, known, config=config)


def _as_message(request: AWSPreparedRequest) -> HttpRequest:
    _, _, rest = request.url.partition("://")
    host, slash, target = rest.partition("/")
    headers = {str(k): v.decode() if isinstance(v, bytes) else str(v) for k, v in request.headers.items()}
    headers.setdefault("Host", host)
    body = request.body.encode() if isinstance(request.body, str) else (request.body or b"")
    body = body if isinstance(body, bytes) else body.read()
    return HttpRequest(request.method, slash + target, tuple(headers.items()), body, "192.0.2.1", len(body), True)


def _records() -> Iterator[dict[str, Any]]:
    for path in sorted((CORPUS / "invictus-ir").rglob("*.json")):
        yield from json.loads(path.read_bytes())["Records"]
    for folder in ("stratus-red-team", "traildiscover"):
        for path in sorted((CORPUS / folder).rglob("*.json*")):
            content = json.loads(path.read_bytes())
            yield from (item for item in (content if isinstance(content, list) else [content]) if "eventName" in item)


@cache
def _operations(service: str) -> dict[str, Operation]:
    names = service_model(service).operation_names
    return {event_name(service, name): Operation(service, name) for name in names}


def _operation(service: str, name: str) -> Operation | None:
    return _operations(service).get(name)


def _substance(record: dict[str, Any]) -> int:
    return len(json.dumps([record.get("requestParameters"), record.get("responseElements")]))


def _from_json(shape: Shape, recorded: Any) -> Any:
    if shape.type_name == "structure" and isinstance(recorded, dict):
        found = {}
        for name, member in shape.members.items():
            recorded_name = lower_first(name) if lower_first(name) in recorded else name
            if recorded_name in recorded:
                found[name] = _from_json(member, recorded[recorded_name])
        return found
    if recorded == HIDDEN and shape.type_name != "string":
        return {"structure": {}, "map": {"key": ["value"]}, "list": ["value"]}.get(shape.type_name, recorded)
    if shape.type_name == "list" and isinstance(recorded, list):
        return [_from_json(shape.member, item) for item in recorded]
    if shape.type_name == "map" and isinstance(recorded, dict):
        return {key: _from_json(shape.value, item) for key, item in recorded.items()}
    return _leaf(shape, recorded)


def _from_sets(names: OlderRequestRenderer, shape: Shape, recorded: dict[str, Any], parent: str) -> dict[str, Any]:
    names.parent = parent
    found: dict[str, Any] = {}
    renamed = {name: names.member_name(name, member) for name, member in shape.members.items()}
    for name, member in shape.members.items():
        value = recorded.get(renamed[name])
        if member.type_name == "list" and isinstance(value, dict | list):
            items = value if isinstance(value, list) else value.get("items", value.get("item", []))
            if items:
                found[name] = [_set_item(names, member.member, item) for item in items]
        elif member.type_name == "structure" and isinstance(value, dict):
            found[name] = _from_sets(names, member, value, member.name)
        elif value is not None and not isinstance(value, dict):
            found[name] = _leaf(member, value)
    return found


def _set_item(names: OlderRequestRenderer, shape: Shape, item: Any) -> Any:
    if shape.type_name == "structure":
        return _from_sets(names, shape, item, shape.name)
    return _leaf(shape, next(iter(item.values())) if isinstance(item, dict) else item)


def _ungrouped(recorded: dict[str, Any]) -> dict[str, Any]:
    grouped = recorded.get("instancesSet", {})
    items = grouped.get("items", []) if isinstance(grouped, dict) else []
    return {**recorded, **items[0]} if len(items) == 1 and "imageId" in items[0] else recorded


def _from_wire_sets(
    names: OlderResponseRenderer, shape: Shape, recorded: dict[str, Any], parent: str
) -> dict[str, Any]:
    names.parent = parent
    found: dict[str, Any] = {}
    renamed = {name: names.member_name(name, member) for name, member in shape.members.items()}
    for name, member in shape.members.items():
        value = recorded.get(renamed[name])
        if value is None:
            continue
        if member.type_name == "list" and isinstance(value, dict):
            items = value.get("items", value.get("item")) or []
            item = member.member
            is_structure = item.type_name == "structure"
            found[name] = [_from_wire_sets(names, item, one, item.name) if is_structure else one for one in items]
        elif member.type_name == "structure" and isinstance(value, dict):
            found[name] = _from_wire_sets(names, member, value, member.name)
        else:
            found[name] = _leaf(member, value)
    return found


def _from_xml(shape: Shape, recorded: Any, *, numbered: bool) -> Any:
    if shape.type_name == "structure":
        found: dict[str, Any] = {}
        for name, member in shape.members.items():
            wire_name = str(member.serialization.get("name") or name)
            if numbered:
                wire_name = wire_name[:1].upper() + wire_name[1:]
            if isinstance(recorded, dict) and wire_name in recorded:
                found[name] = _from_xml(member, recorded[wire_name], numbered=numbered)
        return found
    if shape.type_name == "list":
        if isinstance(recorded, dict) and not numbered and not shape.serialization.get("flattened"):
            item_name = "item" if "item" in recorded else shape.member.serialization.get("name", "member")
            recorded = recorded.get(item_name, [])
        items = recorded if isinstance(recorded, list) else [recorded] if recorded != "" else []
        return [_from_xml(shape.member, item, numbered=numbered) for item in items]
    return _leaf(shape, recorded["content"] if isinstance(recorded, dict) and "content" in recorded else recorded)


def _s3_parameters(shape: Shape, recorded: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire_name = str(member.serialization.get("name") or name)
        location = member.serialization.get("location")
        if name == "Bucket" and "bucketName" in recorded:
            found[name] = recorded["bucketName"]
        elif name == "Key" and "key" in recorded:
            found[name] = recorded["key"]
        elif name == "Policy" and "bucketPolicy" in recorded:
            found[name] = json.dumps(recorded["bucketPolicy"])
        elif location == "header" and wire_name in recorded:
            found[name] = recorded[wire_name]
        elif location == "querystring" and wire_name in recorded:
            found[name] = _leaf(member, recorded[wire_name])
        elif location is None and wire_name in recorded:
            found[name] = _from_xml(member, recorded[wire_name], numbered=False)
    return found


def _leaf(shape: Shape, value: Any) -> Any:
    if shape.type_name == "timestamp":
        return _time(value)
    if shape.type_name == "blob":
        return str(value).encode()
    if shape.type_name in ("integer", "long") and not isinstance(value, bool):
        return int(value) if str(value).lstrip("-").isdigit() else value
    if shape.type_name == "string":
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _time(value: Any) -> datetime:
    if isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC)
    if isinstance(value, float):
        return datetime.fromtimestamp(value, UTC)
    for form in ("%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            return datetime.strptime(value.replace(chr(0x202F), " "), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return datetime(2023, 7, 10, 12, 24, 29, tzinfo=UTC)
