"""What goes in comes out: requests reach the upstream and answers the client byte for byte."""

import asyncio
from pathlib import Path

import pytest

from opentrail.capture.exchange import Timeouts
from opentrail.http_message import BODY_LIMIT_BYTES
from opentrail.identity import Credential, Principal, PrincipalType
from tests.conformance.gateway.support import (
    OK,
    UpstreamConnection,
    answer_ok,
    gateway_rig,
    read_answer,
    request_bytes,
)
from tests.memory.identity_store import InMemoryIdentityStore
from tests.support.tls import make_authority, tls_proxy

TARGETS = [
    "/bucket/plain",
    "/bucket/a%20b+c%2Fd/../e/./f//g",
    "/bucket/%E2%82%AC/%e2%82%ac~-_.",
    "/bucket/key?",
    "/bucket/key?x=1&x=&y&z=%2F+%20?",
    "//double//slash/",
    "/bucket/caf\xc3\xa9",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_the_request_target_reaches_the_upstream_as_it_came(target: str) -> None:
    request = request_bytes(f"GET {target}")

    async with gateway_rig() as rig:
        answer = await rig.call(request)

        assert rig.upstream.received == request
        assert rig.recorder.calls[0].request.target == target
    assert answer == OK


async def test_header_case_order_blanks_and_duplicates_are_kept_and_nothing_is_added() -> None:
    request = request_bytes(
        "GET /b/k", "x-CUSTOM:  spaced out  ", "Accept: a", "X-Custom: again", "accept: b", "Empty:", "Latin: \xe9"
    )

    async with gateway_rig() as rig:
        await rig.call(request)

        assert rig.upstream.received == request


@pytest.mark.parametrize("size", [1, 70_000, BODY_LIMIT_BYTES, BODY_LIMIT_BYTES + 1, 3 * BODY_LIMIT_BYTES])
@pytest.mark.parametrize("line", ["PUT /bucket/key", "POST /bucket/?delete"])
async def test_a_body_of_known_length_reaches_the_upstream_as_it_came(line: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    request = request_bytes(line, body=body)

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.exactly(size)
        await connection.send(OK)

    async with gateway_rig(script) as rig:
        assert await rig.call(request) == OK

        assert rig.upstream.received == request
        is_held = line.startswith("POST") and size <= BODY_LIMIT_BYTES
        assert rig.recorder.calls[0].request.body == (body if is_held else None)
        assert rig.recorder.calls[0].request.body_size_bytes == size


@pytest.mark.parametrize("size", [5, BODY_LIMIT_BYTES + 100_000])
@pytest.mark.parametrize("line", ["PUT /bucket/key", "POST /bucket/?delete"])
async def test_a_chunked_body_keeps_its_chunks_and_trailers(line: str, size: int) -> None:
    body = b"x" * size
    chunks = b"%x;ext=1\r\n%b\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n" % (size, body)
    head = request_bytes(line, "Transfer-Encoding: chunked")

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.until(b"t\r\n\r\n")
        await connection.send(OK)

    async with gateway_rig(script) as rig:
        assert await rig.call(head + chunks) == OK

        assert rig.upstream.received == head + chunks
        is_held = line.startswith("POST") and size <= BODY_LIMIT_BYTES
        assert rig.recorder.calls[0].request.body == (body + b"0123456789" if is_held else None)


ANSWERS = {
    "length": b"HTTP/1.1 200 Fine by me\r\nx-Amz-ID-2: a\r\nContent-Length: 5\r\nDup: 1\r\nDup: 2\r\n\r\nhello",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: x\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "error": b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n<a/>\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
}


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize("kind", ANSWERS)
async def test_an_answer_reaches_the_client_as_it_came_however_it_is_cut(kind: str, is_split: bool) -> None:
    answer = ANSWERS[kind]

    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.until(b"\r\n\r\n")
            for piece in [answer[i : i + 1] for i in range(len(answer))] if is_split else [answer]:
                await connection.send(piece)
                await asyncio.sleep(0)

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        for _ in range(2):
            writer.write(request_bytes("GET /bucket/?acl"))
            assert await read_answer(reader) == answer
        writer.close()

        assert len(rig.upstream.connections) == 1
        payload = b"hello" if kind == "chunked" else answer.partition(b"\r\n\r\n")[2]
        assert rig.recorder.calls[0].response is not None
        assert rig.recorder.calls[0].response.body == payload
        assert rig.recorder.calls[0].response.body_size_bytes == len(payload)


async def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"

    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.until(b"\r\n\r\n")
            await connection.send(answer)

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        for _ in range(2):
            writer.write(request_bytes("HEAD /bucket/key"))
            assert await read_answer(reader, is_head=True) == answer
        writer.close()


async def test_an_answer_that_ends_with_its_connection_ends_the_clients_too() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil")
        await connection.send(b" the end")
        connection.close()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /bucket/?acl"))

        assert await reader.read() == b"HTTP/1.1 200 OK\r\nServer: old\r\nConnection: close\r\n\r\nuntil the end"

        writer.close()
        assert rig.recorder.calls[0].response is not None
        assert rig.recorder.calls[0].response.body == b"until the end"


async def test_a_closing_upstream_does_not_close_the_client() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\nA: b\r\n\r\nok")
        connection.close()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        for _ in range(3):
            writer.write(request_bytes("GET /b/k"))
            assert await read_answer(reader) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nok"
        writer.close()

        assert len(rig.upstream.connections) == 3


async def test_connections_to_the_upstream_are_shared_by_clients_one_after_the_other() -> None:
    async with gateway_rig() as rig:
        for _ in range(5):
            await rig.call(request_bytes("GET /b/k"))

        assert len(rig.upstream.connections) == 1


async def test_a_client_that_asks_to_close_is_closed_after_its_answer() -> None:
    async with gateway_rig() as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k", "Connection: close"))

        answer = await reader.read()

        writer.close()
        assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def test_requests_sent_at_once_are_answered_in_order() -> None:
    async def script(connection: UpstreamConnection) -> None:
        while True:
            head = await connection.until(b"\r\n\r\n")
            if head.startswith(b"PUT"):
                await connection.exactly(3)
            if b"chunked" in head:
                await connection.until(b"0\r\n\r\n")
            name = head.split(b" ")[1]
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(
            request_bytes("GET /b/one")
            + request_bytes("PUT /b/two", body=b"abc")
            + request_bytes("GET /b/three", "Transfer-Encoding: chunked")
            + b"0\r\n\r\n"
            + request_bytes("GET /b/four")
        )

        answers = [(await read_answer(reader)).partition(b"\r\n\r\n")[2] for _ in range(4)]

        writer.close()
        assert answers == [b"/b/one", b"/b/two", b"/b/three", b"/b/four"]


async def test_a_waiting_client_is_told_to_go_on_when_the_upstream_says_so() -> None:
    body = b"object data"

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await connection.exactly(len(body))
        await connection.send(OK)

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        head = request_bytes("PUT /b/k", "Expect: 100-continue", f"Content-Length: {len(body)}")
        writer.write(head)
        assert await read_answer(reader) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert rig.upstream.received == head
        writer.write(body)

        assert await read_answer(reader) == OK

        writer.close()
        assert rig.upstream.received == head + body


async def test_a_waiting_client_is_told_to_go_on_when_the_upstream_is_silent() -> None:
    async with gateway_rig(_slow_reader, timeouts=Timeouts(continue_s=0.05)) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("PUT /b/k", "Expect: 100-continue", "Content-Length: 4"))
        assert await read_answer(reader) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")

        assert await read_answer(reader) == OK

        writer.close()


async def _slow_reader(connection: UpstreamConnection) -> None:
    await connection.until(b"\r\n\r\n")
    await connection.exactly(4)
    await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)


async def test_a_body_that_is_held_is_asked_for_by_the_gateway_and_told_of_once() -> None:
    async with gateway_rig(_slow_reader) as rig:
        reader, writer = await rig.connect()
        head = request_bytes("POST /b/?delete", "Expect: 100-continue", "Content-Length: 4")
        writer.write(head)
        assert await read_answer(reader) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert rig.upstream.received == b""
        writer.write(b"body")

        assert await read_answer(reader) == OK

        writer.close()
        assert rig.upstream.received == head + b"body"


async def test_an_upstream_that_declines_a_body_is_heard_before_it_is_sent() -> None:
    denial = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(denial)
        await connection.to_end()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("PUT /b/k", "Expect: 100-continue", "Content-Length: 4000"))

        assert await read_answer(reader) == denial
        assert await reader.read() == b""

        writer.close()
        assert rig.recorder.calls[0].response is not None
        assert rig.recorder.calls[0].response.status == 403


async def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    denial = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.send(denial)
        await connection.to_end()

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("PUT /b/k", "Content-Length: 5000000") + b"x" * 1_000_000)

        assert await reader.read() == denial

        writer.close()


async def test_an_upstream_that_accepts_early_still_gets_the_whole_body() -> None:
    body = b"x" * 3_000_000

    async def script(connection: UpstreamConnection) -> None:
        for _ in range(2):
            await connection.until(b"\r\n\r\n")
            await connection.send(OK)
            await connection.exactly(len(body))

    async with gateway_rig(script) as rig:
        reader, writer = await rig.connect()
        request = request_bytes("PUT /b/k", body=body)
        for _ in range(2):
            writer.write(request)
            assert await read_answer(reader) == OK
        await rig.upstream.connections[0].ended.wait()
        writer.close()

        assert rig.upstream.received == request * 2


async def test_an_offer_to_change_the_protocol_is_not_passed_on() -> None:
    async with gateway_rig() as rig:
        await rig.call(
            request_bytes(
                "GET /b/k", "Connection: Upgrade, HTTP2-Settings", "UPgrade: h2c", "HTTP2-Settings: AA", "A: b"
            )
        )

        assert rig.upstream.received == request_bytes("GET /b/k", "A: b")


async def test_calls_to_own_services_go_to_the_own_api_with_their_body() -> None:
    async with gateway_rig() as rig:
        request = request_bytes(
            "POST /", "X-Amz-Target: CloudTrail_20131101.ListTrails", body=b"{}", service="cloudtrail"
        )
        reader, writer = await rig.connect()
        for _ in range(2):
            writer.write(request)
            answer = await read_answer(reader)
            assert answer == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nown"
        writer.close()

        assert [own.body for own in rig.own_requests] == [b"{}", b"{}"]
        assert rig.upstream.received == b""
        assert rig.recorder.calls == []


@pytest.mark.parametrize(
    ("body", "is_ours"),
    [
        (b"Action=GetCallerIdentity&Version=2011-06-15", True),
        (b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=s&RoleArn=arn:aws:iam::1:role/theirs", False),
        (b"Action=GetFederationToken&Version=2011-06-15&Name=bob", False),
    ],
)
async def test_the_body_decides_who_answers_sts_for_a_key_that_is_the_upstreams_too(body: bytes, is_ours: bool) -> None:
    identities = InMemoryIdentityStore()
    root = Principal(PrincipalType.ROOT, "123456789012", "arn:aws:iam::123456789012:root", "123456789012")
    await identities.add_credential(Credential("AKIDEXAMPLE", "secret", root, is_imported=True))
    async with gateway_rig(identities=identities) as rig:
        request = request_bytes("POST /", "Content-Type: application/x-www-form-urlencoded", body=body, service="sts")
        head_end = request.index(b"\r\n\r\n") + 4
        reader, writer = await rig.connect()
        writer.write(request[:head_end])
        await writer.drain()
        await asyncio.sleep(0.05)  # the head is to arrive alone
        writer.write(request[head_end:])

        answer = await read_answer(reader)
        writer.close()

        assert answer.endswith(b"own") is is_ours
        assert bool(rig.upstream.received) is not is_ours


async def test_a_call_to_own_services_may_be_chunked_and_is_bounded() -> None:
    async with gateway_rig() as rig:
        small = request_bytes("POST /", "Transfer-Encoding: chunked", service="cloudtrail")
        assert (await rig.call(small + b"2\r\n{}\r\n0\r\n\r\n")).endswith(b"own")
        assert rig.own_requests[0].body == b"{}"

        large = request_bytes("POST /", f"Content-Length: {5 * 1024 * 1024}", service="cloudtrail")
        assert (await rig.call(large)).startswith(b"HTTP/1.1 413 ")
        endless = request_bytes("POST /", "Transfer-Encoding: chunked", service="cloudtrail")
        assert (await rig.call(endless + b"500000\r\n" + b"x" * 0x500000)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("forwarded", "caller"),
    [("192.0.2.7", "192.0.2.7"), ("10.9.9.9, 192.0.2.7, 127.0.0.2", "192.0.2.7"), ("garbage", "127.0.0.1")],
)
async def test_a_trusted_proxy_says_whose_call_it_is(forwarded: str, caller: str) -> None:
    async with gateway_rig(trusted_proxies=("127.0.0.0/8",)) as rig:
        await rig.call(request_bytes("GET /b/k", f"X-Forwarded-For: {forwarded}"))

        assert rig.recorder.calls[0].request.peer == caller


async def test_nobody_else_is_believed_about_whose_call_it_is() -> None:
    async with gateway_rig(trusted_proxies=("192.0.2.0/24",)) as rig:
        await rig.call(request_bytes("GET /b/k", "X-Forwarded-For: 198.51.100.1"))

        assert rig.recorder.calls[0].request.peer == "127.0.0.1"


async def test_stopping_lets_calls_under_way_end() -> None:
    release = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await release.wait()
        await connection.send(OK)

    async with gateway_rig(script) as rig:
        idle_reader, idle_writer = await rig.connect()
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /b/k"))
        await rig.upstream.was_called.wait()

        stopping = asyncio.create_task(rig.gateway.stop())
        assert await idle_reader.read() == b""
        release.set()

        assert await reader.read() == OK
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await rig.connect()
        writer.close()
        idle_writer.close()


async def test_calls_run_side_by_side() -> None:
    async with gateway_rig(answer_ok) as rig:
        answers = await asyncio.gather(*(rig.call(request_bytes(f"GET /b/{n}")) for n in range(40)))

        assert answers == [OK] * 40
        assert len(rig.recorder.calls) == 40


async def test_an_upstream_behind_tls_is_trusted_by_the_operators_cas_and_by_no_others(tmp_path: Path) -> None:
    authority, other = make_authority(tmp_path / "one", "127.0.0.1"), make_authority(tmp_path / "two", "127.0.0.1")

    async with gateway_rig() as plain, tls_proxy(authority, f"http://127.0.0.1:{plain.upstream.port}") as proxy:
        answers = []
        for ca_file in (authority.ca_file, other.ca_file):
            async with gateway_rig(upstream_url=f"https://127.0.0.1:{proxy.port}", ca_bundle=str(ca_file)) as rig:
                reader, writer = await rig.connect()
                writer.write(request_bytes("GET /b/k"))
                answers.append(await read_answer(reader))
                writer.close()

    assert answers[0] == OK
    assert answers[1].startswith(b"HTTP/1.1 503 ")
