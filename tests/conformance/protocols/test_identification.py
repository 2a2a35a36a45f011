"""Every operation of every service, as botocore's serializers make the request, is identified as itself; what a
request cannot tell is listed in docs/ambiguities.md, and costs the record neither its source nor its secrets."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import Shape

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation, models
from opentrail.protocol.identify import identify
from opentrail.protocol.models import operation_model
from opentrail.protocol.responses import format_response
from opentrail.protocol.scope import read_scope
from opentrail.record.names import event_name
from tests.conformance.protocols import ambiguities
from tests.unit.protocol.botocore_requests import http_request
from tests.unit.record.calls import COMPLETED, RECEIVED, a_builder, a_user, filled

CANARY = "canary5ecretCANARY"


@pytest.fixture(scope="module")
def ambiguous() -> dict[Operation, Operation | None]:
    found, _, total = ambiguities.find()
    assert total == 19_796
    assert len(models.service_names()) == 439
    return found


def test_the_list_of_what_a_request_does_not_tell_is_exact() -> None:
    assert ambiguities.PAGE.read_text() == ambiguities.page()


def test_every_operation_is_identified_by_its_own_name(ambiguous: dict[Operation, Operation | None]) -> None:
    renamed = {asked: found for asked, found in ambiguous.items() if found is None or found.name != asked.name}

    assert {asked: found and found.name for asked, found in renamed.items()} == {
        Operation("s3", "GetBucketLifecycle"): "GetBucketLifecycleConfiguration",
        Operation("s3", "GetBucketNotification"): "GetBucketNotificationConfiguration",
        Operation("s3", "PutBucketLifecycle"): "PutBucketLifecycleConfiguration",
        Operation("s3", "PutBucketNotification"): "PutBucketNotificationConfiguration",
    }
    for asked, found in renamed.items():
        assert found is not None
        assert event_name(*found) == event_name(*asked)


def test_an_ambiguity_never_changes_the_event_source(ambiguous: dict[Operation, Operation | None]) -> None:
    for asked, found in ambiguous.items():
        assert found is not None, asked
        assert models.event_source(found.service) == models.event_source(asked.service), asked


def test_what_the_meant_service_marks_sensitive_is_hidden_under_the_named_one(
    ambiguous: dict[Operation, Operation | None],
) -> None:
    leaks = []
    for asked, found in ambiguous.items():
        model = operation_model(asked)
        request = http_request(model, filled(model.input_shape, _leaf, _is_sensitive) or {})
        response = format_response(asked, filled(model.output_shape, _leaf, _is_sensitive) or {}, "request-1")
        scope, builder = read_scope(request), a_builder()
        begun = builder.begin(request, found, scope, a_user(), RECEIVED)
        if CANARY in json.dumps(builder.finish(begun, found, response, COMPLETED)):
            leaks.append(asked)

    assert leaks == []


def _is_sensitive(shape: Shape, name: str) -> bool:
    return bool(shape.metadata.get("sensitive"))


def _leaf(shape: Shape, name: str, secret: bool) -> Any:
    match shape.type_name:
        case "timestamp":
            return datetime(2026, 7, 10, tzinfo=UTC)
        case "boolean":
            return True
        case "integer" | "long" | "float" | "double":
            return 1
        case "blob":
            return CANARY.encode() if secret else b"plain"
        case _:
            return CANARY if secret else next(iter(getattr(shape, "enum", ())), "plain")


def _call(service: str, method: str, target: str, body: bytes, host: str = "127.0.0.1:4700") -> HttpRequest:
    scope = f"AKIA/20260304/us-east-1/{service}/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    return HttpRequest(method, target, (("Host", host), ("Authorization", authorization)), body, "", len(body))


@pytest.mark.parametrize(
    ("service", "method", "target", "body", "expected"),
    [
        (
            "lex",
            "POST",
            "/imports/",
            b'{"payload": "UEs=", "resourceType": "BOT", "mergeStrategy": ""}',
            "StartImport",
        ),
        ("lex", "POST", "/imports/", b'{"botId": "b", "maxResults": 3}', "ListImports"),
        ("lex", "POST", "/imports/", b"", "ListImports"),
        ("lex", "GET", "/imports/i", b"", "GetImport"),
        ("lex", "GET", "/imports/i/", b"", "DescribeImport"),
    ],
)
def test_a_body_or_a_closing_slash_tells_services_of_one_route_apart(
    service: str, method: str, target: str, body: bytes, expected: str
) -> None:
    request = _call(service, method, target, body)

    found = identify(request, read_scope(request))

    assert found is not None
    assert found.name == expected


@pytest.mark.parametrize(("tags", "expected"), [(b'[{"key": "a"}]', "lex-models"), (b'{"a": "b"}', "lexv2-models")])
def test_the_kind_of_a_member_tells_services_of_one_route_apart(tags: bytes, expected: str) -> None:
    request = _call("lex", "POST", "/tags/arn", b'{"tags": ' + tags + b"}")

    assert identify(request, read_scope(request)) == Operation(expected, "TagResource")


def test_a_host_that_siblings_share_names_the_service_of_the_events() -> None:
    request = _call("rds", "POST", "/", b"Action=CreateDBCluster&Version=2014-10-31", "rds.us-east-1.amazonaws.com")

    assert identify(request, read_scope(request)) == Operation("rds", "CreateDBCluster")


@pytest.mark.parametrize("host", ["s3-control.us-east-1.amazonaws.com", "s3-outposts.us-east-1.amazonaws.com"])
def test_the_host_of_s3_control_tells_its_buckets_from_objects(host: str) -> None:
    create = _call("s3", "PUT", "/v20180820/bucket/name", b"", host)
    put = _call("s3", "PUT", "/v20180820/bucket/name", b"")

    assert identify(create, read_scope(create)) == Operation("s3control", "CreateBucket")
    assert identify(put, read_scope(put)) == Operation("s3", "PutObject")


_MEASURE = """
import os, sys, time
import orjson
from opentrail.protocol import index

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

before, started = resident_mb(), time.process_time()
loaded = index.operation_index()
opened_s = time.process_time() - started
for name in list(loaded.by_signing_name):
    loaded.routes(name)
loaded.unsigned_routes()
sys.stdout.buffer.write(orjson.dumps([opened_s * 1000, (time.process_time() - started) * 1000, resident_mb() - before]))
"""


def test_the_index_loads_in_100_ms_and_50_mb_in_a_fresh_process() -> None:
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    opened_ms, whole_ms, grown_mb = (min(column) for column in zip(*runs, strict=True))

    assert opened_ms < 100
    assert 1 < grown_mb < 50, "the index with every route tree"
    assert whole_ms < 1000, "every route tree; a process makes those it is asked for"
