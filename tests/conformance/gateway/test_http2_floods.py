"""What peers may ask of an HTTP/2 connection is bounded: resets, control frames, headers, streams, memory."""

import asyncio
import contextlib
import resource
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from opentrail.capture.exchange import Timeouts
from opentrail.capture.http2.session import MAX_STREAMS
from tests.conformance.gateway.support import OK, Rig, UpstreamConnection, gateway_rig
from tests.conformance.gateway.test_http2 import body_of, refuse_http2, tell_hash
from tests.support.http2_peer import AUTHORITY, AUTHORIZATION, Http2Peer, eventually

CALM = int(ErrorCodes.ENHANCE_YOUR_CALM)


async def assert_still_serves(rig: Rig) -> None:
    """A new client is answered as ever."""
    peer = await Http2Peer.connect(rig.port)
    answer = await peer.call("GET", "/bucket/after")
    await peer.close()
    assert answer.status == 200


async def flood(peer: Http2Peer, data: bytes) -> None:
    """Send ``data`` again and again until the connection is closed; fails if it never is."""
    for _ in range(2000):
        with contextlib.suppress(ConnectionError):
            await peer.send_raw(data)
        await asyncio.sleep(0)
        if peer.is_closed:
            return
    await peer.until(lambda: peer.is_closed, 5)


async def assert_cut_off(peer: Http2Peer, code: int) -> None:
    await peer.until(lambda: peer.is_closed)
    goodbye = peer.goodbye()
    assert goodbye is None or goodbye.error_code == code
    await peer.close()


def empty_data() -> Frame:
    return DataFrame(1, b"")


def ping() -> Frame:
    return PingFrame(0, b"12345678")


def settings() -> Frame:
    return SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 70_000})


def priority() -> Frame:
    return PriorityFrame(3, depends_on=0, stream_weight=7)


def window_update() -> Frame:
    return WindowUpdateFrame(0, 1)


def late_reset() -> Frame:
    return RstStreamFrame(1, 8)


@pytest.mark.parametrize("make", [ping, settings, priority, window_update, empty_data, late_reset])
async def test_a_flood_of_frames_without_content_ends_the_connection(make: Callable[[], Frame]) -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        await peer.begin("PUT", "/bucket/key")
        await flood(peer, make().serialize() * 100)
        await assert_cut_off(peer, CALM)
        await assert_still_serves(rig)


async def test_a_client_may_ping_and_set_as_often_as_a_polite_one_does() -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        for _ in range(100):
            await peer.send_raw(ping().serialize() + settings().serialize())
        answer = await peer.call("GET", "/bucket/key")
        await peer.close()

    assert answer.status == 200


async def test_calls_given_up_at_once_end_the_connection_and_never_pile_up() -> None:
    """CVE-2023-44487: each stream is reset as soon as it is opened, so that none counts as open."""
    most = 0

    async def never(connection: UpstreamConnection) -> None:
        nonlocal most
        head = await connection.until(b"\r\n\r\n")
        if await refuse_http2(connection, head):
            return
        most = max(most, len([c for c in rig.upstream.connections if not c.ended.is_set()]))
        if b"/after" in head:
            await connection.send(OK)
        await connection.to_end()

    async with gateway_rig(never, max_connections=3000, timeouts=Timeouts(drain_s=0.2)) as rig:
        peer = await Http2Peer.connect(rig.port)
        for n in range(2000):
            if peer.is_closed or peer.goodbye() is not None:
                break
            stream = peer.h2.get_next_available_stream_id()
            fields = [(":method", "GET"), (":scheme", "http"), (":authority", AUTHORITY), (":path", f"/b/{n}")]
            peer.h2.send_headers(stream, [*fields, ("authorization", AUTHORIZATION.format(service="s3"))], True)
            peer.h2.reset_stream(stream, 8)
            if n % 50 == 49:
                await peer.flush()
                await asyncio.sleep(0)
        await assert_cut_off(peer, CALM)
        await assert_still_serves(rig)

    assert most <= MAX_STREAMS + 2
    assert len(rig.recorder.calls) < 300


async def test_further_streams_than_announced_end_the_connection() -> None:
    async with gateway_rig(tell_hash, max_connections=2 * MAX_STREAMS) as rig:
        peer = await Http2Peer.connect(rig.port)
        await peer.call("GET", "/bucket/key")
        assert peer.h2.remote_settings.max_concurrent_streams == MAX_STREAMS
        peer.h2.remote_settings._settings[3][0] = 10_000  # what a client that does not listen does
        for n in range(MAX_STREAMS + 1):
            await peer.begin("PUT", f"/bucket/{n}")
        await peer.until(lambda: peer.is_closed)
        await peer.close()
        await assert_still_serves(rig)


async def test_streams_count_as_connections_do_and_a_further_one_may_be_tried_again() -> None:
    async with gateway_rig(tell_hash, max_connections=5) as rig:
        peer = await Http2Peer.connect(rig.port)
        held = [await peer.begin("PUT", f"/bucket/{n}") for n in range(4)]
        further = await peer.call("GET", "/bucket/further")
        await peer.send(held[0], b"abc", ends=True)
        first = await peer.answer(held[0])
        await eventually(lambda: len(rig.gateway._tasks) == 4)
        again = await peer.call("GET", "/bucket/again")
        await peer.close()

    assert further.reset_code == int(ErrorCodes.REFUSED_STREAM)
    assert (first.status, again.status) == (200, 200)


async def test_headers_that_inflate_or_never_end_end_the_connection() -> None:
    async with gateway_rig(tell_hash) as rig:
        bomb = await Http2Peer.connect(rig.port)
        # One entry of 4 KB in the table, then a thousand times the byte that repeats it.
        name = bomb.h2.encoder.encode([(b"x-large", b"y" * 3900)])
        block = name + b"\xbe" * 1000
        frame = HeadersFrame(1, block)
        frame.flags.add("END_HEADERS")
        await bomb.send_raw(frame.serialize())
        await assert_cut_off(bomb, CALM)

        endless = await Http2Peer.connect(rig.port)
        await endless.send_raw(HeadersFrame(1, b"\x88").serialize())
        await flood(endless, ContinuationFrame(1, b"").serialize())
        await endless.close()
        await assert_still_serves(rig)

    assert len(rig.recorder.calls) == 1


async def test_too_many_headers_are_refused_on_their_stream_alone() -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        many = await peer.call("GET", "/bucket/key", *[(f"x-{n}", "y") for n in range(250)])
        good = await peer.call("GET", "/bucket/key")
        await peer.close()

    assert many.status == 431
    assert good.status == 200


@pytest.mark.parametrize("header", [("x a", "y"), ("x", "a\x01b"), ("x\x7f", "y")])
async def test_what_http1_could_not_say_ends_its_stream_or_connection_and_goes_no_further(
    header: tuple[str, str],
) -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        peer.h2.config.validate_outbound_headers = False
        stream = await peer.begin("GET", "/bucket/key", header, ends=True)
        await peer.until(lambda: peer.answers[stream].is_over or peer.is_closed)
        await peer.close()
        await assert_still_serves(rig)

    assert len(rig.recorder.calls) == 1


@pytest.mark.parametrize(
    "path", ["/a HTTP/1.1\r\nhost: x\r\n\r\nGET /b", "/a b", "/a#b", "a", "*", "http://other/a", "/\x7f"]
)
async def test_a_path_that_would_read_otherwise_upstream_goes_no_further(path: str) -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        peer.h2.config.validate_outbound_headers = False
        stream = await peer.begin("GET", path, ends=True)
        await peer.until(lambda: peer.answers[stream].is_over or peer.is_closed)
        answer = peer.answers[stream]
        await peer.close()

    assert peer.is_closed or answer.reset_code is not None or answer.status == 400
    assert rig.recorder.calls == []
    assert rig.upstream.received == b""


async def test_a_body_longer_than_it_says_ends_the_connection() -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("PUT", "/bucket/key", ("content-length", "3"))
        await peer.send(stream, b"abcGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n", ends=True)
        await peer.until(lambda: peer.is_closed)
        await peer.close()

    assert b"smuggled" not in rig.upstream.received
    assert all(call.response is None for call in rig.recorder.calls)


async def test_a_slow_upstream_holds_its_client_back_and_no_other_stream() -> None:
    may_read = asyncio.Event()

    async def slow(connection: UpstreamConnection) -> None:
        while True:
            head = await connection.until(b"\r\n\r\n")
            if await refuse_http2(connection, head):
                return
            if b"/slow" in head:
                await may_read.wait()
            await body_of(connection, head)
            await connection.send(OK)

    data = b"x" * 20_000_000
    async with gateway_rig(slow) as rig:
        peer = await Http2Peer.connect(rig.port)
        held = await peer.begin("PUT", "/bucket/slow", ("content-length", str(len(data))))
        sending = asyncio.create_task(peer.send(held, data, ends=True))
        await eventually(lambda: peer.h2.local_flow_control_window(held) == 0)
        others = [await peer.call("PUT", f"/bucket/{n}", body=b"y" * 100_000) for n in range(5)]
        sent_meanwhile = not sending.done()
        may_read.set()
        await sending
        answer = await peer.answer(held)
        await peer.close()

    assert sent_meanwhile
    assert [other.status for other in others] == [200] * 5
    assert answer.status == 200


async def test_a_client_that_reads_nothing_stops_the_upstream_and_is_given_up() -> None:
    sent = 0

    async def gush(connection: UpstreamConnection) -> None:
        nonlocal sent
        if await refuse_http2(connection, await connection.until(b"\r\n\r\n")):
            return
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        while True:
            await connection.send(b"z" * 100_000)
            sent += 100_000

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with gateway_rig(gush, timeouts=Timeouts(write_s=0.5)) as rig:
        peer = await Http2Peer.connect(rig.port, acknowledges=False)
        stream = await peer.begin("GET", "/bucket/key", ends=True)
        answer = await peer.answer(stream)
        await rig.recorder.settled.acquire()
        await peer.close()

    assert answer.reset_code == int(ErrorCodes.INTERNAL_ERROR)
    assert sent < 20_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


async def test_a_frame_that_is_longer_than_allowed_is_not_waited_for() -> None:
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        await peer.send_raw((2**24 - 1).to_bytes(3, "big") + bytes([0, 0, 0, 0, 0, 1]))
        await assert_cut_off(peer, int(ErrorCodes.FRAME_SIZE_ERROR))
        await assert_still_serves(rig)


async def test_a_connection_that_carried_many_calls_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentrail.capture.http2.clients.STREAMS_IN_ALL", 5)
    async with gateway_rig(tell_hash) as rig:
        peer = await Http2Peer.connect(rig.port)
        answers = [await peer.call("GET", f"/bucket/{n}") for n in range(5)]
        await peer.until(lambda: peer.is_closed)
        await peer.close()
        await assert_still_serves(rig)

    goodbye = peer.goodbye()
    assert goodbye is not None
    assert goodbye.error_code == 0
    assert [answer.status for answer in answers] == [200] * 5


async def test_a_client_that_says_goodbye_gets_the_answers_it_waits_for() -> None:
    may_answer = asyncio.Event()

    async def wait(connection: UpstreamConnection) -> None:
        if await refuse_http2(connection, await connection.until(b"\r\n\r\n")):
            return
        await may_answer.wait()
        await connection.send(OK)

    async with gateway_rig(wait) as rig:
        peer = await Http2Peer.connect(rig.port)
        stream = await peer.begin("GET", "/bucket/key", ends=True)
        await eventually(lambda: bool(rig.recorder.calls))
        await peer.send_raw(GoAwayFrame(0).serialize() + ping().serialize())
        may_answer.set()
        answer = await peer.answer(stream)
        await peer.close()

    assert (answer.status, answer.body) == (200, b"ok")
