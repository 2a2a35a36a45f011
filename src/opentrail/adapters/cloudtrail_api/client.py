"""The few questions that a verifier has to CloudTrail and Organizations: public keys, where a trail delivers, whether
it is logging. Signed JSON requests without boto3, whose import costs more than a whole validation of a day."""

import asyncio
import base64
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from opentrail.arn import partition_of
from opentrail.http_message import HttpRequest
from opentrail.ports import PortError, Unavailable
from opentrail.ports.signer import PublicKey
from opentrail.protocol.sigv4 import sign

ANSWER_SECONDS = 30
ATTEMPTS = 3
MAX_PAGES = 100
MAX_ANSWER_BYTES = 16 * 1024 * 1024

_CLOUDTRAIL = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"
_ORGANIZATIONS = "AWSOrganizationsV20161128"
_SUFFIXES = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}
_SERVER_FAULT = 500


class ApiRefused(PortError):
    """The API answered with an error; ``code`` is its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Credentials:
    """Who asks."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


def environment_credentials() -> Credentials | None:
    """Return what AWS's tools would sign with: the environment's keys, else what botocore's chain finds."""
    environment = os.environ
    if not environment.get("AWS_PROFILE") and environment.get("AWS_ACCESS_KEY_ID"):
        return Credentials(
            environment["AWS_ACCESS_KEY_ID"],
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN", ""),
        )
    # Imported here because it costs a third of a second, which keys in the environment spare.
    import botocore.session

    found = botocore.session.get_session().get_credentials()
    if found is None:
        return None
    frozen = found.get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")


@dataclass(frozen=True)
class CloudTrailApi:
    """The API of one Region. Without ``url`` it is AWS's. Every method raises ApiRefused and Unavailable."""

    region: str
    credentials: Credentials
    url: str = ""

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        """Return the keys of the Region whose validity meets [start, end]."""
        times = {"StartTime": start.timestamp(), "EndTime": end.timestamp()}
        keys: list[PublicKey] = []
        token = ""
        for _ in range(MAX_PAGES):
            answer = await self._ask("ListPublicKeys", times | ({"NextToken": token} if token else {}), region)
            try:
                keys += [_public_key(item) for item in answer.get("PublicKeyList", [])]
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
                raise Unavailable(f"ListPublicKeys answered what is no key: {error}") from error
            token = answer.get("NextToken") or ""
            if not token:
                return keys
        raise Unavailable(f"ListPublicKeys has more than {MAX_PAGES} pages")

    async def describe_trail(self, arn: str) -> Mapping[str, Any] | None:
        """Return the trail of that ARN as DescribeTrails shows it, None when it is not among those."""
        answer = await self._ask("DescribeTrails", {})
        return next((trail for trail in answer.get("trailList", []) if trail.get("TrailARN") == arn), None)

    async def trail_status(self, arn: str) -> Mapping[str, Any]:
        """Return what GetTrailStatus answers."""
        return await self._ask("GetTrailStatus", {"Name": arn})

    async def organization_id(self) -> str:
        """Return the id of the caller's organization."""
        answer = await self._ask("DescribeOrganization", {}, service="organizations", target=_ORGANIZATIONS)
        return str(answer.get("Organization", {}).get("Id", ""))

    async def _ask(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        region: str = "",
        *,
        service: str = "cloudtrail",
        target: str = _CLOUDTRAIL,
    ) -> Mapping[str, Any]:
        return await asyncio.to_thread(self._ask_now, f"{target}.{operation}", parameters, region, service)

    def _ask_now(self, target: str, parameters: Mapping[str, Any], region: str, service: str) -> Mapping[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            request = self._request(target, orjson.dumps(parameters), region or self.region, service)
            try:
                with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - http(s) only
                    return _read(answer.read(MAX_ANSWER_BYTES))
            except urllib.error.HTTPError as error:
                body = error.read(MAX_ANSWER_BYTES)
                if error.code < _SERVER_FAULT or attempt == ATTEMPTS:
                    raise _refusal(error.code, body) from error
            except (OSError, ValueError) as error:
                if attempt == ATTEMPTS:
                    raise Unavailable(f"{service} did not answer: {error}") from error
        raise AssertionError

    def _request(self, target: str, body: bytes, region: str, service: str) -> urllib.request.Request:
        url = urlsplit(self.url or _aws_url(service, region))
        if url.scheme not in {"http", "https"}:
            raise Unavailable(f"{self.url} is no http or https address")
        headers = (
            ("Host", url.netloc),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", target),
        )
        signed = sign(
            HttpRequest("POST", url.path or "/", headers, body, ""),
            access_key_id=self.credentials.access_key_id,
            secret_access_key=self.credentials.secret_access_key,
            region=region,
            signing_name=service,
            now=datetime.now(UTC),
            session_token=self.credentials.session_token,
        )
        where = f"{url.scheme}://{url.netloc}{url.path or '/'}"
        return urllib.request.Request(where, body, dict(signed.header_list))  # noqa: S310 - checked above


def _aws_url(service: str, region: str) -> str:
    suffix = _SUFFIXES.get(partition_of(region), "amazonaws.com")
    if service == "organizations":  # one endpoint a partition
        return f"https://organizations.us-east-1.{suffix}"
    return f"https://{service}.{region}.{suffix}"


def _read(body: bytes) -> Mapping[str, Any]:
    answer = orjson.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")
    return answer


def _refusal(status: int, body: bytes) -> PortError:
    try:
        answer = _read(body)
    except ValueError:
        answer = {}
    code = str(answer.get("__type", status)).rpartition("#")[2]
    return ApiRefused(code, str(answer.get("message") or answer.get("Message") or "no reason given"))


def _public_key(item: Mapping[str, Any]) -> PublicKey:
    start, end = (_moment(item.get(name)) for name in ("ValidityStartTime", "ValidityEndTime"))
    return PublicKey(base64.b64decode(item["Value"]), str(item["Fingerprint"]), start, end)


def _moment(value: object) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value)).astimezone(UTC)
