"""A real HTTP/1.1 server that answers a few operations with event streams, and keeps its connections open."""

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.event_stream import encode_event, encode_exception

PIECES = [os.urandom(size) for size in (1, 1000, 70_000, 250_000)]
"""What the streams carry; both ends know it."""

PIECES_HASH = hashlib.sha256(b"".join(PIECES)).hexdigest()
SLOW_MODEL = "slow.model-v1:0"
FAILING_MODEL = "failing.model-v1:0"

_EVENT_STREAM = "application/vnd.amazon.eventstream"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "")
        path = self.path.partition("?")[0]
        if path.endswith("/response-streaming-invocations"):
            self._stream(self._lambda())
        elif path.endswith("/invoke-with-response-stream"):
            self._stream(self._bedrock(path))
        elif path.endswith("/converse-stream"):
            self._stream(self._converse())
        elif target.endswith(".SubscribeToShard"):
            self._stream(self._kinesis())
        elif self.headers.get("smithy-protocol") == "rpc-v2-cbor":
            self._send(200, _EMPTY_MAP, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"})
        elif b"Action=CreateUser" in body:
            self._send(200, _CREATED_USER, {"Content-Type": "text/xml", "x-amzn-RequestId": "r-1"})
        elif b"Action=GetUser" in body:
            self._send(404, _NO_USER, {"Content-Type": "text/xml", "x-amzn-RequestId": "r-2"})
        else:
            self._plain(path)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

    def _plain(self, path: str) -> None:
        """Answers without a body, and redirects, by the last part of the path."""
        name = path.rpartition("/")[2]
        if name == "deleted":
            self._send(204, b"", {"x-amz-request-id": "r-204"}, has_length=False)
        elif name == "unchanged":
            self._send(304, b"", {"ETag": '"e"', "x-amz-request-id": "r-304"}, has_length=False)
        elif name == "moved":
            location = {"Location": path.replace("moved", "there"), "x-amz-request-id": "r-307"}
            self._send(307, _REDIRECT, {**location, "Content-Type": "application/xml"})
        elif name == "unframed":
            self.send_response(200)
            self.send_header("x-amz-request-id", "r-close")
            self.end_headers()
            self.wfile.write(b"until the end")
            self.close_connection = True
        else:
            self._send(200, b"here", {"x-amz-request-id": "r-200"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, has_length: bool = True) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if has_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, messages: Iterator[bytes]) -> None:
        """Send each message in two chunks whose border falls into it, so that neither framing helps the other."""
        self.send_response(200)
        self.send_header("Content-Type", _EVENT_STREAM)
        self.send_header("x-amzn-RequestId", "r-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for message in messages:
            middle = len(message) // 2
            for part in (message[:middle], message[middle:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _lambda(self) -> Iterator[bytes]:
        for piece in PIECES:
            yield encode_event("PayloadChunk", piece, "application/octet-stream")
        yield encode_event("InvokeComplete", b"{}")

    def _bedrock(self, path: str) -> Iterator[bytes]:
        for piece in PIECES:
            yield encode_event("chunk", json.dumps({"bytes": base64.b64encode(piece).decode()}).encode())
            if SLOW_MODEL.partition(":")[0] in path:
                assert self.server.may_go_on.wait(30)
            if FAILING_MODEL.partition(":")[0] in path:
                yield encode_exception("modelStreamErrorException", b'{"message":"The model stopped."}')
                return

    def _converse(self) -> Iterator[bytes]:
        yield encode_event("messageStart", b'{"role":"assistant"}')
        for word in ("good ", "day, ", "Grüße"):
            delta = {"contentBlockIndex": 0, "delta": {"text": word}}
            yield encode_event("contentBlockDelta", json.dumps(delta).encode())
        yield encode_event("messageStop", b'{"stopReason":"end_turn"}')

    def _kinesis(self) -> Iterator[bytes]:
        yield encode_event("initial-response", b"{}", "application/x-amz-json-1.1")
        for n, piece in enumerate(PIECES):
            record = {"SequenceNumber": str(n), "Data": base64.b64encode(piece).decode(), "PartitionKey": "p"}
            event = {"Records": [record], "ContinuationSequenceNumber": str(n), "MillisBehindLatest": 0}
            yield encode_event("SubscribeToShardEvent", json.dumps(event).encode(), "application/x-amz-json-1.1")


_EMPTY_MAP = b"\xa0"
_REDIRECT = b"<Error><Code>TemporaryRedirect</Code><Message>Please go there.</Message></Error>"
_CREATED_USER = (
    b'<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User><Path>/</Path>'
    b"<UserName>kept</UserName><UserId>AIDAKEPT</UserId><Arn>arn:aws:iam::123456789012:user/kept</Arn>"
    b"<CreateDate>2026-01-01T00:00:00Z</CreateDate></User></CreateUserResult>"
    b"<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></CreateUserResponse>"
)

_NO_USER = (
    b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
    b"<Code>NoSuchEntity</Code><Message>There is no such user.</Message></Error><RequestId>r-2</RequestId>"
    b"</ErrorResponse>"
)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    may_go_on: threading.Event


class StreamingUpstream:
    """The running server; a stream of SLOW_MODEL waits after each piece until ``may_go_on`` is set."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.may_go_on = self._server.may_go_on = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextmanager
def streaming_upstream() -> Iterator[StreamingUpstream]:
    """Start the server on a free port of the loopback interface; stop it."""
    server = StreamingUpstream()
    try:
        yield server
    finally:
        server.close()
