"""Calls that came over HTTP/2 go on over it where the upstream speaks it, streamed both ways at once."""

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opentrail.capture.exchange import Timeouts
from opentrail.capture.gateway import Gateway
from opentrail.capture.ownership import Ownership
from opentrail.http_message import HttpRequest, HttpResponse
from tests.conformance.gateway.support import (
    OK,
    KeepingRecorder,
    UpstreamConnection,
    gateway_rig,
    read_answer,
    request_bytes,
)
from tests.conformance.gateway.test_http2 import PREFACE
from tests.memory.archives import InMemoryArchives
from tests.memory.identity_store import InMemoryIdentityStore
from tests.support.http2_peer import AUTHORITY, Http2Peer, Http2Upstream, Script, UpstreamCall, answer_ok, eventually
from tests.support.tls import make_authority

BIDIRECTIONAL = "/model/m/invoke-with-bidirectional-stream"


class Http2Rig:
    """A gateway before an upstream that speaks HTTP/2."""

    def __init__(self, gateway: Gateway, upstream: Http2Upstream, recorder: KeepingRecorder, port: int) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.recorder = recorder
        self.port = port


@asynccontextmanager
async def http2_rig(
    script: Script = answer_ok,
    *,
    timeouts: Timeouts | None = None,
    acknowledges: bool = True,
    max_streams: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Http2Rig]:
    upstream = Http2Upstream(script, acknowledges=acknowledges, max_streams=max_streams)
    await upstream.start(tls)
    recorder = KeepingRecorder()

    async def own_api(request: HttpRequest) -> HttpResponse:
        return HttpResponse(501, (), b"")

    gateway = Gateway(
        f"{'https' if tls else 'http'}://127.0.0.1:{upstream.port}",
        recorder,
        own_api,
        Ownership(InMemoryArchives(), InMemoryIdentityStore()),
        timeouts=timeouts,
    )
    _, port = await gateway.start("127.0.0.1", 0)
    try:
        yield Http2Rig(gateway, upstream, recorder, port)
    finally:
        await gateway.stop()
        await upstream.stop()
    assert [call.times_settled for call in recorder.calls] == [1] * len(recorder.calls)


async def tell_hash(call: UpstreamCall) -> None:
    """A script: answer with the SHA-256 of the request's body."""
    await call.answer(hashlib.sha256(await call.whole_body()).hexdigest().encode())


async def test_the_upstream_gets_the_very_headers_that_the_client_sent() -> None:
    async with http2_rig() as rig:
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("PUT", "/b/k%20?x=1", ("content-length", "3"), ("x-amz-meta-a", "B  c"), body=b"abc")
        await peer.close()

    [call] = rig.upstream.calls
    assert [header for header in call.headers if header[0] != "authorization"] == [
        *((":method", "PUT"), (":scheme", "http"), (":authority", AUTHORITY), (":path", "/b/k%20?x=1")),
        *(("content-length", "3"), ("x-amz-meta-a", "B  c")),
    ]
    assert (answer.status, answer.body) == (200, b"ok")
    [kept] = rig.recorder.calls
    assert kept.response is not None
    assert kept.response.status == 200


async def test_bodies_keep_their_bytes_both_ways_on_one_connection_to_the_upstream() -> None:
    bodies = [os.urandom(size) for size in (0, 1, 70_000, 3_000_001, 1_048_577)]

    async def echo(call: UpstreamCall) -> None:
        body = await call.whole_body()
        call.start()
        await call.send(body, ends=True)

    async with http2_rig(echo) as rig:
        peer = await Http2Peer.connect(rig.port)
        answers = await asyncio.gather(*(peer.call("PUT", f"/bucket/{n}", body=body) for n, body in enumerate(bodies)))
        await peer.close()

    assert [hashlib.sha256(answer.body).digest() for answer in answers] == [
        hashlib.sha256(body).digest() for body in bodies
    ]
    assert len(rig.upstream.connections) == 1


async def echo_pieces(call: UpstreamCall) -> None:
    """A script: answer at once, then each piece as it comes."""
    call.start((("content-type", "application/vnd.amazon.eventstream"),))
    while piece := await call.body.get():
        await call.send(piece)
    await call.send(b"", ends=True)


async def test_a_stream_is_answered_while_it_is_being_sent() -> None:
    pieces = [os.urandom(size) for size in (1, 100, 16_000, 5)]
    async with http2_rig(echo_pieces) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("POST", BIDIRECTIONAL, service="bedrock")
        for n, piece in enumerate(pieces):
            await peer.send(stream, piece)
            so_far = b"".join(pieces[: n + 1])
            await peer.until(lambda so_far=so_far: peer.answers[stream].body == so_far)  # type: ignore[misc]
        await peer.send(stream, b"", ends=True)
        answer = await peer.answer(stream)
        await peer.close()

    assert answer.body == b"".join(pieces)
    [kept] = rig.recorder.calls
    assert kept.operation is not None
    assert kept.operation.name == "InvokeModelWithBidirectionalStream"
    assert kept.response is not None
    assert kept.response.body_size_bytes == len(answer.body)


async def test_a_stream_is_answered_while_it_is_being_sent_over_http1_too() -> None:
    pieces = [b"one", b"two", b"three"]

    async def echo_chunks(connection: UpstreamConnection) -> None:
        head = await connection.until(b"\r\n\r\n")
        if head == PREFACE:
            return connection.close()
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size := int(await connection.until(b"\r\n"), 16):
            data = await connection.exactly(size + 2)
            await connection.send(b"%x\r\n%b" % (size, data))
        return await connection.send(b"0\r\n\r\n")

    async with gateway_rig(echo_chunks) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("POST", BIDIRECTIONAL, service="bedrock")
        for n, piece in enumerate(pieces):
            await peer.send(stream, piece)
            so_far = b"".join(pieces[: n + 1])
            await peer.until(lambda so_far=so_far: peer.answers[stream].body == so_far)  # type: ignore[misc]
        await peer.send(stream, b"", ends=True)
        answer = await peer.answer(stream)
        await peer.close()

    assert answer.is_ended
    assert answer.body == b"onetwothree"


async def test_clients_of_http1_are_relayed_over_http1() -> None:
    seen = asyncio.Event()

    async def answer(connection: UpstreamConnection) -> None:
        assert (await connection.until(b"\r\n\r\n")).startswith(b"GET /bucket/key HTTP/1.1\r\nHost: ")
        seen.set()
        await connection.send(OK)

    async with gateway_rig(answer) as rig:
        assert (await rig.call(request_bytes("GET /bucket/key"))).endswith(b"ok")

    assert seen.is_set()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304), ("DELETE", 204), ("GET", 200)])
async def test_answers_without_a_body_end(method: str, status: int) -> None:
    async def bare(call: UpstreamCall) -> None:
        call.start((("x-amz-request-id", "r"),), status, ends=True)

    async with http2_rig(bare) as rig:
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call(method, "/bucket/key")
        await peer.close()

    assert (answer.status, answer.body, answer.is_ended) == (status, b"", True)
    assert answer.headers["x-amz-request-id"] == "r"


async def test_interim_answers_pass() -> None:
    async def hinted(call: UpstreamCall) -> None:
        call.start((), 100)
        await call.whole_body()
        await call.answer()

    async with http2_rig(hinted) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("PUT", "/bucket/key", ("content-length", "3"), ("expect", "100-continue"))
        await peer.until(lambda: bool(peer.answers[stream].interim))
        await peer.send(stream, b"abc", ends=True)
        answer = await peer.answer(stream)
        await peer.close()

    assert answer.status == 200


async def test_an_upstream_that_resets_before_it_answers_is_a_bad_gateway_on_record() -> None:
    async def refuse(call: UpstreamCall) -> None:
        await call.whole_body()
        call.reset()

    async with http2_rig(refuse) as rig:
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("PUT", "/bucket/key", body=b"abc")
        await peer.close()

    assert answer.status == 502
    assert [call.reason for call in rig.recorder.calls] == ["upstream-closed"]


async def test_an_upstream_that_resets_in_its_answer_cuts_the_answer_short() -> None:
    async def break_off(call: UpstreamCall) -> None:
        await call.whole_body()
        call.start((("content-length", "1000"),))
        await call.send(b"x" * 10)
        await eventually(lambda: bool(peer.answers[1].body))
        call.reset()

    async with http2_rig(break_off) as rig:
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("GET", "/bucket/key")
        await peer.close()

    assert answer.reset_code is not None
    assert not answer.is_ended
    assert [call.reason for call in rig.recorder.calls] == ["upstream-reset"]


async def test_a_client_that_gives_up_has_its_stream_reset_upstream() -> None:
    async def never(call: UpstreamCall) -> None:
        await call.body.get()

    async with http2_rig(never) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("PUT", "/bucket/key")
        await peer.send(stream, b"abc")
        await eventually(lambda: bool(rig.upstream.calls))
        peer.h2.reset_stream(stream, 8)
        await peer.flush()
        [connection] = rig.upstream.connections
        await eventually(lambda: bool(connection.was_reset))
        await peer.close()

    assert [call.reason for call in rig.recorder.calls] == ["client-disconnected"]


async def test_an_upstream_that_takes_nothing_holds_its_client_back() -> None:
    async def never(call: UpstreamCall) -> None:
        await asyncio.Event().wait()

    async with http2_rig(never, acknowledges=False, timeouts=Timeouts(drain_s=0.2)) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("PUT", "/bucket/key", ("content-length", "9000000"))
        sending = asyncio.create_task(peer.send(stream, b"x" * 9_000_000))
        await eventually(lambda: peer.h2.local_flow_control_window(stream) == 0)
        [call] = await calls_of(rig, 1)
        taken = sum(len(piece) for piece in call.taken)
        sending.cancel()
        await peer.close()

    assert taken <= 65_535


async def calls_of(rig: Http2Rig, count: int) -> list[UpstreamCall]:
    await eventually(lambda: len(rig.upstream.calls) == count)
    return rig.upstream.calls


async def test_an_upstream_that_takes_few_streams_gets_more_connections() -> None:
    may_answer = asyncio.Event()

    async def wait(call: UpstreamCall) -> None:
        await may_answer.wait()
        await call.answer()

    async with http2_rig(wait, max_streams=3) as rig:
        peer = await Http2Peer.connect(rig.port)
        streams = [await peer.begin("GET", f"/bucket/{n}", ends=True) for n in range(8)]
        await calls_of(rig, 8)
        may_answer.set()
        answers = [await peer.answer(stream) for stream in streams]
        await peer.close()

    assert [answer.status for answer in answers] == [200] * 8
    assert len(rig.upstream.connections) == 3


async def test_an_upstream_that_says_goodbye_gets_further_calls_on_another_connection() -> None:
    async def leave(call: UpstreamCall) -> None:
        await call.answer()
        if len(rig.upstream.connections) == 1:
            call.connection.h2.close_connection()
            call.connection.flush()

    async with http2_rig(leave) as rig:
        peer = await Http2Peer.connect(rig.port)
        answers = [await peer.call("GET", f"/bucket/{n}") for n in range(3)]
        await peer.close()

    assert [answer.status for answer in answers] == [200] * 3
    assert len(rig.upstream.connections) == 2


async def test_a_safe_call_that_met_a_connection_just_closed_is_sent_again() -> None:
    async with http2_rig() as rig:
        peer = await Http2Peer.connect(rig.port)
        first = await peer.call("GET", "/bucket/1")
        [connection] = rig.upstream.connections
        connection.transport.abort()  # type: ignore[attr-defined]
        second = await peer.call("GET", "/bucket/2")
        await peer.close()

    assert (first.status, second.status) == (200, 200)
    assert len(rig.upstream.connections) == 2


async def test_an_upstream_that_cannot_be_reached_is_503_on_record() -> None:
    async with gateway_rig() as rig:
        await rig.upstream.stop()
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("GET", "/bucket/key")
        await peer.close()

    assert answer.status == 503
    [call] = rig.recorder.calls
    assert call.response is not None
    assert call.response.reason == "upstream-unreachable"


async def test_http1_and_http2_clients_share_a_gateway() -> None:
    async with gateway_rig() as rig:
        reader, writer = await rig.connect()
        peer = await Http2Peer.connect(rig.port)
        answers = []
        for n in range(3):
            writer.write(request_bytes(f"GET /bucket/{n}"))
            answers.append(await read_answer(reader))
            answers.append((await peer.call("GET", f"/bucket/{n}")).body)
        writer.close()
        await peer.close()

    assert [answer[-2:] for answer in answers] == [b"ok"] * 6


async def test_an_upstream_behind_tls_says_what_it_speaks_by_alpn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    context = authority.server_context()
    context.set_alpn_protocols(["h2"])

    async with http2_rig(tell_hash, tls=context) as rig:
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("PUT", "/bucket/key", body=b"abc")
        await peer.close()

    assert answer.body.decode() == hashlib.sha256(b"abc").hexdigest()
    assert dict(rig.upstream.calls[0].headers)[":scheme"] == "https"


async def test_an_upstream_behind_tls_that_names_no_http2_is_called_over_http1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    received = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            received.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
        except asyncio.IncompleteReadError as error:
            received.append(error.partial)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.server_context())
    port = server.sockets[0].getsockname()[1]
    async with gateway_rig(upstream_url=f"https://127.0.0.1:{port}") as rig:
        peer = await Http2Peer.connect(rig.port)
        answer = await peer.call("GET", "/bucket/key")
        await peer.close()
    server.close()

    assert answer.body == b"ok"
    assert sorted(head[:4] for head in received) == [b"", b"GET "]


async def test_calls_that_come_together_wait_for_one_connection() -> None:
    async with http2_rig() as rig:
        peer = await Http2Peer.connect(rig.port)
        answers = await asyncio.gather(*(peer.call("GET", f"/bucket/{n}") for n in range(40)))
        await peer.close()

    assert [answer.status for answer in answers] == [200] * 40
    assert len(rig.upstream.connections) == 1


async def test_an_upstream_that_answers_the_question_over_http1_is_known_at_once() -> None:
    async with gateway_rig() as rig:
        peer = await Http2Peer.connect(rig.port)
        began = asyncio.get_running_loop().time()
        answer = await peer.call("GET", "/bucket/key")
        took = asyncio.get_running_loop().time() - began
        await peer.close()

    assert answer.status == 200
    assert took < 1.5  # the answer is waited for for two seconds


async def test_an_upstream_that_restarts_is_asked_again_soon() -> None:
    async with http2_rig() as rig:
        peer = await Http2Peer.connect(rig.port)
        await peer.call("GET", "/bucket/1")
        port = rig.upstream.port
        await rig.upstream.stop()
        refused = await peer.call("GET", "/bucket/2")
        again = Http2Upstream(answer_ok)
        await again.start(port=port)
        answer = await peer.call("GET", "/bucket/3")
        await peer.close()
        await again.stop()

    assert (refused.status, answer.status) == (503, 200)
