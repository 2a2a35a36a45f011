"""A web server that topics deliver to: it keeps what came, and visits the links that ask it to."""

import base64
import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

VISIT_SECONDS = 10


class WebEndpoint:
    """What was received, in order. ``status`` is what it answers; with ``confirms`` it visits each SubscribeURL.

    ``pages`` are what can be had from it, by path.
    """

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.confirms = True
        self.received: list[tuple[dict[str, str], str]] = []
        self.pages: dict[str, bytes] = {}

    def take(self, headers: dict[str, str], body: str) -> None:
        self.received.append((headers, body))
        if self.confirms and headers.get("x-amz-sns-message-type") == "SubscriptionConfirmation":
            link = json.loads(body)["SubscribeURL"]
            threading.Thread(target=lambda: urllib.request.urlopen(link, timeout=VISIT_SECONDS).read()).start()

    def notifications(self) -> list[tuple[dict[str, str], str]]:
        """Return what came but for requests to confirm."""
        return [each for each in self.received if each[0].get("x-amz-sns-message-type") == "Notification"]


class _Handler(BaseHTTPRequestHandler):
    endpoint: WebEndpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.endpoint.status < 300:
            self.endpoint.take({name.lower(): value for name, value in self.headers.items()}, body)
        self.send_response(self.endpoint.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        page = self.endpoint.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Length", str(len(page or b"")))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep test output quiet."""


@contextmanager
def web_endpoint(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[WebEndpoint]:
    """Listen on a free port of the loopback interface, or on ``port``; over https with ``tls``."""
    endpoint = WebEndpoint()
    handler = type("Handler", (_Handler,), {"endpoint": endpoint})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        endpoint.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()


def is_authentic(message: dict[str, Any], certificate: bytes) -> bool:
    """Check a message's signature as SNS's documentation has receivers do it."""
    if message["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()
    algorithm = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(base64.b64decode(message["Signature"]), signed, padding.PKCS1v15(), algorithm)
    except Exception:
        return False
    return True
