"""Calls over HTTP/2 take the path of any other: the same bytes upstream, the same record, the same refusals."""

import asyncio
import hashlib
import os

import pytest

from opentrail.capture.exchange import Timeouts
from opentrail.http_message import HttpResponse
from tests.conformance.gateway.support import OK, Rig, UpstreamConnection, gateway_rig
from tests.support.http2_peer import AUTHORITY, Http2Peer, eventually

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"


async def refuse_http2(connection: UpstreamConnection, head: bytes) -> bool:
    """Answer the question for HTTP/2 as a server does that has never heard of it."""
    if head != PREFACE:
        return False
    await connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.close()
    return True


async def body_of(connection: UpstreamConnection, head: bytes) -> bytes:
    """Read one request's body, whichever way it is framed."""
    lower = head.lower()
    if b"content-length:" in lower:
        return await connection.exactly(int(lower.split(b"content-length:")[1].split(b"\r\n")[0]))
    if b"transfer-encoding: chunked" not in lower:
        return b""
    body = b""
    while size := int(await connection.until(b"\r\n"), 16):
        body += (await connection.exactly(size + 2))[:-2]
    await connection.until(b"\r\n")
    return body


async def tell_hash(connection: UpstreamConnection) -> None:
    """A script over HTTP/1.1: answer with the SHA-256 of the request's body."""
    while True:
        head = await connection.until(b"\r\n\r\n")
        if await refuse_http2(connection, head):
            return
        told = hashlib.sha256(await body_of(connection, head)).hexdigest().encode()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\nX-Kept: Yes\r\n\r\n" + told)


def heads(rig: Rig) -> list[bytes]:
    """The heads that reached the upstream after the question for HTTP/2."""
    return [c.received.split(b"\r\n\r\n")[0] for c in rig.upstream.connections if not c.received.startswith(b"PRI")]


async def test_a_call_reaches_an_http1_upstream_with_the_same_headers_and_is_on_record() -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call(
            "PUT", "/bucket/a%20b?x=1", ("content-length", "3"), ("x-amz-meta-a", "b"), body=b"abc"
        )
        await peer.close()

    [head] = heads(rig)
    lines = head.decode().split("\r\n")
    assert lines[0] == "PUT /bucket/a%20b?x=1 HTTP/1.1"
    assert lines[1] == f"host: {AUTHORITY}"
    assert lines[2].startswith("authorization: AWS4-HMAC-SHA256 ")
    assert lines[3:] == ["content-length: 3", "x-amz-meta-a: b"]
    assert answer.headers == {":status": "200", "content-length": "64", "x-kept": "Yes"}
    assert answer.body.decode() == hashlib.sha256(b"abc").hexdigest()
    [call] = rig.recorder.calls
    assert call.operation is not None
    assert (call.operation.service, call.operation.name) == ("s3", "PutObject")
    assert call.request.peer == "127.0.0.1"
    assert call.request.host == AUTHORITY
    assert call.response is not None
    assert (call.response.status, call.response.body_size_bytes) == (200, 64)


async def test_bodies_of_unknown_length_go_on_in_chunks_and_keep_their_bytes() -> None:
    bodies = [os.urandom(size) for size in (1, 70_000, 3_000_001, 1_048_577)]
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        answers = await asyncio.gather(*(peer.call("PUT", f"/bucket/{n}", body=body) for n, body in enumerate(bodies)))
        await peer.close()

    assert [answer.body.decode() for answer in answers] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert all(b"transfer-encoding: chunked" in head for head in heads(rig))


async def test_large_answers_keep_their_bytes_on_many_streams_at_once() -> None:
    data = os.urandom(2_000_003)

    async def send_large(connection: UpstreamConnection) -> None:
        while True:
            if await refuse_http2(connection, await connection.until(b"\r\n\r\n")):
                return
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

    async with gateway_rig(send_large) as rig:
        peer = await Http2Peer.connect(rig.port)
        answers = await asyncio.gather(*(peer.call("GET", f"/bucket/{n}") for n in range(12)))
        await peer.close()

    assert {hashlib.sha256(answer.body).digest() for answer in answers} == {hashlib.sha256(data).digest()}
    assert len(rig.recorder.calls) == 12


@pytest.mark.parametrize(
    ("answer", "method", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET", b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", "HEAD", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "GET", b"until the end"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, "GET", b"ok"),
    ],
)
async def test_every_framing_of_an_answer_ends_its_stream(answer: bytes, method: str, body: bytes) -> None:
    async def send(connection: UpstreamConnection) -> None:
        if not await refuse_http2(connection, await connection.until(b"\r\n\r\n")):
            await connection.send(answer)
            connection.close()

    async with gateway_rig(send) as rig:
        peer = await Http2Peer.connect(rig.port)
        got = await peer.call(method, "/bucket/key")
        await peer.close()

    assert (got.body, got.is_ended, got.reset_code) == (body, True, None)
    assert not {"connection", "transfer-encoding", "keep-alive"} & got.headers.keys()


async def test_an_upstream_is_asked_once_whether_it_speaks_http2() -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        for n in range(3):
            await peer.call("GET", f"/bucket/{n}")
        await peer.close()

    asked = [c for c in rig.upstream.connections if c.received.startswith(b"PRI")]
    assert len(asked) == 1
    assert len(rig.upstream.connections) == 2


async def test_the_answer_ends_only_once_the_call_is_on_record() -> None:
    async with gateway_rig(tell_hash) as rig:
        rig.recorder.may_finish.clear()
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("GET", "/bucket/key", ends=True)
        await eventually(lambda: bool(rig.recorder.calls and rig.recorder.calls[0].times_settled))
        ended_before = peer.answers[stream].is_ended
        rig.recorder.may_finish.set()
        answer = await peer.answer(stream)
        await peer.close()

    assert not ended_before
    assert answer.is_ended


async def test_a_call_that_cannot_be_put_on_record_is_refused_and_not_sent() -> None:
    async with gateway_rig(tell_hash) as rig:
        rig.recorder.refuses_begin = True
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("GET", "/bucket/key")
        await peer.close()

    assert answer.status == 503
    assert b"<Code>ServiceUnavailable</Code>" in answer.body
    assert rig.upstream.received == b""


async def test_a_call_whose_result_cannot_be_put_on_record_gets_503() -> None:
    async with gateway_rig(tell_hash) as rig:
        rig.recorder.refuses_finish = True
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("GET", "/bucket/key")
        await peer.close()

    assert answer.status == 503


async def test_calls_of_our_own_services_are_answered_here() -> None:
    async with gateway_rig(tell_hash, own_answer=HttpResponse(200, (("Content-Type", "x"),), b"own")) as rig:
        peer = await Http2Peer.connect(rig.port)
        target = ("x-amz-target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.DescribeTrails")
        answer = await peer.call("POST", "/", target, body=b"{}", service="cloudtrail")
        await peer.close()

    assert (answer.status, answer.body) == (200, b"own")
    assert [request.body for request in rig.own_requests] == [b"{}"]
    assert rig.upstream.connections == []


async def test_a_client_that_asks_whether_to_go_on_is_told() -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("PUT", "/bucket/key", ("content-length", "3"), ("expect", "100-continue"))
        await peer.until(lambda: bool(peer.answers[stream].interim))
        await peer.send(stream, b"abc", ends=True)
        answer = await peer.answer(stream)
        await peer.close()

    assert answer.interim == ["100"]
    assert answer.body.decode() == hashlib.sha256(b"abc").hexdigest()


async def test_calls_under_way_end_before_a_stopping_gateway_closes() -> None:
    may_answer, asked = asyncio.Event(), asyncio.Event()

    async def wait(connection: UpstreamConnection) -> None:
        if await refuse_http2(connection, await connection.until(b"\r\n\r\n")):
            return
        asked.set()
        await may_answer.wait()
        await connection.send(OK)

    async with gateway_rig(wait) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("GET", "/bucket/key", ends=True)
        await asked.wait()
        stopping = asyncio.create_task(rig.gateway.stop())
        await peer.until(lambda: peer.goodbye() is not None)
        may_answer.set()
        answer = await peer.answer(stream)
        await peer.until(lambda: peer.is_closed)
        await stopping
        await peer.close()

    goodbye = peer.goodbye()
    assert goodbye is not None
    assert (goodbye.error_code, goodbye.last_stream_id) == (0, stream)
    assert (answer.status, answer.body, answer.is_ended) == (200, b"ok", True)


async def test_a_connection_without_calls_is_closed_after_a_while() -> None:
    async with gateway_rig(tell_hash, timeouts=Timeouts(idle_s=0.2)) as rig:
        peer = await Http2Peer.connect(rig.port)
        await peer.call("GET", "/bucket/key")
        await peer.until(lambda: peer.is_closed, 5)
        await peer.close()

    goodbye = peer.goodbye()
    assert goodbye is not None
    assert goodbye.error_code == 0


async def test_a_client_that_leaves_in_the_middle_leaves_a_record() -> None:
    async def never(connection: UpstreamConnection) -> None:
        if not await refuse_http2(connection, await connection.until(b"\r\n\r\n")):
            await connection.to_end()

    async with gateway_rig(never) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("PUT", "/bucket/key", ("content-length", "3000000"))
        await peer.send(stream, b"x" * 100_000)
        await eventually(lambda: bool(rig.recorder.calls))
        peer.h2.reset_stream(stream, 8)
        await peer.flush()
        await rig.recorder.settled.acquire()
        await peer.close()

    assert [call.reason for call in rig.recorder.calls] == ["client-disconnected"]


@pytest.mark.parametrize("rest", [b"", b"abc"])
async def test_a_body_shorter_than_it_was_stated_takes_nothing_of_the_next_call(rest: bytes) -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        short = await peer.begin("PUT", "/bucket/short", ("content-length", "300"), ends=not rest)
        if rest:
            await peer.send(short, rest)
            peer.h2.reset_stream(short)
            await peer.flush()
        else:
            await peer.answer(short)
        answer = await peer.call("PUT", "/bucket/next", ("content-length", "3"), body=b"abc")
        await peer.close()

    assert answer.body.decode() == hashlib.sha256(b"abc").hexdigest()
    carriers = [connection for connection in rig.upstream.connections if b"/bucket/next" in connection.received]
    assert len(carriers) == 1
    assert b"/bucket/short" not in carriers[0].received
