"""The rows of ``gateway_calls``, made by boto3 through a whole Opentrail in front of moto, and the events delivered.

A row is one call: ``op`` (botocore's service and operation), ``set`` (parameters beside or instead of those that the
witness's own requestParameters tell of), ``drop`` (parameters left out), ``keep`` (name -> JMESPath into the answer,
for ``${name}`` in later rows), ``as`` (the key that signs: imported or owner), ``error`` (which witness of a refused
call to follow), ``aside`` (made for later rows only), ``expect`` (what the event of a call without a witness has).
"""

import gzip
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import ClientError

from opentrail.event import Event
from opentrail.protocol import Operation
from tests.conformance.records.witnesses import ACCESS_KEY_ID, SECRET, Witness, request_parameters, witnesses
from tests.support.server import RunningServer, wait_until

FOLDER = Path(__file__).parent / "gateway_calls"
FILES = (
    "s3",
    "iam",
    "ec2",
    "rds",
    "kms",
    "ssm",
    "secretsmanager",
    "lambda",
    "sts",
    "route53",
    "messaging",
    "cloudtrail",
)
REGION = "us-east-1"
ARCHIVE = "records-archive"
DATA_TYPES = (
    "AWS::S3::Object",
    "AWS::Lambda::Function",
    "AWS::DynamoDB::Table",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
)
DELIVERED_SECONDS = 90

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass
class Row:
    """One call of the table."""

    number: int
    operation: Operation
    content: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.number:03d}-{self.operation.service}-{self.operation.name}"

    @property
    def is_aside(self) -> bool:
        return bool(self.content.get("aside"))

    @property
    def witness(self) -> Witness | None:
        return _witnesses().get((self.operation, self.content.get("error", "")))

    @property
    def mark(self) -> str:
        return f"row/{self.number}"


@dataclass
class Made:
    """A call that was made: what came back, as bytes and as an error code, and the event that was delivered.

    ``sent`` are the parameters that the row set itself; all others are the witness's.
    """

    row: Row
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""
    sent: dict[str, Any] = field(default_factory=dict)
    event: Event = field(default_factory=dict)


@cache
def rows() -> tuple[Row, ...]:
    """Return every row, in the order in which the calls are made."""
    contents = [row for name in FILES for row in json.loads((FOLDER / f"{name}.json").read_text())["calls"]]
    return tuple(
        Row(number, Operation(*content["op"].split(".")), content) for number, content in enumerate(contents, 1)
    )


@cache
def _witnesses() -> dict[tuple[Operation, str], Witness]:
    return {(item.operation, item.record.get("errorCode", "")): item for item in witnesses()}


def make_calls(server: RunningServer) -> list[Made]:
    """Make every call of the table through the running server's gateway; return them with their delivered events."""
    _prepare(server)
    session = _Session(server)
    made = [session.make(row) for row in rows()]
    found: dict[str, Event] = {}

    def all_delivered() -> bool:
        found.update(_marked(server))
        return all(call.row.mark in found for call in made)

    try:
        wait_until(all_delivered, "every call in a log file", DELIVERED_SECONDS)
    except AssertionError as error:
        missing = [call.row.id for call in made if call.row.mark not in found]
        raise AssertionError(f"not in any log file: {missing}") from error
    for call in made:
        call.event = found[call.row.mark]
    return made


class _Session:
    """The clients, and what earlier answers left for later rows."""

    def __init__(self, server: RunningServer) -> None:
        owner = server.owner_key()
        self._url = server.ready["gateway_url"]
        self._keys = {
            "owner": (owner["access_key_id"], owner["secret_access_key"]),
            "imported": (ACCESS_KEY_ID, SECRET),
        }
        self._clients: dict[tuple[str, str], Any] = {}
        self._kept: dict[str, str] = {"now": str(int(time.time()))}
        self._made = Made(rows()[0])

    def make(self, row: Row) -> Made:
        """Make one call. Raises when the client itself refuses it; an error answer must be the one the row names."""
        self._made = Made(row)
        client = self._client(row.operation.service, row.content.get("as", "imported"))
        output: dict[str, Any] = {}
        try:
            output = client._make_api_call(row.operation.name, self._parameters(row))
        except ClientError as error:
            self._made.error = error.response["Error"]["Code"]
        expected = row.content.get("error", "").removeprefix("Client.")
        said = self._made.error.removeprefix("Client.")
        assert bool(said) == bool(expected), f"{row.id}: {said or 'no error'}: {self._made.body[:500]!r}"
        for name, path in row.content.get("keep", {}).items():
            value = jmespath.search(path, output)
            assert value, f"{row.id}: the answer has no {path}"
            self._kept[name] = str(value)
        if "Body" in output:
            output["Body"].read()
        return self._made

    def _parameters(self, row: Row) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        if row.witness is not None and not row.content.get("own"):
            parameters = request_parameters(row.operation, row.witness.record.get("requestParameters") or {})
        for name in row.content.get("drop", ()):
            parameters.pop(name, None)
        self._made.sent = dict(self._filled(row.content.get("set", {})))
        return {**parameters, **self._made.sent}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda match: self._kept[match[1]], value)
        return value

    def _client(self, service: str, key: str) -> Any:
        if (service, key) not in self._clients:
            access_key_id, secret = self._keys[key]
            client = boto3.session.Session().client(
                service,
                region_name=REGION,
                endpoint_url=self._url,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret,
                config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False),
            )
            client.meta.events.register("before-send", self._mark)
            client.meta.events.register("response-received", self._keep_answer)
            self._clients[service, key] = client
        return self._clients[service, key]

    def _mark(self, request: AWSPreparedRequest, **_: Any) -> None:
        agent = request.headers["User-Agent"]
        agent = agent.decode() if isinstance(agent, bytes) else agent
        request.headers["User-Agent"] = f"{agent} {self._made.row.mark}"

    def _keep_answer(self, response_dict: dict[str, Any], **_: Any) -> None:
        body = response_dict.get("body")
        self._made.body = body if isinstance(body, bytes) else b""
        self._made.headers = {name.lower(): value for name, value in response_dict["headers"].items()}


def _prepare(server: RunningServer) -> None:
    assert server.opentrail("archive", "create", ARCHIVE).returncode == 0
    imported = server.opentrail("keys", "import", ACCESS_KEY_ID, input_text=SECRET + "\n")
    assert imported.returncode == 0, imported.stderr
    owner = server.owner_key()
    cloudtrail = boto3.session.Session().client(
        "cloudtrail",
        region_name=REGION,
        endpoint_url=server.ready["gateway_url"],
        aws_access_key_id=owner["access_key_id"],
        aws_secret_access_key=owner["secret_access_key"],
    )
    cloudtrail.create_trail(Name="records", S3BucketName=ARCHIVE, IsMultiRegionTrail=True)
    data = [
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": [kind]},
            ]
        }
        for kind in DATA_TYPES
    ]
    management = {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}
    cloudtrail.put_event_selectors(TrailName="records", AdvancedEventSelectors=[management, *data])
    cloudtrail.start_logging(Name="records")


def delivered(server: RunningServer) -> Iterator[Event]:
    """Yield the events of every log file that the server delivered."""
    for path in sorted((server.home / "archives" / ARCHIVE).rglob("*_CloudTrail_*.json.gz")):
        yield from json.loads(gzip.decompress(path.read_bytes()))["Records"]


def _marked(server: RunningServer) -> dict[str, Event]:
    """The event of every marked call, the call's own where it has several (DeleteObjects)."""
    marked: dict[str, Event] = {}
    for event in delivered(server):
        mark = event.get("userAgent", "").strip("[]").rpartition(" ")[2]
        if mark.startswith("row/") and (mark not in marked or marked[mark]["eventName"] == "DeleteObject"):
            marked[mark] = event
    return marked
