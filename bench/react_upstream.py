"""An upstream and its queue service for the benchmark of reactions: python -m bench.react_upstream PORT

Answers IAM's CreateUser and SQS's GetQueueUrl and SendMessage, and notes when it got each message. ``GET /taken`` tells
and forgets what was noted: [number in the user's or alarm's name, seconds of the monotonic clock], as it arrived.
"""

import asyncio
import hashlib
import re
import sys
import time
from itertools import count
from typing import cast

import httptools
import orjson
import uvloop

CREATED = (
    b'<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
    b"<RequestId>1</RequestId></ResponseMetadata></CreateUserResponse>"
)
_NAME = re.compile(r'"(?:userName|AlarmName)":"[a-z]+-(\d+)"')

taken: list[tuple[int, float]] = []
_message_ids = count(1)


class Answering(asyncio.Protocol):
    """One connection: an answer for each request, in order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._operation, self._path, self._body = "", b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-amz-target":
            self._operation = value.decode().rpartition(".")[2]
        if name.lower() == b"expect":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, kind = self._answer(time.monotonic())
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _answer(self, now: float) -> tuple[bytes, str]:
        json = "application/x-amz-json-1.0"
        if self._path == b"/taken":
            told = orjson.dumps(taken)
            taken.clear()
            return told, json
        if self._operation == "GetQueueUrl":
            return orjson.dumps({"QueueUrl": "http://queues.test/123456789012/bench"}), json
        if self._operation == "SendMessage":
            return orjson.dumps(_take(orjson.loads(self._body)["MessageBody"], now)), json
        if self._operation == "SendMessageBatch":
            entries = orjson.loads(self._body)["Entries"]
            done = [{"Id": each["Id"]} | _take(each["MessageBody"], now) for each in entries]
            return orjson.dumps({"Successful": done, "Failed": []}), json
        return CREATED, "text/xml"


def _take(message: str, now: float) -> dict[str, str]:
    found = _NAME.search(message)
    assert found is not None, message
    taken.append((int(found[1]), now))
    return {"MessageId": str(next(_message_ids)), "MD5OfMessageBody": hashlib.md5(message.encode()).hexdigest()}


async def serve(port: int) -> None:
    """Answer until killed."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
