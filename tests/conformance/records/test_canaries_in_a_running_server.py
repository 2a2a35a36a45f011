"""No secret of a call is left anywhere by a running server: journal, logs, history, log files, metrics, tracebacks.

Calls with canaries go through the gateway of a real server process to an upstream that answers with canaries. One call
fails inside the server, and one is under way when the server is killed. Then everything that it wrote is searched.
"""

import gzip
import http.client
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Operation, models
from opentrail.protocol.responses import format_error, format_response
from tests.conformance.records.test_canaries import CANARY, DOCUMENT, Filler, leaks
from tests.support.server import RunningServer, wait_until
from tests.unit.protocol.botocore_requests import http_request

pytestmark = pytest.mark.slow

SERVICES = ("iam", "sts", "secretsmanager", "ssm", "rds", "kms", "cognito-idp", "lambda", "s3", "dynamodb", "ec2")
CALLS_OF_EACH = 8
MARKER = "a-marker-that-is-no-secret"
EXPLODE = "x-explode"

SITE = f'''
import opentrail.record.events as events

_describe = events.EventBuilder._describe_parameters

def _explode(self, event, request, plan, scope, parameters):
    if "{EXPLODE}" in request.headers:
        raise KeyError(request.headers.get("x-amz-security-token") + repr(request.body))
    return _describe(self, event, request, plan, scope, parameters)

events.EventBuilder._describe_parameters = _explode
'''
"""What makes a call fail inside the server, with its secrets in the exception."""


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[HttpResponse]] = []
    is_reached: ClassVar[threading.Event] = threading.Event()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "X-Sample" not in self.headers:
            self.is_reached.set()
            threading.Event().wait(60)
            return
        answer = self.answers[int(self.headers["X-Sample"])]
        self.send_response(answer.status)
        for name, value in answer.header_list:
            self.send_header(name, value)
        body = answer.body or b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _answer


@contextmanager
def _upstream(answers: list[HttpResponse]) -> Iterator[str]:
    _Upstream.answers = answers
    _Upstream.is_reached.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _samples() -> tuple[list[HttpRequest], list[HttpResponse]]:
    """Return calls with canaries, and what the upstream answers them with."""
    requests, answers = [], []
    for service in SERVICES:
        for name in _secretive(service):
            operation, model = Operation(service, name), models.service_model(service).operation_model(name)
            filler = Filler(operation, set(), text="text")
            requests.append(_with_token(http_request(model, filler.fill(model.input_shape)[0])))
            answers.append(format_response(operation, filler.fill(model.output_shape)[0], "request-1"))
    policy = models.service_model("iam").operation_model("PutRolePolicy")
    document = {"RoleName": "r", "PolicyName": "p", "PolicyDocument": DOCUMENT}
    requests.append(_with_token(http_request(policy, document)))
    answers.append(format_response(Operation("iam", "PutRolePolicy"), {}, "request-1"))
    url = f"/logs/key?AWSAccessKeyId=AKIA&Expires=99999999999&x-amz-security-token={CANARY}&Signature={CANARY}"
    requests.append(HttpRequest("GET", url, (("Host", "127.0.0.1"),), b"", ""))
    message = f"The Canonical String should have been 'GET\n/\nx-amz-security-token:{CANARY}\n'"
    answers.append(format_error("s3", "SignatureDoesNotMatch", message, 403, "request-2"))
    return requests, answers


def _secretive(service: str) -> list[str]:
    """Return the first operations of a service whose filled input or output holds a canary."""
    model, found = models.service_model(service), []
    for name in model.operation_names:
        operation = model.operation_model(name)
        filler = Filler(Operation(service, name), set(), text="text")
        if CANARY in repr(filler.fill(operation.input_shape)[0]) + repr(filler.fill(operation.output_shape)[0]):
            found.append(name)
    step = max(1, len(found) // CALLS_OF_EACH)
    return found[::step][:CALLS_OF_EACH]


def _with_token(request: HttpRequest) -> HttpRequest:
    headers = (("X-Amz-Security-Token", CANARY), ("Cookie", CANARY), ("X-Custom-Secret", CANARY))
    return replace(request, header_list=(*request.header_list, *headers))


def _send(address: tuple[str, int], request: HttpRequest, **extra: str) -> int:
    """Send a request as it stands and return the status, 0 when the connection ended without an answer."""
    connection = http.client.HTTPConnection(*address, timeout=30)
    headers = {name: value for name, value in request.header_list if name.lower() != "content-length"}
    headers |= {name.replace("_", "-"): value for name, value in extra.items()} | {"User-Agent": MARKER}
    try:
        connection.request(request.method, request.target, request.body or None, headers)
        response = connection.getresponse()
        response.read()
    except (http.client.HTTPException, ConnectionError):
        return 0
    else:
        return response.status
    finally:
        connection.close()


def _start_trail(server: RunningServer) -> None:
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    trail = _client(server, "cloudtrail")
    trail.create_trail(Name="audit", S3BucketName="audit-archive", IsMultiRegionTrail=True)
    trail.put_event_selectors(
        TrailName="audit",
        AdvancedEventSelectors=[
            {"Name": kind, "FieldSelectors": [{"Field": "eventCategory", "Equals": [kind]}, *more]}
            for kind, more in (
                ("Management", []),
                ("Data", [{"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]),
            )
        ],
    )
    trail.start_logging(Name="audit")


def _client(server: RunningServer, service: str) -> Any:
    key = server.owner_key()
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=server.ready["gateway_url"],
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


def _delivered(server: RunningServer) -> bytes:
    paths = (server.home / "archives").rglob("*.json.gz")
    return b"".join(gzip.decompress(path.read_bytes()) for path in paths)


def _files(server: RunningServer) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in server.home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
def test_a_server_leaves_no_secret_of_its_calls_anywhere(mode: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    requests, answers = _samples()
    settings = {"PYTHONPATH": str(site), "OPENTRAIL_RECORDING": mode, "OPENTRAIL_LOG_LEVEL": "debug"}
    with _upstream(answers) as url:
        server = RunningServer(
            tmp_path / "home", upstream=url, settings=settings | {"OPENTRAIL_UPSTREAM_KMS": url}
        ).start()
        try:
            _start_trail(server)
            address = _address(server.ready["gateway_url"])
            statuses = [_send(address, request, X_Sample=str(n)) for n, request in enumerate(requests)]
            session = _client(server, "sts").get_session_token()["Credentials"]
            exploded = _send(address, requests[0], X_Sample="0", X_Explode="yes")
            wait_until(lambda: MARKER.encode() in _delivered(server), "a log file with the calls")
            wait_until(lambda: MARKER.encode() in _lookup(server), "the calls in the history")
            history = _lookup(server)
            metrics = urllib.request.urlopen(server.ready["api_url"] + "/metrics", timeout=10).read()
            hanging = threading.Thread(target=_send, args=(address, requests[1]), daemon=True)
            hanging.start()
            assert _Upstream.is_reached.wait(20)
            server.kill()
            files, log, delivered = _files(server), server.log.read_bytes(), _delivered(server)
        finally:
            server.close()

    assert len(requests) > 60
    assert sum(1 for status in statuses if status) == len(requests)
    journal = b"".join(content for path, content in files.items() if path.is_relative_to(server.home / "journal"))
    for place in (journal, history, delivered):
        assert MARKER.encode() in place, "what is searched holds the calls"
    assert b"opentrail_" in metrics
    if mode == "fail-closed":
        assert exploded == 0
        assert b"KeyError" in log, "the traceback of the call that failed inside"
    places = {**files, Path("log"): log, Path("history"): history, Path("delivered"): delivered, Path("m"): metrics}
    assert [path for path, content in places.items() if leaks(content)] == []
    for secret in (session["SecretAccessKey"], session["SessionToken"]):
        assert [path for path, content in places.items() if secret.encode() in content] == []


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("//")[2].rstrip("/").rpartition(":")
    return host, int(port)


def _lookup(server: RunningServer) -> bytes:
    found = server.opentrail("lookup", "--json", "--max", "1000")
    return found.stdout.encode()


def test_what_is_searched_for_would_be_found() -> None:
    requests, answers = _samples()

    assert all(leaks(request.target.encode() + repr(request.header_list).encode()) for request in requests)
    assert sum(leaks(request.body or b"") for request in requests) > 30
    assert sum(leaks(answer.body or b"") for answer in answers) > 20
