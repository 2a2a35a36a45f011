"""Calls over HTTP/2 when the gateway is killed amid them, asked to end, or sent what is no HTTP/2 at all."""

import asyncio
import hashlib
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from h2.exceptions import ProtocolError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.gateway.recording_gateway import recording_gateway
from tests.conformance.gateway.serve import gateway_process, resident_bytes
from tests.conformance.gateway.support import ScriptedUpstream, UpstreamConnection, gateway_rig
from tests.conformance.gateway.test_crashes import CALLERS, PROCESSES, CountingUpstream, buckets, crash
from tests.conformance.gateway.test_http2 import body_of, tell_hash
from tests.conformance.gateway.test_streaming import GROWTH_LIMIT_BYTES, PIECE
from tests.support.http2_peer import Http2Peer

SIZE = 24 * 1024 * 1024


async def call_streams_until_killed(port: int, caller: int, answered: list[str]) -> None:
    """Send three calls at a time on one connection; note those that were answered."""
    try:
        peer = await Http2Peer.connect(port)
        for number in range(0, 100_000, 3):
            targets = [f"/bucket-{caller}-{number + n}" for n in range(3)]
            answers = await asyncio.gather(*(peer.call("DELETE", target) for target in targets))
            answered += [
                target
                for target, answer in zip(targets, answers, strict=True)
                if answer.is_ended and answer.headers.get(":status") == "204"
            ]
            if peer.is_closed:
                return
    except (ConnectionError, ProtocolError):
        return


@pytest.mark.parametrize("processes", PROCESSES)
async def test_fail_closed_has_every_call_that_the_upstream_saw_once(tmp_path: Path, processes: int) -> None:
    seen, answered, events = await crash(tmp_path, "fail-closed", 11, processes, call_streams_until_killed)

    recorded = buckets(events)
    unknown = [event.get("additionalEventData", {}).get("opentrail", {}).get("outcome") for event in events]
    known = {name for name, outcome in zip(recorded, unknown, strict=True) if outcome != "unknown"}
    assert len(recorded) == len(set(recorded))
    assert set(seen) <= set(recorded)
    assert set(answered) <= known


async def test_fail_open_says_that_something_may_be_missing(tmp_path: Path) -> None:
    seen, _, events = await crash(tmp_path, "fail-open", 12, 2, call_streams_until_killed)

    recorded = buckets(events)
    gaps = [event["serviceEventDetails"] for event in events if event["eventType"] == "AwsServiceEvent"]
    assert set(recorded) <= set(seen)
    assert [gap["reason"] for gap in gaps] == ["unclean-stop"]


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
async def test_a_gateway_that_is_asked_to_end_loses_nothing(tmp_path: Path, mode: str) -> None:
    source, answered = CountingUpstream(13), list[str]()
    upstream = ScriptedUpstream(source.script)
    await upstream.start()
    with gateway_process(f"http://127.0.0.1:{upstream.port}", mode, tmp_path, 2) as (process, url):
        port = urlsplit(url).port
        assert port is not None
        callers = [asyncio.create_task(call_streams_until_killed(port, n, answered)) for n in range(CALLERS)]
        await source.until_seen(100)
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*callers)
        await asyncio.to_thread(process.wait, 20)
    await upstream.stop()
    async with recording_gateway("", mode, folder=tmp_path / "journal") as gateway:
        pass

    assert sorted(buckets(gateway.events())) == sorted(source.seen)
    assert all(event["eventType"] == "AwsApiCall" for event in gateway.events())


async def test_a_large_object_passes_both_ways_with_flat_memory(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(keep_object)
    await upstream.start()
    with gateway_process(f"http://127.0.0.1:{upstream.port}", "fail-closed", tmp_path) as (process, url):
        peer = await Http2Peer.connect(urlsplit(url).port or 0)
        await peer.call("PUT", "/b/warm-up", body=PIECE * 8)
        before = highest = resident_bytes(process.pid)

        stream = await peer.begin("PUT", "/b/large", ("content-length", str(SIZE)))
        for _ in range(SIZE // len(PIECE)):
            await peer.send(stream, PIECE)
            highest = max(highest, resident_bytes(process.pid))
        await peer.send(stream, b"", ends=True)
        told = await peer.answer(stream)
        answer = await peer.call("GET", "/b/large")
        highest = max(highest, resident_bytes(process.pid))
        await peer.close()
    await upstream.stop()

    expected = hashlib.sha256(PIECE * (SIZE // len(PIECE)))
    assert told.body.decode() == expected.hexdigest()
    assert hashlib.sha256(answer.body).digest() == expected.digest()
    assert highest - before < GROWTH_LIMIT_BYTES


async def keep_object(connection: UpstreamConnection) -> None:
    """A script: tell the hash of an object that is put, in small reads; give one out."""
    while True:
        head = await connection.reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"PRI "):
            return connection.close()
        if head.startswith(b"GET"):
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            for _ in range(SIZE // len(PIECE)):
                await connection.send(PIECE)
        else:
            body = await body_of(connection, head)
            told = hashlib.sha256(body).hexdigest().encode()
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + told)


FRAMES = st.builds(
    lambda kind, flags, stream, payload: (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    ),
    st.integers(0, 12),
    st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D, 255]),
    st.sampled_from([0, 1, 1, 2, 3, 5, 2**31 - 1, 2**31]),
    st.one_of(st.binary(max_size=40), st.sampled_from([bytes(4), bytes(8), bytes(5), b"\x82\x86\x84\x41\x01a"])),
)
LENGTHS = st.builds(
    lambda size, rest: size.to_bytes(3, "big") + rest, st.integers(0, 2**24 - 1), st.binary(max_size=99)
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(FRAMES, FRAMES, LENGTHS), max_size=12), st.integers(0, 3))
def test_no_frames_whatever_stop_the_gateway_or_leave_anything_behind(frames: list[bytes], calls: int) -> None:
    async def send() -> None:
        async with gateway_rig(tell_hash) as rig:
            hostile = await Http2Peer.connect(rig.port)
            for n in range(calls):
                await hostile.begin("PUT", f"/bucket/{n}")
            try:
                for frame in frames:
                    await hostile.send_raw(frame)
            except ConnectionError:
                pass
            peer = await Http2Peer.connect(rig.port)
            answer = await peer.call("PUT", "/bucket/polite", body=b"abc")
            await peer.close()
            await hostile.close()
            assert answer.body.decode() == hashlib.sha256(b"abc").hexdigest()
            await asyncio.sleep(0)

    asyncio.run(send())
