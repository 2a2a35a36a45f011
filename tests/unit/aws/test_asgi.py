from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from opentrail.aws.asgi import asgi_app
from opentrail.http_message import BODY_LIMIT_BYTES, HttpRequest, HttpResponse

SIGNED = (b"authorization", b"AWS4-HMAC-SHA256 Credential=...")


class Api:
    """Stands for the API server: keeps requests and answers each alike."""

    def __init__(self, response: HttpResponse | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self._response = response or HttpResponse(200, (("Content-Type", "text/plain"),), b"api")

    async def handle(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self._response


async def call(app: Any, parts: Sequence[bytes] = (b"",), **scope: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    """Make one ASGI request with the body in ``parts``; return status, headers and body."""
    messages = [
        {"type": "http.request", "body": part, "more_body": index + 1 < len(parts)} for index, part in enumerate(parts)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    defaults: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1234),
    }
    await app(defaults | scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


async def test_request_reaches_the_api_as_it_stood_on_the_line() -> None:
    api = Api()

    answer = await call(
        asgi_app(api.handle),
        (b"ab", b"cd"),
        method="GET",
        path="/logs/a b",
        raw_path=b"/logs/a%20b",
        query_string=b"list-type=2&prefix=%2F",
        headers=[(b"host", b"localhost"), (b"x-amz-meta-a", b"\xfc"), SIGNED],
    )

    request = api.requests[0]
    assert answer == (200, {b"content-type": b"text/plain", b"content-length": b"3"}, b"api")
    assert (request.method, request.target) == ("GET", "/logs/a%20b?list-type=2&prefix=%2F")
    assert (request.body, request.body_size_bytes, request.peer) == (b"abcd", 4, "192.0.2.1")
    assert request.headers.get("x-amz-meta-a") == "ü"


async def test_body_over_the_bound_is_not_held_nor_read_to_its_end() -> None:
    api = Api()
    parts = [b"x" * BODY_LIMIT_BYTES, b"y", b"z" * 100]

    await call(asgi_app(api.handle), parts, headers=[SIGNED])

    assert api.requests[0].body is None
    assert api.requests[0].body_size_bytes == BODY_LIMIT_BYTES + 1


async def test_body_of_exactly_the_bound_is_held() -> None:
    api = Api()

    await call(asgi_app(api.handle), [b"x" * BODY_LIMIT_BYTES], headers=[SIGNED])

    assert len(api.requests[0].body or b"") == BODY_LIMIT_BYTES


@pytest.mark.parametrize(
    ("peer", "caller", "is_tls"), [("10.0.0.9", "203.0.113.7", True), ("192.0.2.1", "192.0.2.1", False)]
)
async def test_forwarded_headers_count_from_trusted_proxies_only(peer: str, caller: str, is_tls: bool) -> None:
    api = Api()
    headers = [SIGNED, (b"x-forwarded-for", b"198.51.100.1, 203.0.113.7"), (b"x-forwarded-proto", b"https")]

    await call(asgi_app(api.handle, trusted_proxies=["10.0.0.0/8"]), headers=headers, client=(peer, 1))

    assert (api.requests[0].peer, api.requests[0].is_tls) == (caller, is_tls)


async def _metrics(_: Request) -> PlainTextResponse:
    return PlainTextResponse("metrics")


@pytest.mark.parametrize(
    ("scope", "body"),
    [
        ({}, b"metrics"),
        ({"headers": [SIGNED]}, b"api"),
        ({"query_string": b"X-Amz-Signature=00"}, b"api"),
        ({"path": "/other", "raw_path": b"/other"}, b"api"),
    ],
)
async def test_extra_routes_are_for_unsigned_requests(scope: dict[str, Any], body: bytes) -> None:
    app = asgi_app(Api().handle, [Route("/metrics", _metrics)])

    answer = await call(app, **({"method": "GET", "path": "/metrics", "raw_path": b"/metrics"} | scope))

    assert answer[2] == body


async def test_length_that_the_api_states_is_kept() -> None:
    response = HttpResponse(200, (("Content-Length", "10"),), b"")

    _, headers, _ = await call(asgi_app(Api(response).handle), method="HEAD", headers=[SIGNED])

    assert headers == {b"content-length": b"10"}
