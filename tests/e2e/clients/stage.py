"""A whole Opentrail between two taps and before a real upstream, with a trail that takes every event.

``client -> tap -> gateway -> tap -> moto``: what both taps kept shows that the gateway changed nothing, and what the
trail delivered shows that every call is on record.
"""

import gzip
import json
import os
import subprocess
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from opentrail.cli.execution import client_environment, read_key
from opentrail.home import Home
from tests.support.server import RunningServer, wait_until
from tests.support.tap import Tap, TappedConnection
from tests.support.wire_log import WireMessage

BUCKET = "everything-recorded"
TRAIL = "everything"
ACCOUNT = "123456789012"
CLIENT_SECONDS = 200

DATA_RESOURCE_TYPES = (
    "AWS::S3::Object",
    "AWS::Bedrock::Model",
    "AWS::Lambda::Function",
    "AWS::DynamoDB::Table",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::Kinesis::Stream",
    "AWS::Kinesis::StreamConsumer",
    "AWS::SageMaker::Endpoint",
    "AWS::CloudWatch::Metric",
)

_OWN_SERVICES = ("cloudtrail", "sts")
_BETWEEN_HOPS = frozenset({"connection", "keep-alive", "proxy-connection"})
"""Headers that speak of one connection; the gateway may set its own (RFC 9110 section 7.6.1)."""

Exchange = tuple[WireMessage, WireMessage]


class Stage:
    """Servers for one module's tests. Calls made by ``boto`` and ``run`` pass both taps."""

    def __init__(self, home: Path, upstream_url: str, settings: Mapping[str, str] | None = None) -> None:
        self.upstream_url = upstream_url
        self.before, self.behind = Tap(), Tap(upstream_url)
        taken = {name: self.behind.url if url == upstream_url else url for name, url in (settings or {}).items()}
        self.server = RunningServer(home, upstream=self.behind.url, settings=taken).start()
        self.before.target = str(self.server.ready["gateway_url"])
        self._make_trail()

    def close(self) -> None:
        self.server.close()
        self.before.close()
        self.behind.close()

    def _make_trail(self) -> None:
        made = self.server.opentrail("archive", "create", BUCKET)
        assert made.returncode == 0, made.stderr
        cloudtrail = self.boto("cloudtrail")
        cloudtrail.create_trail(Name=TRAIL, S3BucketName=BUCKET, IsMultiRegionTrail=True)
        selectors = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
        for kind in DATA_RESOURCE_TYPES:
            fields = [("eventCategory", "Data"), ("resources.type", kind)]
            selectors.append({"FieldSelectors": [{"Field": name, "Equals": [value]} for name, value in fields]})
        cloudtrail.put_event_selectors(TrailName=TRAIL, AdvancedEventSelectors=selectors)
        cloudtrail.start_logging(Name=TRAIL)

    def make_user(self, name: str, *managed: str) -> None:
        """Make a user of this installation with a saved key."""
        policies = [word for policy in managed for word in ("--managed", policy)]
        for command in (("users", "create", name, *policies), ("keys", "create", "--user", name, "--save")):
            done = self.server.opentrail(*command)
            assert done.returncode == 0, done.stderr

    def key(self, user: str = "") -> dict[str, str]:
        """Return a user's saved key pair, or the owner's."""
        return dict(read_key(Home(self.server.home), user))

    def environment(self, user: str = "", **more: str) -> dict[str, str]:
        """Return what ``opentrail exec`` gives a client, with the tap before the gateway as endpoint."""
        serving = {**self.server.ready, "gateway_url": self.before.url}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**client_environment(serving, self.key(user), inherited), "HOME": str(self.server.home.parent), **more}

    def run(self, command: Sequence[str], user: str = "", *, stdin: bytes | None = None, **more: str) -> bytes:
        """Run a client to its end; return what it printed. Fails with what it complained about."""
        done = subprocess.run(
            command,
            env=self.environment(user, **more),
            input=stdin,
            capture_output=True,
            timeout=CLIENT_SECONDS,
            check=False,
        )
        said = (done.stdout[-4000:] + done.stderr[-4000:]).decode(errors="replace")
        assert done.returncode == 0, f"{command[:4]} ended with {done.returncode}:\n{said}"
        return done.stdout

    def boto(self, service: str, user: str = "", *, endpoint: str = "", **config: Any) -> Any:
        """Return a boto3 client of the gateway, or of another ``endpoint``."""
        key = self.key(user)
        return boto3.client(
            service,
            endpoint_url=endpoint or self.before.url,
            region_name="us-east-1",
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            config=Config(retries={"max_attempts": 1, "mode": "standard"}, **config),
        )

    def upstream(self, service: str) -> Any:
        """Return a boto3 client of the upstream itself, which nobody records."""
        return self.boto(service, endpoint=self.upstream_url)

    def mark(self) -> "Mark":
        """Note what was seen so far."""
        name = self._marker()
        return Mark(self, _seen(self.before), _seen(self.behind), name)

    def _marker(self) -> str:
        name = f"marker-{uuid.uuid4().hex}"
        marker = boto3.client(
            "iam",
            endpoint_url=str(self.server.ready["gateway_url"]),
            region_name="us-east-1",
            aws_access_key_id="AKIAMARKER0000000001",
            aws_secret_access_key="marker",
        )
        try:
            marker.get_user(UserName=name)
        except marker.exceptions.NoSuchEntityException:
            return name
        raise AssertionError("the marker is no user of the upstream")

    def delivered(self) -> list[dict[str, Any]]:
        """Return every delivered event, in the order of delivery."""
        paths = (self.server.home / "archives" / BUCKET).rglob("*_CloudTrail_*.json.gz")
        events = []
        for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            events += json.loads(gzip.decompress(path.read_bytes()))["Records"]
        return events


class Mark:
    """A moment; ``events`` and the exchanges are what came after it."""

    def __init__(self, stage: Stage, before: Sequence[int], behind: Sequence[int], name: str) -> None:
        self._stage = stage
        self._before = before
        self._behind = behind
        self._name = name

    def events(self) -> list[dict[str, Any]]:
        """Wait until everything up to now is delivered; return the events since the mark, in the journal's order."""
        end = self._stage._marker()
        found: list[dict[str, Any]] = []

        def is_delivered() -> bool:
            found[:] = self._stage.delivered()
            return any(_is_marker(event, end) for event in found)

        wait_until(is_delivered, "the events to be delivered")
        names = [_marker_name(event) for event in found]
        return [event for event in found[names.index(self._name) + 1 : names.index(end)] if not _marker_name(event)]

    def client_connections(self) -> list[list[Exchange]]:
        """Return what clients sent with its answers, by connection."""
        return _later(self._stage.before, self._before)

    def upstream_connections(self) -> list[list[Exchange]]:
        """Return what reached the upstream with its answers, by connection; markers are left out."""
        return [
            [exchange for exchange in exchanges if "AKIAMARKER" not in exchange[0].header("authorization")]
            for exchanges in _later(self._stage.behind, self._behind)
        ]

    def sent(self) -> list[Exchange]:
        """Return every request that clients sent, with its answer."""
        return list(chain.from_iterable(self.client_connections()))

    def passed(self) -> list[Exchange]:
        """Return every request that reached the upstream, with its answer."""
        return list(chain.from_iterable(self.upstream_connections()))

    def assert_unchanged(self) -> int:
        """Check that every call but those of our own services came out as it went in, and its answer too; return how
        many there were. Compared are start line, headers and the SHA-256 of the body with its framing."""
        mine = Counter(_fingerprint(exchange) for exchange in self.sent() if not _is_own(exchange[0]))
        theirs = Counter(_fingerprint(exchange) for exchange in self.passed())
        assert mine == theirs, {"only before": list(mine - theirs)[:5], "only behind": list(theirs - mine)[:5]}
        return mine.total()


def _seen(tap: Tap) -> list[int]:
    """Return how many calls each connection has carried so far."""
    return [len(connection.exchanges()) for connection in tap.connections]


def _later(tap: Tap, seen: Sequence[int]) -> list[list[Exchange]]:
    """Return the calls of each connection after those ``seen``, without connections that had none."""
    found = [
        connection.exchanges()[count:]
        for connection, count in zip_longest(tap.connections, seen, fillvalue=0)
        if isinstance(connection, TappedConnection)
    ]
    return [exchanges for exchanges in found if exchanges]


def _fingerprint(exchange: Exchange) -> tuple[Any, ...]:
    request, response = exchange
    return (
        *(request.start_line, request.headers, request.framed_hash),
        *(response.status, _lasting(response), response.framed_hash),
    )


def _lasting(response: WireMessage) -> tuple[tuple[str, str], ...]:
    return tuple(item for item in response.headers if item[0].lower() not in _BETWEEN_HOPS)


def _is_own(request: WireMessage) -> bool:
    return any(f"/{service}/aws4_request" in request.header("authorization") for service in _OWN_SERVICES)


def _marker_name(event: Mapping[str, Any]) -> str:
    if event["eventName"] != "GetUser" or event["userIdentity"].get("accessKeyId") != "AKIAMARKER0000000001":
        return ""
    name: str = event["requestParameters"]["userName"]
    return name


def _is_marker(event: Mapping[str, Any], name: str) -> bool:
    return _marker_name(event) == name


def identities(events: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return who made the calls: type and ARN."""
    return {(event["userIdentity"]["type"], event["userIdentity"].get("arn", "")) for event in events}


def user_identity(name: str) -> tuple[str, str]:
    """Return what ``identities`` has of a user of this installation."""
    return "IAMUser", f"arn:aws:iam::{ACCOUNT}:user/{name}"


def parameters_of(events: Sequence[Mapping[str, Any]], event_name: str) -> list[dict[str, Any]]:
    """Return the request parameters of every event of one name, in order."""
    return [event["requestParameters"] for event in events if event["eventName"] == event_name]


def assert_recorded(mark: Mark, events: Sequence[Mapping[str, Any]], user: str) -> None:
    """Check that there is one event for each call that the client made since ``mark``, and all are its user's.

    A DeleteObjects call has further events, one for each key.
    """
    many = {event["requestID"] for event in events if event["eventName"] == "DeleteObjects"}
    events = [event for event in events if event["eventName"] != "DeleteObject" or event["requestID"] not in many]
    sent = Counter(request.header("user-agent") for request, _ in mark.sent())
    # S3's events have it in brackets.
    assert Counter(event["userAgent"].removeprefix("[").removesuffix("]") for event in events) == sent
    assert identities(events) == {user_identity(user)}
    assert {event["recipientAccountId"] for event in events} == {ACCOUNT}
