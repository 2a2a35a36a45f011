"""The operations that a request does not tell apart: found by asking, with the reason for each, as a docs page.

``python -m tests.conformance.protocols.ambiguities docs/ambiguities.md`` writes the page again.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation, models
from opentrail.protocol.identify import identify
from opentrail.protocol.models import operation_model
from opentrail.protocol.scope import read_scope
from tests.unit.protocol.botocore_requests import http_request, minimal_parameters

PAGE = Path(__file__).parents[3] / "docs" / "ambiguities.md"

REASONS = {
    ("bedrock-agent-runtime", "bedrock-agent"): "same route and members; AWS tells them by host",
    ("bedrock-data-automation", "bedrock"): "same route and members; AWS tells them by host",
    ("chime", "chime-sdk-voice"): "the older service's copy of the same calls; AWS tells them by host",
    ("chime-sdk-identity", "chime-sdk-voice"): "same route and members; AWS tells them by host",
    ("chime-sdk-media-pipelines", "chime-sdk-voice"): "same route and members; AWS tells them by host",
    ("chime-sdk-meetings", "chime-sdk-voice"): "same route and members; AWS tells them by host",
    ("chime-sdk-messaging", "chime-sdk-voice"): "same route and members; AWS tells them by host",
    ("docdb", "rds"): "the same API, version and host: Amazon DocumentDB's clients call RDS",
    ("greengrassv2", "greengrass"): "the same API and host, kept by version 2",
    ("ivs-realtime", "ivs"): "same route and members; AWS tells them by host",
    ("lambda-microvms", "lambda"): "the same API and host: Lambda tags MicroVM images too",
    ("lex-models", "lexv2-models"): "same route, no body; AWS tells them by host",
    ("neptune", "rds"): "the same API, version and host: Amazon Neptune's clients call RDS",
    ("s3", "s3"): "the deprecated name of the same call; CloudTrail has one event name for both",
    ("signer-data", "signer"): "same route and members; AWS tells them by host",
    ("sms-voice", "pinpoint-sms-voice"): "two models of one API and host",
    ("timestream-write", "timestream-query"): "same target and members; AWS tells them by host",
    ("wisdom", "qconnect"): "the older model of the same API and host",
}
"""(service, service it is identified as) -> why the request cannot tell."""

OPENING = """# Operations that a request does not tell apart

One request for each of the {total:,} operations of botocore {version}'s {services} services, as its serializers make
it and with a Host of our own, is identified: {exact:,} exactly, {count} as the operation of the same name of a service
that shares the route, the signing name and the event source. With AWS's own host names {hosted} remain. The event of
such a call carries the same `eventSource`; what either model marks sensitive is hidden. A JSON body that only one of
the services would accept, and a closing slash that only one of them has, do tell. The User-Agent is not asked: its
sender could choose the model that knows less, and have members of a call left out of the record.

Not in the table: `PUT /v20180820/bucket/name` signed for `s3` is S3 Control's CreateBucket only with
`x-amz-outpost-id` or at S3 Control's host; without either it is an object put into a bucket of that name.

| service | identified as | why | operations |
|---|---|---|---|
"""


def calls() -> Iterator[tuple[Operation, HttpRequest]]:
    """Yield one request for each operation of every service."""
    for service in models.service_names():
        model = models.service_model(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            yield Operation(service, name), http_request(operation, minimal_parameters(operation))


def with_host(request: HttpRequest, host: str) -> HttpRequest:
    """Return the request with another Host header."""
    headers = tuple((name, host if name.lower() == "host" else value) for name, value in request.header_list)
    return HttpRequest(request.method, request.target, headers, request.body, request.peer, request.body_size_bytes)


@cache
def find() -> tuple[dict[Operation, Operation | None], int, int]:
    """Return the operations identified as others, how many remain with AWS's host names, and how many were asked."""
    found: dict[Operation, Operation | None] = {}
    hosted, total = 0, 0
    for operation, request in calls():
        total += 1
        identified = identify(request, read_scope(request))
        if identified != operation:
            found[operation] = identified
        prefix = operation_model(operation).service_model.metadata["endpointPrefix"]
        named = with_host(request, f"{prefix}.us-east-1.amazonaws.com")
        hosted += identify(named, read_scope(named)) != operation
    return found, hosted, total


def page() -> str:
    """Return the page."""
    found, hosted, total = find()
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for operation, identified in found.items():
        assert identified is not None, operation
        rows[(operation.service, identified.service)].append(operation.name)
    opening = OPENING.format(
        total=total,
        version=botocore.__version__,
        services=len(models.service_names()),
        exact=total - len(found),
        count=len(found),
        hosted=hosted,
    )
    lines = [f"| {pair[0]} | {pair[1]} | {REASONS[pair]} | {', '.join(names)} |\n" for pair, names in rows.items()]
    return opening + "".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
