"""The gateway is killed amid calls: what the upstream saw is on record, or a gap says that it may not be."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Coroutine
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
            if head.startswith(b"PRI "):
                return connection.close()
            self.seen.append(head.split(b" ")[1].decode())
            async with self._reached:
                self._reached.notify_all()
            await asyncio.sleep(self._random.random() * 0.005)
            await connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")


async def one_call(port: int, target: str, answered: list[str]) -> None:
    """Make one call on a connection of its own; note it when it was answered."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes(f"DELETE {target}"))
        if (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 "):
            answered.append(target)
        writer.close()
    except (ConnectionError, asyncio.IncompleteReadError):
        return


Caller = Callable[[int, int, list[str]], Coroutine[Any, Any, None]]


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


async def crash(
    folder: Path, mode: str, seed: int, processes: int, call: Caller = call_until_killed
) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """Kill a gateway under load; return what the upstream saw, what was answered, and the events after a restart."""
    source, answered = CountingUpstream(seed), list[str]()
    upstream = ScriptedUpstream(source.script)
    await upstream.start()
    kill_after = random.Random(seed).randint(*CALLS_BEFORE_KILL)
    with gateway_process(f"http://127.0.0.1:{upstream.port}", mode, folder, processes) as (process, url):
        port = urlsplit(url).port
        assert port is not None
        callers = [asyncio.create_task(call(port, n, answered)) for n in range(CALLERS)]
        await source.until_seen(kill_after)
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*callers)
    await upstream.stop()
    async with recording_gateway("", mode, folder=folder / "journal") as gateway:
        pass
    return source.seen, answered, gateway.events()


def buckets(events: list[dict[str, Any]]) -> list[str]:
    return ["/" + event["requestParameters"]["bucketName"] for event in events if event["eventType"] == "AwsApiCall"]


SEEDS = [int(seed) for seed in os.environ.get("OPENTRAIL_CRASH_SEEDS", "1,2,3,4").split(",")]


PROCESSES = (1, 2)
"""Gateway processes; 1 is the server's own."""


@pytest.mark.parametrize(("seed", "processes"), [*((seed, 1) for seed in SEEDS), *((seed, 2) for seed in SEEDS[:2])])
async def test_fail_closed_has_every_call_that_the_upstream_saw_once(tmp_path: Path, seed: int, processes: int) -> None:
    seen, answered, events = await crash(tmp_path, "fail-closed", seed, processes)

    recorded = buckets(events)
    assert len(recorded) == len(set(recorded))
    assert set(seen) <= set(recorded)
    known = {
        "/" + event["requestParameters"]["bucketName"]
        for event in events
        if event.get("additionalEventData", {}).get("opentrail", {}).get("outcome") != "unknown"
    }
    assert set(answered) <= known


@pytest.mark.parametrize(("seed", "processes"), [*((seed, 1) for seed in SEEDS), *((seed, 2) for seed in SEEDS[:2])])
async def test_fail_open_says_that_something_may_be_missing(tmp_path: Path, seed: int, processes: int) -> None:
    seen, _, events = await crash(tmp_path, "fail-open", seed, processes)

    recorded = buckets(events)
    gaps = [event["serviceEventDetails"] for event in events if event["eventType"] == "AwsServiceEvent"]
    assert len(recorded) == len(set(recorded))
    assert set(recorded) <= set(seen)
    assert [gap["reason"] for gap in gaps] == ["unclean-stop"]
    assert len(set(seen) - set(recorded)) <= CALLERS * 40


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
async def test_a_gateway_process_that_is_killed_is_replaced_and_its_calls_are_accounted_for(
    tmp_path: Path, mode: str
) -> None:
    source, answered = CountingUpstream(5), list[str]()
    upstream = ScriptedUpstream(source.script)
    await upstream.start()
    with gateway_process(f"http://127.0.0.1:{upstream.port}", mode, tmp_path, 2) as (process, url):
        port = urlsplit(url).port
        assert port is not None
        before = children(process.pid)
        callers = [asyncio.create_task(call_until_killed(port, n, answered)) for n in range(CALLERS)]
        await source.until_seen(100)
        os.kill(before[0], signal.SIGKILL)
        async with asyncio.timeout(30):
            while len(after := children(process.pid)) < 2 or after == before:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
            later, tries = list[str](), 0
            while not later:  # new connections reach the one that was left, then both
                tries += 1
                await one_call(port, f"/later-{tries}", later)
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*callers)
        await asyncio.to_thread(process.wait, 20)
    await upstream.stop()
    async with recording_gateway("", "fail-closed", folder=tmp_path / "journal") as gateway:
        pass

    assert before[0] not in after
    recorded = buckets(gateway.events())
    gaps = [event["serviceEventDetails"] for event in gateway.events() if event["eventType"] == "AwsServiceEvent"]
    assert len(recorded) == len(set(recorded))
    if mode == "fail-closed":
        assert set(source.seen) <= set(recorded)  # one more may have been stored and not sent yet
        assert len(recorded) <= len(source.seen) + CALLERS
        assert gaps == []
    else:
        assert set(recorded) <= set(source.seen)
        assert [gap["reason"] for gap in gaps] == ["unclean-stop"]


def children(pid: int) -> list[int]:
    """Return a process's children, oldest first."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("processes", PROCESSES)
async def test_a_gateway_that_is_asked_to_end_loses_nothing_in_either_mode(tmp_path: Path, processes: int) -> None:
    for mode in ("fail-closed", "fail-open"):
        source, answered = CountingUpstream(7), list[str]()
        upstream = ScriptedUpstream(source.script)
        await upstream.start()
        with gateway_process(f"http://127.0.0.1:{upstream.port}", mode, tmp_path / mode, processes) as (process, url):
            port = urlsplit(url).port
            assert port is not None
            callers = [asyncio.create_task(call_until_killed(port, n, answered)) for n in range(CALLERS)]
            await source.until_seen(100)
            process.send_signal(signal.SIGTERM)
            await asyncio.gather(*callers)
            await asyncio.to_thread(process.wait, 20)
        await upstream.stop()
        async with recording_gateway("", mode, folder=tmp_path / mode / "journal") as gateway:
            pass

        events = gateway.events()
        assert sorted(buckets(events)) == sorted(source.seen)
        assert all(event["eventType"] == "AwsApiCall" for event in events)
