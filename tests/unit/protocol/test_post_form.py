"""Forms that post an object to S3, as botocore makes them and as hostile clients do."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from opentrail.http_message import HttpRequest
from opentrail.protocol import signatures
from opentrail.protocol.post_form import FORM_LIMIT_BYTES, FormCall, may_be_form, read_form
from opentrail.protocol.sigv4 import SignatureError
from tests.unit.protocol.botocore_requests import ACCESS_KEY_ID, SECRET

LINE = "----WebKitFormBoundary7MA4YWxk"
NOW = datetime.now(UTC)


def a_post(
    fields: dict[str, str], *, path: str = "/bucket", host: str = "gateway.test:4700", filename: str = "cat.png"
) -> tuple[HttpRequest, bytes]:
    """A browser's form, with its file."""
    parts = [
        f'--{LINE}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = (
        f'--{LINE}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: x/y\r\n\r\n'
    )
    body = ("".join(parts) + file).encode() + b"\x00\xff data" + f"\r\n--{LINE}--\r\n".encode()
    headers = (("Host", host), ("Content-Type", f"multipart/form-data; boundary={LINE}"), ("x-amz-acl", "private"))
    return HttpRequest("POST", path, headers, None, "192.0.2.1", len(body)), body


def presigned_fields(version: str, key: str = "up/${filename}", token: str = "", **more: Any) -> dict[str, str]:
    s3 = boto3.client(
        "s3",
        region_name="eu-west-1",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET,
        aws_session_token=token or None,
        config=Config(signature_version=version),
    )
    fields: dict[str, str] = s3.generate_presigned_post("bucket", key, **more)["fields"]
    return fields


def read(request: HttpRequest, body: bytes) -> FormCall:
    assert may_be_form(request)
    call = read_form(request, body)
    assert call is not None
    return call


def verified(call: FormCall, *, secret: str = SECRET, now: datetime = NOW) -> None:
    assert call.scope is not None
    signatures.verify(call.request, call.scope, secret, now)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_what_botocore_signs_names_its_signer_and_verifies(version: str) -> None:
    call = read(*a_post(presigned_fields(version, token="the-token")))

    assert call.request.target == "/bucket/up/cat.png"
    assert call.scope is not None
    assert (call.scope.access_key_id, call.scope.signing_name) == (ACCESS_KEY_ID, "s3")
    assert call.scope.region == ("eu-west-1" if version == "s3v4" else "")
    assert call.scope.session_token == "the-token"
    assert call.contradiction == ""
    verified(call)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_another_secret_policy_key_or_time_does_not_verify(version: str) -> None:
    fields = presigned_fields(version)
    call = read(*a_post(fields))
    other = base64.b64encode(b'{"expiration": "2999-01-01T00:00:00Z", "conditions": []}').decode()

    with pytest.raises(SignatureError):
        verified(call, secret="other")
    with pytest.raises(SignatureError):
        verified(read(*a_post({**fields, "policy": other})))
    with pytest.raises(SignatureError):
        verified(read(*a_post({**fields, "key": "elsewhere/x"})))
    with pytest.raises(SignatureError):
        verified(read(*a_post(fields, path="/other-bucket")))
    with pytest.raises(SignatureError, match="expired"):
        verified(call, now=NOW + timedelta(hours=2))


def signed(document: Any, **fields: str) -> dict[str, str]:
    """Fields with a policy of any content, truly signed by the old scheme."""
    policy = base64.b64encode(document if isinstance(document, bytes) else json.dumps(document).encode())
    signature = base64.b64encode(hmac.new(SECRET.encode(), policy, hashlib.sha1).digest()).decode()
    return {"key": "k", "AWSAccessKeyId": ACCESS_KEY_ID, "policy": policy.decode(), "signature": signature, **fields}


LATER = "2999-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        (
            [{"bucket": "bucket"}, {"acl": "public-read"}, ["eq", "$key", "k"], ["starts-with", "$x-amz-meta-a", ""]],
            True,
        ),
        ([["content-length-range", 0, 5], ["STARTS-WITH", "$Key", "k"]], True),
        ([{"acl": "private"}], False),
        ([["eq", "$key", "other"]], False),
        ([["starts-with", "$key", "other"]], False),
        ([["unknown", "$key", "k"]], False),
        ([["eq", "$key"]], False),
        ([7], False),
        (7, False),
    ],
)
def test_a_policy_must_allow_the_form(conditions: Any, holds: bool) -> None:
    document = {"expiration": LATER, "conditions": conditions}
    call = read(*a_post(signed(document, acl="public-read")))

    if holds:
        verified(call)
    else:
        with pytest.raises(SignatureError):
            verified(call)


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", {"a": 1}, {"expiration": "soon", "conditions": []}, b"\xff" * 9]
)
def test_a_policy_that_is_none_does_not_verify(document: Any) -> None:
    call = read(*a_post(signed(document, **{"x-amz-meta-a": "b"})))
    if not document:
        assert call.scope is None
        return

    with pytest.raises(SignatureError):
        verified(call)


def test_fields_that_put_object_has_become_its_headers_and_no_other() -> None:
    fields = {**presigned_fields("s3v4"), "acl": "public-read", "x-amz-storage-class": "STANDARD_IA"}
    request = read(*a_post(fields)).request

    assert request.headers.get("x-amz-acl") == "public-read"
    assert request.headers.get("x-amz-storage-class") == "STANDARD_IA"
    names = {name.lower() for name, _ in request.header_list}
    assert names == {"host", "content-type", "x-amz-acl", "x-amz-storage-class"}
    assert fields["policy"] not in str(request.header_list)


def test_a_bucket_in_the_host_is_the_forms() -> None:
    request, body = a_post({"key": "a b/ü"}, path="/", host="bucket.s3.eu-west-1.amazonaws.com")

    call = read(request, body)

    assert call.request.target == "/a%20b/%C3%BC"
    assert call.scope is None


@pytest.mark.parametrize(
    ("filename", "target"),
    [("a.txt", "/bucket/x-a.txt"), ("C:\\\\dir\\\\a.txt", "/bucket/x-a.txt"), ("/tmp/a.txt", "/bucket/x-a.txt")],
)
def test_the_files_name_is_put_into_the_key_without_its_folder(filename: str, target: str) -> None:
    assert read(*a_post({"key": "x-${filename}"}, filename=filename)).request.target == target


def test_a_form_that_says_two_things_is_a_contradiction() -> None:
    request, body = a_post({"key": "a", "KEY": "b"})

    assert read(request, body).contradiction == "The form has the field key twice."


def test_nothing_behind_the_files_head_is_read() -> None:
    request, body = a_post({"key": "a"})
    late = body + f'--{LINE}\r\nContent-Disposition: form-data; name="key"\r\n\r\nb\r\n'.encode()

    assert read(request, late).request.target == "/bucket/a"
    assert read(request, late).contradiction == ""


def test_a_whole_form_without_a_key_is_none_of_s3() -> None:
    request, body = a_post({"other": "a"})

    assert read_form(request, body) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:60],
        lambda body: b"x" + body,
        lambda body: body.replace(b"\r\n", b"\n"),
        lambda body: body.replace(b"\r\n\r\n", b"\r\n\r\n" + b"y" * FORM_LIMIT_BYTES, 1),
        lambda body: b"",
        lambda body: body.replace(b'name="key"', b'name="key"; name="other"'),
        lambda body: body.replace(b'name="key"', b'name="other"\r\nContent-Disposition: form-data; name="key"'),
        lambda body: body.replace(b'name="key"', b"name*=utf-8''key"),
        lambda body: body.replace(b'name="key"', b'name="k\\ey"'),
        lambda body: body.replace(b'name="key"', b'name="key"\r\nContent-Transfer-Encoding: quoted-printable'),
        lambda body: body.replace(b'name="key"', b'name="other"\n\nb\n--x\nY: form-data; name="key"'),
        lambda body: body.replace(b"\r\na\r\n", b"\r\na\n--" + LINE.encode() + b"\nb\r\n"),
        lambda body: body.replace(b"\r\na\r\n", b"\r\na\r\n--" + LINE.encode() + b"2\r\n"),
    ],
)
def test_what_servers_could_read_in_other_ways_is_a_contradiction(change: Any) -> None:
    request, body = a_post({"key": "a"})

    assert change(body) != body
    assert read(request, change(body)).contradiction.startswith(("The form", "A field of the form"))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'name="key"', b"name=key"),
        lambda body: body.replace(b'name="key"', b'name="key"\r\nContent-Type: text/plain'),
        lambda body: body.replace(b"\r\n", b" \t\r\n", 1),
    ],
)
def test_every_proper_spelling_of_a_form_is_read(change: Any) -> None:
    request, body = a_post({"key": "a"})

    call = read(request, change(body))

    assert change(body) != body
    assert (call.request.target, call.contradiction) == ("/bucket/a", "")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        f"multipart/form-data; boundary=other; boundary={LINE}",
        f'multipart/form-data; x="; boundary=other"; boundary={LINE}',
        f"multipart/form-data; boundary*=utf-8''{LINE}",
        f"multipart/form-data; x={'y' * 1000}; boundary={LINE}",
    ],
)
def test_a_boundary_that_servers_could_read_in_other_ways_is_a_contradiction(content_type: str) -> None:
    _, body = a_post({"key": "a"})
    request = HttpRequest("POST", "/bucket", (("Host", "h:1"), ("Content-Type", content_type)), None, "192.0.2.1")

    assert read(request, body).contradiction == "The form's Content-Type does not name one boundary."


def test_a_query_string_hides_no_form() -> None:
    request, body = a_post({"key": "a"}, path="/bucket?x=y")

    assert read(request, body).request.target == "/bucket/a"


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("PUT", "/bucket", f"multipart/form-data; boundary={LINE}"),
        ("POST", "/bucket/key", f"multipart/form-data; boundary={LINE}"),
        ("POST", "/", f"multipart/form-data; boundary={LINE}"),
        ("POST", "/bucket", "application/x-www-form-urlencoded"),
    ],
)
def test_other_requests_are_no_forms(method: str, path: str, content_type: str) -> None:
    request = HttpRequest(method, path, (("Host", "h:1"), ("Content-Type", content_type)), None, "192.0.2.1")

    assert not may_be_form(request)


@given(st.binary(max_size=400), st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=5))
def test_nothing_a_form_holds_raises(noise: bytes, fields: list[tuple[str, str]]) -> None:
    request, body = a_post({"key": "k", **signed({"expiration": LATER, "conditions": []}), **dict(fields)})
    for data in (body, body + noise, noise + body, body.replace(b'"', noise, 1)):
        call = read_form(request, data)
        if call is not None and call.scope is not None:
            try:
                verified(call)
            except SignatureError:
                continue
