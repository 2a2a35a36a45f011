"""What a verifier asks of CloudTrail's API: the requests as they go out, and what comes of each answer."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from opentrail.adapters.cloudtrail_api.client import (
    ApiRefused,
    CloudTrailApi,
    Credentials,
    _aws_url,
    environment_credentials,
)
from opentrail.ports import Unavailable

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
KEY = {"Value": "AAAA", "Fingerprint": "ab", "ValidityStartTime": 1.0, "ValidityEndTime": 2.0}


class Endpoint:
    """Answers each operation with what a test says, in turn."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        target = request.headers["X-Amz-Target"].rpartition(".")[2]
        self.asked.append((target, json.loads(await request.read()), request.headers["Authorization"]))
        status, answer = self.answers.pop(0)
        return web.Response(status=status, text=answer if isinstance(answer, str) else json.dumps(answer))

    @property
    def api(self) -> CloudTrailApi:
        return CloudTrailApi("eu-west-1", Credentials("AKIDEXAMPLE", "secret"), self.url)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    runner = web.ServerRunner(web.Server(endpoint.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield endpoint
    await runner.cleanup()


async def test_all_pages_of_keys_are_asked_for_in_the_region_and_signed(endpoint: Endpoint) -> None:
    endpoint.answers = [(200, {"PublicKeyList": [KEY], "NextToken": "next"}), (200, {"PublicKeyList": [KEY]})]

    keys = await endpoint.api.public_keys("us-west-2", NOON, NOON)

    assert [key.fingerprint for key in keys] == ["ab", "ab"]
    assert keys[0].valid_from == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert [asked[0] for asked in endpoint.asked] == ["ListPublicKeys"] * 2
    assert endpoint.asked[1][1]["NextToken"] == "next"
    assert "/us-west-2/cloudtrail/aws4_request" in endpoint.asked[0][2]


@pytest.mark.parametrize("listed", [[{}], [7], 7, [KEY | {"Value": "A"}], [KEY | {"ValidityEndTime": "soon"}]])
async def test_what_is_no_key_is_no_answer(endpoint: Endpoint, listed: object) -> None:
    endpoint.answers = [(200, {"PublicKeyList": listed})]

    with pytest.raises(Unavailable, match="no key"):
        await endpoint.api.public_keys("us-west-2", NOON, NOON)


async def test_pages_without_end_come_to_one(endpoint: Endpoint) -> None:
    endpoint.answers = [(200, {"PublicKeyList": [], "NextToken": "again"})] * 200

    with pytest.raises(Unavailable, match="more than 100 pages"):
        await endpoint.api.public_keys("us-west-2", NOON, NOON)


async def test_a_trail_is_found_among_those_described(endpoint: Endpoint) -> None:
    endpoint.answers = [(200, {"trailList": [{"TrailARN": "a"}, {"TrailARN": "b", "S3BucketName": "logs"}]})] * 2

    assert await endpoint.api.describe_trail("b") == {"TrailARN": "b", "S3BucketName": "logs"}
    assert await endpoint.api.describe_trail("c") is None


async def test_an_error_keeps_its_code_and_is_not_asked_again(endpoint: Endpoint) -> None:
    endpoint.answers = [(400, {"__type": "com.amazonaws#AccessDeniedException", "message": "no"})]

    with pytest.raises(ApiRefused, match="AccessDeniedException: no"):
        await endpoint.api.trail_status("a")


async def test_a_fault_of_the_servers_is_asked_three_times(endpoint: Endpoint) -> None:
    endpoint.answers = [(500, "broken"), (503, "broken"), (200, {"Organization": {"Id": "o-abc"}})]

    assert await endpoint.api.organization_id() == "o-abc"
    assert "/organizations/aws4_request" in endpoint.asked[0][2]


@pytest.mark.parametrize("answer", ["", "[]", "<html>"])
async def test_an_answer_that_is_no_json_object_is_no_answer(endpoint: Endpoint, answer: str) -> None:
    endpoint.answers = [(200, answer)] * 3

    with pytest.raises(Unavailable):
        await endpoint.api.trail_status("a")


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await CloudTrailApi("us-east-1", Credentials("a", "b"), "http://127.0.0.1:9").trail_status("a")


async def test_only_http_is_spoken() -> None:
    with pytest.raises(Unavailable, match="no http"):
        await CloudTrailApi("us-east-1", Credentials("a", "b"), "file:///etc/passwd").trail_status("a")


def test_aws_endpoints_are_those_of_the_partition() -> None:
    assert _aws_url("cloudtrail", "eu-west-1") == "https://cloudtrail.eu-west-1.amazonaws.com"
    assert _aws_url("cloudtrail", "cn-north-1") == "https://cloudtrail.cn-north-1.amazonaws.com.cn"


def test_credentials_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")

    assert environment_credentials() == Credentials("AKIDEXAMPLE", "secret", "token")
