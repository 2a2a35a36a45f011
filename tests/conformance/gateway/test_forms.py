"""Forms that post objects to S3 pass untouched, are recorded by their fields, and their files are never gathered."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.gateway.recording_gateway import recording_gateway
from tests.conformance.gateway.support import ScriptedUpstream, UpstreamConnection, gateway_rig, read_answer

HEAD = b"POST /bucket HTTP/1.1\r\nHost: gateway.test:4700\r\nContent-Type: multipart/form-data; boundary=line\r\n"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def a_form(*fields: tuple[str, str]) -> bytes:
    """The beginning of a form, up to its file's content."""
    parts = [f'--line\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    return ("".join(parts) + '--line\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n').encode()


END = b"\r\n--line--\r\n"


async def take(connection: UpstreamConnection) -> None:
    """A script: take one request of stated length and answer as S3 does."""
    head = await connection.until(b"\r\n\r\n")
    await connection.exactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    await connection.send(b"HTTP/1.1 204 No Content\r\nx-amz-request-id: r\r\n\r\n")


async def test_a_long_file_goes_on_as_soon_as_the_fields_are_read() -> None:
    beginning, size = a_form(("key", "a/${filename}")), 5_000_000
    async with gateway_rig(take) as rig:
        reader, writer = await rig.connect()
        writer.write(
            HEAD + b"Content-Length: %d\r\n\r\n" % (len(beginning) + size + len(END)) + beginning + b"x" * 90_000
        )
        async with asyncio.timeout(10):
            await rig.upstream.was_called.wait()  # though most of the file has not been sent
        writer.write(b"x" * (size - 90_000) + END)
        answer = await read_answer(reader)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 204 ")
    assert rig.upstream.received.endswith(b"\r\n\r\n" + beginning + b"x" * size + END)
    [call] = rig.recorder.calls
    assert call.request.target == "/bucket/a/f"
    assert call.request.body is None
    assert call.request.body_size_bytes == len(beginning) + size + len(END)
    assert call.scope is None


async def test_a_form_that_says_two_things_is_refused() -> None:
    body = a_form(("key", "a"), ("key", "b")) + b"x" + END
    async with gateway_rig(take) as rig:
        answer = await rig.call(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the field key twice" in answer
    assert rig.upstream.received == b""


async def test_fields_longer_than_s3_allows_are_refused() -> None:
    body = a_form(("x-amz-meta-long", "y" * 50_000), ("key", "a")) + b"x" + END
    async with gateway_rig(take) as rig:
        answer = await rig.call(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"malformed, or too long" in answer
    assert rig.upstream.received == b""


async def test_a_signature_in_a_header_does_not_hide_a_form() -> None:
    body = a_form(("key", "a")) + b"x" + END
    signed = b"Authorization: AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJlc2lnbmF0dXJl\r\n"
    async with gateway_rig(take) as rig:
        answer = await rig.call(HEAD + signed + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"signed beside its form" in answer
    assert rig.upstream.received == b""


async def test_a_client_that_waits_before_its_form_is_told_to_go_on() -> None:
    body = a_form(("key", "a")) + b"x" + END
    async with gateway_rig(take) as rig:
        reader, writer = await rig.connect()
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(body)
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 204 ")
        writer.close()


async def recorded(tmp_path: Path, mode: str, body: bytes, answer: bytes) -> dict[str, Any]:
    """Post a form through a recording gateway; return its event."""

    async def script(connection: UpstreamConnection) -> None:
        await connection.until(b"\r\n\r\n")
        await connection.exactly(len(body))
        await connection.send(answer)

    upstream = ScriptedUpstream(script)
    await upstream.start()
    async with recording_gateway(f"http://127.0.0.1:{upstream.port}", mode, folder=tmp_path / "journal") as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(gateway.url).port)
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await read_answer(reader)
        writer.close()
    await upstream.stop()
    [event] = gateway.events()
    return event


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
async def test_a_form_without_a_policy_is_on_record_as_anonymous(tmp_path: Path, mode: str) -> None:
    body = a_form(("key", "a"), ("x-amz-storage-class", "STANDARD_IA")) + b"x" + END

    event = await recorded(tmp_path, mode, body, b"HTTP/1.1 204 No Content\r\nETag: e\r\n\r\n")

    assert (event["eventSource"], event["eventName"]) == ("s3.amazonaws.com", "PostObject")
    assert event["userIdentity"] == {"type": "AWSAccount", "principalId": "", "accountId": "anonymous"}
    assert event["requestParameters"] == {
        "bucketName": "bucket",
        "Host": "gateway.test:4700",
        "key": "a",
        "x-amz-storage-class": "STANDARD_IA",
    }
    assert "AuthenticationMethod" not in event["additionalEventData"]


@pytest.mark.parametrize("mode", ["fail-closed", "fail-open"])
async def test_a_form_that_is_denied_keeps_its_name_and_claims_its_key(tmp_path: Path, mode: str) -> None:
    fields = [("key", "a"), ("policy", "cG9saWN5"), ("AWSAccessKeyId", "AKIDSTRANGER"), ("signature", "c2lnbmF0dXJl")]
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(DENIED) + DENIED

    event = await recorded(tmp_path, mode, a_form(*fields) + b"x" + END, answer)

    assert (event["eventName"], event["errorCode"]) == ("PostObject", "AccessDenied")
    assert event["userIdentity"]["accessKeyId"] == "AKIDSTRANGER"
    assert event["additionalEventData"]["opentrail"] == {"identity": "claimed"}
    assert event["additionalEventData"]["SignatureVersion"] == "SigV2"
    assert "cG9saWN5" not in str(event)
    assert "c2lnbmF0dXJl" not in str(event)
