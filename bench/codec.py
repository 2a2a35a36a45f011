"""The wire codec against moto's: python -m bench.codec

For one call of each protocol, the microseconds of processor time that it takes to identify and to parse a request, to
record it (the event before the call and the event after it, both encoded; the parse of request and answer not counted),
to verify its signature and to format its answer. Last, what loading the operation index costs a fresh process. Beside
it moto's parser on the same bytes (what a request object costs it included, URI matching excluded) and botocore's
serializer making the request. CBOR, which moto does not parse, is put beside botocore alone. Sides alternate within one
run; medians; both parsers must find the same parameters.
"""

import argparse
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.serialize import create_serializer
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.utils import get_service_model
from werkzeug.wrappers import Request

from opentrail.clock import RandomIdentifiers
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, Principal, PrincipalType
from opentrail.protocol import CredentialScope, Operation, Parameters
from opentrail.protocol.identify import identify
from opentrail.protocol.models import operation_model
from opentrail.protocol.observed import parse_response
from opentrail.protocol.requests import parse_request
from opentrail.protocol.responses import format_response
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv4 import verify
from opentrail.record.events import EventBuilder
from tests.unit.protocol.botocore_requests import SECRET, as_http_request, serialize, sign

INSTANCES: Parameters = {
    "ImageId": "ami-0abcdef1234567890",
    "MinCount": 1,
    "MaxCount": 2,
    "InstanceType": "t3.micro",
    "KeyName": "key",
    "SecurityGroupIds": ["sg-1", "sg-2"],
    "SubnetId": "subnet-1",
    "UserData": "IyEvYmluL2Jhc2g=",
    "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "Encrypted": True}}],
    "TagSpecifications": [
        {"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}
    ],
}
SAMPLES: list[tuple[Operation, Parameters, Parameters]] = [
    (
        Operation("dynamodb", "PutItem"),
        {"TableName": "t", "Item": {f"a{n}": {"S": "x" * 20} for n in range(10)}},
        {"Attributes": {f"a{n}": {"S": "x" * 20} for n in range(10)}},
    ),
    (
        Operation("cloudtrail", "LookupEvents"),
        {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "RunInstances"}], "MaxResults": 50},
        {"Events": [{"EventId": f"e{n}", "EventTime": datetime(2026, 3, 4, tzinfo=UTC)} for n in range(10)]},
    ),
    (Operation("iam", "CreateUser"), {"UserName": "ann", "Path": "/team/", "Tags": [{"Key": "k", "Value": "v"}]}, {}),
    (Operation("ec2", "RunInstances"), INSTANCES, {"Instances": [{"InstanceId": f"i-{n}"} for n in range(2)]}),
    (
        Operation("lambda", "CreateFunction"),
        {"FunctionName": "f", "Role": "r", "Code": {"S3Bucket": "b", "S3Key": "k"}, "Timeout": 3, "Tags": {"a": "b"}},
        {"FunctionName": "f", "Timeout": 3},
    ),
    (
        Operation("s3", "PutObject"),
        {"Bucket": "b", "Key": "a/key", "Body": b"x" * 1000, "Metadata": {"Team": "red"}, "ContentType": "a/b"},
        {"ETag": '"e"'},
    ),
    (
        Operation("s3", "PutBucketTagging"),
        {"Bucket": "b", "Tagging": {"TagSet": [{"Key": f"k{n}", "Value": "v"} for n in range(10)]}},
        {},
    ),
    (
        Operation("cloudwatch", "PutMetricData"),
        {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.0, "Unit": "Count"} for _ in range(10)]},
        {},
    ),
]
AUTHS = {"s3": "s3v4"}


def signed_request(operation: Operation, parameters: Parameters) -> HttpRequest:
    """Return the call as botocore sends it, signed now."""
    model = operation_model(operation)
    request = serialize(model, dict(parameters))
    name = model.service_model.signing_name
    request.context["client_config"] = None
    request.headers["Host"] = urlsplit(request.url).netloc
    sign(request, signing_name=name, auth=AUTHS.get(operation.service, "v4"))
    return as_http_request(request)


def moto_side(operation: Operation, request: HttpRequest, parameters: Parameters) -> Callable[[], Any] | None:
    """Return moto's parse of the same bytes; None for a protocol that it does not parse."""
    model = get_service_model(operation.service).operation_model(operation.name)
    protocol = model.service_model.protocol
    if protocol not in PROTOCOL_PARSERS:
        return None
    shape = model.input_shape
    labels = {
        member.serialization.get("name", name): parameters[name]
        for name, member in shape.members.items()
        if member.serialization.get("location") == "uri"
    }
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.header_list}
    environ |= {"REQUEST_METHOD": request.method, "PATH_INFO": request.path, "QUERY_STRING": request.raw_query}
    environ |= {"CONTENT_TYPE": request.headers.get("content-type"), "CONTENT_LENGTH": str(request.body_size_bytes)}
    environ |= {"SERVER_NAME": "h", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}

    def parse() -> Any:
        received = Request({**environ, "wsgi.input": io.BytesIO(request.body or b"")})
        values = received.values
        return PROTOCOL_PARSERS[protocol](model).parse(
            {
                "method": received.method,
                "values": values,
                "headers": received.headers,
                "body": request.body or b"",
                "url_path": received.path,
                "url_params": labels,
            }
        )

    return parse


def record_side(
    operation: Operation, request: HttpRequest, scope: CredentialScope, parameters: Parameters, output: Parameters
) -> Callable[[], Any]:
    """Return what builds both events of a call whose request and answer were parsed."""
    builder = EventBuilder(
        default_account_id="123456789012",
        default_region="us-east-1",
        regions=lambda: ("us-east-1",),
        identifiers=RandomIdentifiers(),
    )
    arn = "arn:aws:iam::123456789012:user/ann"
    caller = CallerIdentity(
        Principal(PrincipalType.IAM_USER, "AIDAANN", arn, "123456789012", "ann"), scope.access_key_id, is_verified=True
    )
    response = format_response(operation, output, "request-1")
    result = parse_response(operation, response)
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def record() -> Any:
        begun = builder.begin_encoded(request, operation, scope, caller, moment, parameters=parameters)
        return builder.finish_encoded(begun.event, operation, response, moment, result=result)

    assert record().event["eventName"]
    return record


_LOAD = """
import os, time
from opentrail.protocol import index

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

before, started = resident_mb(), time.process_time()
loaded = index.operation_index()
print(1000 * (time.process_time() - started), resident_mb() - before)
for name in list(loaded.by_signing_name):
    loaded.routes(name)
loaded.unsigned_routes()
print(1000 * (time.process_time() - started), resident_mb() - before)
"""


def index_costs() -> str:
    """Return what the index costs a process that does nothing else: the median of five."""
    runs = [
        [
            float(word)
            for word in subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, check=True).stdout.split()
        ]
        for _ in range(5)
    ]
    opened_ms, opened_mb, whole_ms, whole_mb = (statistics.median(column) for column in zip(*runs, strict=True))
    return (
        f"operation index in a fresh process: {opened_ms:.0f} ms and {opened_mb:.0f} MB; with the routes of all "
        f"services, which a process makes as it is asked for them, {whole_ms:.0f} ms and {whole_mb:.0f} MB"
    )


def microseconds(sides: dict[str, Callable[[], Any]], rounds: int, calls: int) -> dict[str, float]:
    """Return the median cost of a call of each side in processor time, the sides taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            started = time.process_time()
            for _ in range(calls):
                call()
            taken[name].append((time.process_time() - started) / calls * 1e6)
    return {name: statistics.median(values) for name, values in taken.items()}


def measure(operation: Operation, parameters: Parameters, output: Parameters, rounds: int, calls: int) -> str:
    """Return one row of the table; the ratio is moto's parse (for CBOR botocore's serializer) over ours."""
    request = signed_request(operation, parameters)
    scope = read_scope(request)
    assert scope is not None
    assert identify(request, scope) == operation
    found = parse_request(operation, request)
    assert parameters.items() <= found.items(), (found, parameters)
    record = record_side(operation, request, scope, found, output)
    model = operation_model(operation)
    serializer = create_serializer(model.service_model.protocol, include_validation=False)
    now = datetime.now(UTC)
    # Fresh copies, so that what a request caches on itself is paid for by every call.
    fresh = (request.method, request.target, request.header_list, request.body, request.peer, request.body_size_bytes)
    sides: dict[str, Callable[[], Any]] = {
        "identify": lambda: identify(HttpRequest(*fresh), scope),
        "parse": lambda: parse_request(operation, HttpRequest(*fresh)),
        "record": record,
        "verify": lambda: verify(HttpRequest(*fresh), scope, SECRET, now),
        "format": lambda: format_response(operation, output, "request-1"),
        "botocore": lambda: serializer.serialize_to_request(parameters, model),
    }
    moto = moto_side(operation, request, parameters)
    if moto is not None:
        theirs = moto()
        assert {name: theirs[name] for name in parameters} == parameters
        sides["moto"] = moto
    cost = microseconds(sides, rounds, calls)
    other = cost.get("moto", cost["botocore"])
    columns = [f"{cost.get(name, float('nan')):9.1f}" for name in ("identify", "parse", "record", "verify", "format")]
    columns += [f"{cost.get(name, float('nan')):9.1f}" for name in ("moto", "botocore")]
    label = f"{operation.service} {operation.name}"
    return f"{label:28}{model.service_model.protocol:20}{''.join(columns)}{other / cost['parse']:9.1f}x"


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--calls", type=int, default=200)
    options = arguments.parse_args()
    titles = ("identify", "parse", "record", "verify", "format", "moto", "botocore")
    print(
        f"{'microseconds a call':28}{'protocol':20}{''.join(f'{title:>9}' for title in titles)}  moto or botocore/parse"
    )
    for operation, parameters, output in SAMPLES:
        print(measure(operation, parameters, output, options.rounds, options.calls))
    print(index_costs())


if __name__ == "__main__":
    main()
