"""Calls as they leave: judged, pinned, bounded, without redirects."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opentrail.outgoing.call import Answer, Call, NoAnswer, call
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import ANYWHERE, DestinationRefused, Guard
from tests.support.tls import make_authority


@dataclass
class Peer:
    answer: bytes
    port: int = 0
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self.answer)
        if self.answer:
            writer.close()


@asynccontextmanager
async def a_peer(
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    peer = Peer(answer)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()


@dataclass
class Resolver:
    """Answers each question with the next of ``answers``, the last one for ever."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


async def ask(url: str, guard: Guard, resolve: Resolver | None = None, **more: object) -> Answer:
    wanted = Call("POST", url, **more)  # type: ignore[arg-type]
    return await (call(wanted, guard) if resolve is None else call(wanted, guard, resolve))


async def test_an_answer_comes_with_status_and_bounded_body() -> None:
    async with a_peer() as peer:
        whole = await ask(f"http://127.0.0.1:{peer.port}/x?y", ANYWHERE, max_answer_bytes=5)
        part = await ask(f"http://127.0.0.1:{peer.port}/", ANYWHERE, max_answer_bytes=4)

    assert (whole.status, whole.body, whole.is_cut) == (200, b"hello", False)
    assert (part.body, part.is_cut) == (b"hell", True)
    assert peer.heads[0].startswith("POST /x?y HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "place", ["127.0.0.1", "localhost", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "１２７.0.0.1"]
)
async def test_this_host_is_not_reached_under_any_of_its_names(place: str) -> None:
    async with a_peer() as peer:
        with pytest.raises(DestinationRefused):
            await ask(f"http://{place}:{peer.port}/", Guard())

    assert peer.heads == []


@pytest.mark.parametrize("place", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "example.com@127.1"])
async def test_numbers_for_hosts_are_no_urls(place: str) -> None:
    async with a_peer() as peer:
        with pytest.raises(UnusableUrl):
            await ask(f"http://{place}:{peer.port}/", Guard())

    assert peer.heads == []


async def test_a_name_that_changes_its_address_after_it_was_judged_is_not_asked_for_again() -> None:
    resolver = Resolver([["203.0.113.7"], ["127.0.0.1"]])
    async with a_peer() as peer:
        with pytest.raises(NoAnswer):
            await ask(f"http://rebind.example:{peer.port}/", Guard(["203.0.113.0/24"]), resolver, seconds=0.2)

    assert resolver.asked == ["rebind.example"]
    assert peer.heads == []


async def test_a_name_that_resolves_to_this_host_is_refused() -> None:
    async with a_peer() as peer:
        with pytest.raises(DestinationRefused):
            await ask(f"http://sly.example:{peer.port}/", Guard(), Resolver([["127.0.0.1"]]))

    assert peer.heads == []


async def test_the_connection_goes_to_the_judged_address_with_tls_for_the_hosts_name(tmp_path: Path) -> None:
    authority = make_authority(tmp_path, "hook.example")
    guard, ca = Guard(["hook.example", "other.example"]), str(authority.ca_file)
    async with a_peer(tls=authority.server_context()) as peer:
        resolver = Resolver([["127.0.0.1"]])
        answer = await ask(f"https://hook.example:{peer.port}/", guard, resolver, ca_bundle=ca)
        with pytest.raises(NoAnswer):
            await ask(f"https://other.example:{peer.port}/", guard, resolver, ca_bundle=ca)

    assert answer.status == 200
    assert f"Host: hook.example:{peer.port}\r\n" in peer.heads[0]
    assert len(peer.heads) == 1


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with a_peer() as inner:
        said = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{inner.port}/\r\nContent-Length: 0\r\n\r\n"
        async with a_peer(said.encode()) as peer:
            answer = await ask(f"http://127.0.0.1:{peer.port}/", Guard([f"127.0.0.1:{peer.port}"]))

    assert answer.status == 307
    assert inner.heads == []


async def test_the_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_peer() as proxy, a_peer() as peer:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        await ask(f"http://127.0.0.1:{peer.port}/", ANYWHERE)

    assert proxy.heads == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"hello\r\n\r\n",
    ],
)
async def test_an_answer_that_is_endless_late_or_none_is_no_answer(answer: bytes) -> None:
    async with a_peer(answer) as peer:
        with pytest.raises(NoAnswer) as failed:
            await ask(f"http://user:word@127.0.0.1:{peer.port}/token", ANYWHERE, seconds=0.3)

    assert "token" not in str(failed.value)
    assert "word" not in str(failed.value)


async def test_user_name_and_password_of_a_url_become_a_header() -> None:
    async with a_peer() as peer:
        await ask(f"http://user:word@127.0.0.1:{peer.port}/", ANYWHERE)

    assert "Authorization: Basic dXNlcjp3b3Jk\r\n" in peer.heads[0]
