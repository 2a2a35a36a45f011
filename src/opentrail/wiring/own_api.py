"""Calls of our own services that came in through a gateway process, as they cross the link to the server."""

from typing import Any

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.wiring.link import Link

QUESTION = "own_api"


class LinkedApi:
    """Has the server answer: ``handle`` is what a gateway takes for its own API. Raises Unavailable."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def handle(self, request: HttpRequest) -> HttpResponse:
        header = {
            "method": request.method,
            "target": request.target,
            "headers": request.header_list,
            "peer": request.peer,
            "size_bytes": request.body_size_bytes,
            "is_tls": request.is_tls,
            "has_body": request.body is not None,
        }
        answer, body = await self._link.ask(QUESTION, header, request.body or b"")
        return HttpResponse(answer["status"], _pairs(answer["headers"]), body, len(body))


def read_call(header: dict[str, Any], body: bytes) -> HttpRequest:
    """Return the request that ``LinkedApi.handle`` sent."""
    return HttpRequest(
        method=header["method"],
        target=header["target"],
        header_list=_pairs(header["headers"]),
        body=body if header["has_body"] else None,
        peer=header["peer"],
        body_size_bytes=header["size_bytes"],
        is_tls=header["is_tls"],
    )


def format_answer(response: HttpResponse) -> tuple[dict[str, Any], bytes]:
    """Return what ``LinkedApi.handle`` reads."""
    return {"status": response.status, "headers": response.header_list}, response.body or b""


def _pairs(items: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in items)
