"""An append-only receiver of statements, as an HTTP server: it checks signatures, keeps lines, answers questions."""

import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import orjson

from opentrail.adapters.witness.webhook import SIGNATURE_HEADER, TIME_HEADER, sign

SECRET = "a secret between two"


class WebhookReceiver:
    """What was received, in order; ``status`` is what it answers, ``now`` its clock."""

    def __init__(self) -> None:
        self.url = ""
        self.lines: list[bytes] = []
        self.status = 200
        self.now = datetime.now(UTC)
        self.refused = 0
        self.requests = 0
        self.answer: bytes | None = None

    def receive(self, body: bytes) -> bytes:
        received_at = self.now.isoformat()
        self.lines.append(orjson.dumps({"receivedAt": received_at, "statement": orjson.loads(body)}))
        return orjson.dumps({"receivedAt": received_at, "line": len(self.lines)})

    def log(self) -> bytes:
        return b"\n".join(self.lines)


class _Handler(BaseHTTPRequestHandler):
    receiver: WebhookReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(body, lambda: self.receiver.receive(body))

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query.encode(), self.receiver.log)

    def _answer(self, text: bytes, make: Any) -> None:
        receiver = self.receiver
        receiver.requests += 1
        expected = "sha256=" + sign(SECRET, self.headers.get(TIME_HEADER, ""), text)
        if not hmac.compare_digest(expected, self.headers.get(SIGNATURE_HEADER, "")):
            receiver.refused += 1
            self._send(403, b"")
        elif receiver.status != 200:
            self._send(receiver.status, b"")
        else:
            self._send(200, receiver.answer if receiver.answer is not None else make())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status // 100 == 3:
            self.send_header("Location", self.receiver.url)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep test output quiet."""


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """Listen on a free port of the loopback interface."""
    receiver = WebhookReceiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/statements"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
