"""Queues that get several messages in the same moment: how many calls that takes, and each message's own fate."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from opentrail.adapters.targets import aws
from opentrail.adapters.targets.aws import TargetEndpoint
from opentrail.adapters.targets.queues import QueueTargets
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch, TargetRefused

ARN = "arn:aws:sqs:eu-west-1:123456789012:queue"


class QueueService(ThreadingHTTPServer):
    """SQS with one queue. ``faults`` names what becomes of texts; ``refusal`` is the error that all batches get."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.calls: list[list[str]] = []
        self.faults: dict[str, dict[str, Any]] = {}
        self.refusal = ""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: QueueService

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        status, answer = self._answer(operation, asked)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, operation: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "GetQueueUrl":
            return 200, {"QueueUrl": f"http://127.0.0.1:{self.server.server_port}/1/queue"}
        texts = [each["MessageBody"] for each in asked.get("Entries", [asked])]
        self.server.calls.append(texts)
        if operation == "SendMessage":
            return 200, _taken(texts[0])
        if self.server.refusal:
            return 400, {"__type": f"com.amazonaws.sqs#{self.server.refusal}", "message": "no"}
        done, failed = [], []
        for each in asked["Entries"]:
            if each["MessageBody"] in self.server.faults:
                failed.append({"Id": each["Id"]} | self.server.faults[each["MessageBody"]])
            else:
                done.append({"Id": each["Id"]} | _taken(each["MessageBody"]))
        return 200, {"Successful": done, "Failed": failed}

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _taken(text: str) -> dict[str, str]:
    return {"MessageId": "m", "MD5OfMessageBody": hashlib.md5(text.encode()).hexdigest()}


@pytest.fixture
def service() -> Iterator[QueueService]:
    server = QueueService()
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def queues(service: QueueService) -> Iterator[QueueTargets]:
    targets = QueueTargets(TargetEndpoint(f"http://127.0.0.1:{service.server_port}", "k", "s"))
    yield targets
    targets.close()


async def send_all(queues: QueueTargets, texts: list[str]) -> list[BaseException | None]:
    """Send texts in the same moment; return what became of each."""
    dispatches = [Dispatch(f"id-{text[:9]}", ARN, text, b"{}", {}) for text in texts]
    return await asyncio.gather(*map(queues.send, dispatches), return_exceptions=True)


async def test_messages_of_one_moment_go_ten_in_a_call(service: QueueService, queues: QueueTargets) -> None:
    texts = [f"text {number}" for number in range(25)]

    fates = await send_all(queues, texts)

    assert fates == [None] * 25
    assert sorted(map(len, service.calls)) == [5, 10, 10]
    assert sorted(text for call in service.calls for text in call) == sorted(texts)


async def test_long_messages_share_no_call(service: QueueService, queues: QueueTargets) -> None:
    fates = await send_all(queues, ["a" * 100_000, "b" * 100_000, "c" * 250_000, "d", "e"])

    assert fates == [None] * 5
    assert sorted("".join(text[0] for text in call) for call in service.calls) == ["a", "b", "c", "de"]


async def test_each_message_has_a_fate_of_its_own(service: QueueService, queues: QueueTargets) -> None:
    service.faults = {
        "bad": {"Code": "InvalidMessageContents", "SenderFault": True},
        "busy": {"Code": "InternalError", "SenderFault": False},
    }

    good, bad, busy = await send_all(queues, ["good", "bad", "busy"])

    assert good is None
    assert isinstance(bad, TargetRefused)
    assert bad.code == "INVALID_PARAMETER"
    assert isinstance(busy, Unavailable)


async def test_messages_go_one_by_one_where_batches_are_refused(service: QueueService, queues: QueueTargets) -> None:
    service.refusal = "UnsupportedOperation"

    fates = await send_all(queues, ["one", "two"])

    assert fates == [None, None]
    assert service.calls == [["one", "two"], ["one"], ["two"]]


async def test_a_queue_that_is_gone_refuses_every_message(service: QueueService, queues: QueueTargets) -> None:
    service.refusal = "QueueDoesNotExist"

    fates = await send_all(queues, ["one", "two"])

    assert [isinstance(fate, TargetRefused) and fate.code for fate in fates] == ["NO_RESOURCE"] * 2
    assert len(service.calls) == 1


async def test_many_queues_at_once_wait_for_one_another(service: QueueService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "MAX_WAITING", 2)
    queues = QueueTargets(TargetEndpoint(f"http://127.0.0.1:{service.server_port}", "k", "s"))
    dispatches = [Dispatch(f"id-{number}", f"{ARN}-{number}", f"{number}", b"{}", {}) for number in range(20)]

    await asyncio.gather(*map(queues.send, dispatches))

    queues.close()
    assert sorted(int(text) for call in service.calls for text in call) == list(range(20))


async def test_a_service_that_is_away_is_worth_trying_again_for_every_message() -> None:
    queues = QueueTargets(TargetEndpoint("http://127.0.0.1:9", "k", "s"))

    fates = await send_all(queues, ["one", "two"])

    queues.close()
    assert [type(fate) for fate in fates] == [Unavailable, Unavailable]
