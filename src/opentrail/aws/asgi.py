"""The API server as an ASGI application: bodies are bounded here, and what is not signed may be an extra route."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opentrail.capture.peers import TrustedProxies
from opentrail.http_message import BODY_LIMIT_BYTES, HttpRequest, HttpResponse

Handle = Callable[[HttpRequest], Awaitable[HttpResponse]]


def asgi_app(handle: Handle, extra_routes: Sequence[BaseRoute] = (), *, trusted_proxies: Sequence[str] = ()) -> ASGIApp:
    """Return the application that hands every request to ``handle``, except unsigned ones to ``extra_routes``.

    A signed request is always the API's, so that an archive may be called ``metrics``. Forwarded headers are believed
    from the networks in ``trusted_proxies`` only.
    """
    proxies = TrustedProxies(trusted_proxies)

    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        request = await _read_request(scope, receive, proxies)
        await _send_response(await handle(request), send)

    routed = Starlette(routes=[*extra_routes, Mount("/", app=api)])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_signed(scope):
            await api(scope, receive, send)
        else:
            await routed(scope, receive, send)

    return app


def _is_signed(scope: Scope) -> bool:
    return b"Signature=" in scope["query_string"] or any(name == b"authorization" for name, _ in scope["headers"])


async def _read_request(scope: Scope, receive: Receive, proxies: TrustedProxies) -> HttpRequest:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    target = path.decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
    body, size_bytes = await _read_body(receive)
    client = scope.get("client")
    peer, was_tls = proxies.caller(client[0] if client else "", headers)
    return HttpRequest(
        method=scope["method"],
        target=target,
        header_list=headers,
        body=body,
        peer=peer,
        body_size_bytes=size_bytes,
        is_tls=was_tls or scope["scheme"] == "https",
    )


async def _read_body(receive: Receive) -> tuple[bytes | None, int]:
    """Return the body, None when it is over BODY_LIMIT_BYTES: then the rest is left unread."""
    parts: list[bytes] = []
    size_bytes = 0
    while True:
        message: Message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts), size_bytes
        part: bytes = message.get("body", b"")
        size_bytes += len(part)
        if size_bytes > BODY_LIMIT_BYTES:
            return None, size_bytes
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts), size_bytes


async def _send_response(response: HttpResponse, send: Send) -> None:
    body = response.body or b""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.header_list
    ]
    if not any(name == b"content-length" for name, _ in headers) and response.status != 304:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
