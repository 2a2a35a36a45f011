"""An upstream that speaks HTTP/2 as Bedrock's runtime does: it echoes a stream of events while it is being sent."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.event_stream import encode_event
from tests.support.http2_peer import Http2Upstream, UpstreamCall


def inner_payload(message: bytes) -> bytes:
    """Return the payload of the event that a signed event carries; empty for the empty one that ends a stream."""
    inner = _payload(message)
    return _payload(inner) if inner else b""


def _payload(message: bytes) -> bytes:
    headers = int.from_bytes(message[4:8], "big")
    return message[12 + headers : -4]


async def echo(call: UpstreamCall) -> None:
    """A script: answer at once, and echo each event as it comes."""
    call.start((("content-type", "application/vnd.amazon.eventstream"), ("x-amzn-requestid", "r-echo")))
    pending = b""
    while piece := await call.body.get():
        pending += piece
        while len(pending) >= 4 and len(pending) >= (size := int.from_bytes(pending[:4], "big")):
            message, pending = pending[:size], pending[size:]
            if inner := inner_payload(message):
                told = json.dumps({"bytes": json.loads(inner)["bytes"]}).encode()
                assert base64.b64decode(json.loads(told)["bytes"])
                await call.send(encode_event("chunk", told))
    await call.send(b"", ends=True)


@contextmanager
def http2_upstream() -> Iterator[Http2Upstream]:
    """Serve ``echo`` from a thread of its own, on a free port of the loopback interface."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    upstream = Http2Upstream(echo)
    asyncio.run_coroutine_threadsafe(upstream.start(), loop).result(10)
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
