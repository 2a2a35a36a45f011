"""The services that are answered here, how each spells common errors, and what the others are told.

A new service is a new package with one ``Service`` value, named here.
"""

from functools import cache

from opentrail.aws import cloudtrail, cloudtrail_data, cloudwatch, events, kms, logs, organizations, s3, sns, sts
from opentrail.aws.common_errors import AccessDenied, Family, UnknownOperation, UnsupportedOperationException
from opentrail.aws.service import Handler, Service
from opentrail.capture.ownership import ALWAYS_OWN
from opentrail.errors import AwsError
from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope, Operation
from opentrail.protocol.models import operation_model, protocol_name

SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        cloudtrail.SERVICE,
        cloudtrail_data.SERVICE,
        cloudwatch.SERVICE,
        events.SERVICE,
        kms.SERVICE,
        logs.SERVICE,
        organizations.SERVICE,
        sns.SERVICE,
        sts.SERVICE,
        s3.SERVICE,
    )
}

SPOKEN = ("cloudtrail", "cloudtrail-data", "cloudwatch", "events", "kms", "logs", "organizations", "sns", "sts", "s3")
"""Services whose operations ``docs/coverage.md`` lists."""

_SERVICE_OF_SIGNING_NAME = {
    "athena": "athena",
    "cloudtrail": "cloudtrail",
    "cloudtrail-data": "cloudtrail-data",
    "events": "events",
    "kms": "kms",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "organizations": "organizations",
    "s3": "s3",
    "sns": "sns",
    "sts": "sts",
}
"""Services that are ours by design; those not in SERVICES answer every operation with their own error."""

_FORMER_QUERY_SERVICES = frozenset({"cloudwatch"})
"""Services that speak JSON and CBOR now and kept the codes of the query protocol, which their clients look for."""

_S3_WRITING_METHODS = frozenset({"PUT", "POST", "DELETE"})


def find_handler(operation: Operation) -> Handler | None:
    """Return the handler of an operation, None when this installation does not answer it."""
    service = SERVICES.get(operation.service)
    return service.handlers.get(operation.name) if service else None


def service_of(request: HttpRequest, scope: CredentialScope | None, operation: Operation | None) -> str:
    """Return the service that a request means, so that even a request that means nothing gets an answer in form."""
    if operation is not None:
        return operation.service
    if scope is not None and scope.signing_name in _SERVICE_OF_SIGNING_NAME:
        return _SERVICE_OF_SIGNING_NAME[scope.signing_name]
    if "x-amz-target" in request.headers or "json" in request.headers.get("content-type"):
        return "cloudtrail"
    if request.headers.get("content-type").startswith("application/x-www-form-urlencoded"):
        return "sts"
    return "s3"


@cache
def family_of(service: str) -> Family:
    """Return how ``service`` spells the errors that all services share."""
    if service == "s3":
        return Family.S3
    is_query = protocol_name(service) in ("query", "ec2") or service in _FORMER_QUERY_SERVICES
    return Family.QUERY if is_query else Family.JSON


def not_answered(operation: Operation | None, request: HttpRequest) -> AwsError:
    """Return what a service says of an operation that it does not know, or that is not answered here."""
    if operation is None:
        return UnknownOperation("The request names no operation of this service.")
    model = operation_model(operation)
    if operation.service == "s3" and request.method in _S3_WRITING_METHODS:
        return AccessDenied("Archives are read-only: only trails write to them.")
    if any(shape.name == UnsupportedOperationException.code for shape in model.error_shapes):
        return UnsupportedOperationException(operation.name)
    refusal = f"The operation {operation.name} is not supported by this installation."
    if operation.service not in ALWAYS_OWN and operation.service not in ("s3", "sts"):
        refusal += f" Its setting upstream.{operation.service} = URL hands calls of {operation.service} to an upstream."
    return UnknownOperation(refusal)
