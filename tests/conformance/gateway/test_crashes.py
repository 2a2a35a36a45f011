"""The gateway is killed amid calls: what the upstream saw is on record, or a gap says that it may not be."""

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.gateway.recording_gateway import recording_gateway
from tests.conformance.gateway.serve import gateway_process
from tests.conformance.gateway.support import ScriptedUpstream, UpstreamConnection, request_bytes

CALLERS = 8
CALLS_BEFORE_KILL = (1, 200)


class CountingUpstream:
    """Answers after a random moment; remembers every request target that it saw, answered or not."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.seen: list[str] = []
        self._reached = asyncio.Condition()

    async def until_seen(self, count: int) -> None:
        """Wait until the upstream saw ``count`` requests."""
        async with self._reached:
            await self._reached.wait_for(lambda: len(self.seen) >= count)

    async def script(self, connection: UpstreamConnection) -> None:
        while True:
            head = await connection.reader.readuntil(b"\r\n\r\n")
            self.seen.append(head.split(b" ")[1].decode())
            async with self._reached:
                self._reached.notify_all()
            await asyncio.sleep(self._random.random() * 0.005)
            await connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")


async def call_until_killed(port: int, caller: int, answered: list[str]) -> None:
    """Send one request after the other; note those that were answered."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(100_000):
            target = f"/bucket-{caller}-{number}"
            writer.write(request_bytes(f"DELETE {target}"))
            answer = await reader.readuntil(b"\r\n\r\n")
            if answer.startswith(b"HTTP/1.1 204 "):
                answered.append(target)
    except (ConnectionError, asyncio.IncompleteReadError):
        return


async def crash(folder: Path, mode: str, seed: int) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """Kill a gateway under load; return what the upstream saw, what was answered, and the events after a restart."""
    source, answered = CountingUpstream(seed), list[str]()
    upstream = ScriptedUpstream(source.script)
    await upstream.start()
    kill_after = random.Random(seed).randint(*CALLS_BEFORE_KILL)
    with gateway_process(f"http://127.0.0.1:{upstream.port}", mode, folder) as (process, url):
        port = urlsplit(url).port
        assert port is not None
        callers = [asyncio.create_task(call_until_killed(port, n, answered)) for n in range(CALLERS)]
        await source.until_seen(kill_after)
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*callers)
    await upstream.stop()
    async with recording_gateway("", mode, folder=folder) as gateway:
        pass
    return source.seen, answered, gateway.events()


def buckets(events: list[dict[str, Any]]) -> list[str]:
    return ["/" + event["requestParameters"]["bucketName"] for event in events if event["eventType"] == "AwsApiCall"]


SEEDS = [int(seed) for seed in os.environ.get("OPENTRAIL_CRASH_SEEDS", "1,2,3,4").split(",")]


@pytest.mark.parametrize("seed", SEEDS)
async def test_fail_closed_has_every_call_that_the_upstream_saw_once(tmp_path: Path, seed: int) -> None:
    seen, answered, events = await crash(tmp_path, "fail-closed", seed)

    recorded = buckets(events)
    assert len(recorded) == len(set(recorded))
    assert set(seen) <= set(recorded)
    known = {
        "/" + event["requestParameters"]["bucketName"]
        for event in events
        if event.get("additionalEventData", {}).get("opentrail", {}).get("outcome") != "unknown"
    }
    assert set(answered) <= known


@pytest.mark.parametrize("seed", SEEDS)
async def test_fail_open_says_that_something_may_be_missing(tmp_path: Path, seed: int) -> None:
    seen, _, events = await crash(tmp_path, "fail-open", seed)

    recorded = buckets(events)
    gaps = [event["serviceEventDetails"] for event in events if event["eventType"] == "AwsServiceEvent"]
    assert len(recorded) == len(set(recorded))
    assert set(recorded) <= set(seen)
    assert [gap["reason"] for gap in gaps] == ["unclean-stop"]
    assert len(set(seen) - set(recorded)) <= CALLERS * 40


async def test_a_gateway_that_is_asked_to_end_loses_nothing_in_either_mode(tmp_path: Path) -> None:
    for mode in ("fail-closed", "fail-open"):
        source, answered = CountingUpstream(7), list[str]()
        upstream = ScriptedUpstream(source.script)
        await upstream.start()
        with gateway_process(f"http://127.0.0.1:{upstream.port}", mode, tmp_path / mode) as (process, url):
            port = urlsplit(url).port
            assert port is not None
            callers = [asyncio.create_task(call_until_killed(port, n, answered)) for n in range(CALLERS)]
            await source.until_seen(100)
            process.send_signal(signal.SIGTERM)
            await asyncio.gather(*callers)
            await asyncio.to_thread(process.wait, 20)
        await upstream.stop()
        async with recording_gateway("", mode, folder=tmp_path / mode) as gateway:
            pass

        events = gateway.events()
        assert sorted(buckets(events)) == sorted(source.seen)
        assert all(event["eventType"] == "AwsApiCall" for event in events)
