"""Presigned URLs of both signature versions, opened by a plain HTTP client."""

import hashlib
import os
import urllib.error
import urllib.request

import pytest

from tests.e2e.clients.stage import Stage, identities, user_identity

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USER = "signer"
BUCKET = "presigned"
SIGNATURES = {"s3": "Signature=", "s3v4": "X-Amz-Signature="}


@pytest.fixture(scope="module", autouse=True)
def _bucket(stage: Stage) -> None:
    stage.make_user(USER)
    stage.upstream("s3").create_bucket(Bucket=BUCKET)


@pytest.mark.parametrize("version", SIGNATURES)
def test_an_object_is_put_and_got_by_url_and_the_signer_is_on_record(stage: Stage, version: str) -> None:
    s3 = stage.boto("s3", USER, signature_version=version, s3={"addressing_style": "path"})
    key, body = f"folder/{version} ü+.bin", os.urandom(300_000)
    place = {"Bucket": BUCKET, "Key": key}
    put_url = s3.generate_presigned_url("put_object", Params={**place, "ContentType": "application/octet-stream"})
    get_url = s3.generate_presigned_url("get_object", Params={**place, "ResponseContentType": "text/x-own"})
    mark = stage.mark()

    put = urllib.request.Request(put_url, body, {"Content-Type": "application/octet-stream"}, method="PUT")
    with urllib.request.urlopen(put) as stored:
        assert stored.status == 200
    with urllib.request.urlopen(get_url) as opened:
        back, kind = opened.read(), opened.headers["Content-Type"]
    with urllib.request.urlopen(urllib.request.Request(get_url, method="HEAD")) as head:
        assert int(head.headers["Content-Length"]) == len(body)
    events = mark.events()

    upstream = stage.upstream("s3").get_object(**place)["Body"].read()
    assert {hashlib.sha256(data).hexdigest() for data in (body, back, upstream)} == {hashlib.sha256(body).hexdigest()}
    assert kind == "text/x-own"
    assert mark.assert_unchanged() == 3
    assert [event["eventName"] for event in events] == ["PutObject", "GetObject", "HeadObject"]
    assert identities(events) == {user_identity(USER)}
    assert {event["requestParameters"]["key"] for event in events} == {key}
    facts = [event["additionalEventData"] for event in events]
    assert {fact["AuthenticationMethod"] for fact in facts} == {"QueryString"}
    assert {fact["SignatureVersion"] for fact in facts} == {"SigV4" if version == "s3v4" else "SigV2"}
    for url in (put_url, get_url):
        assert SIGNATURES[version] in url
        assert url.partition(SIGNATURES[version])[2].partition("&")[0] not in str(events)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("size", [50_000, 3_000_000])
def test_a_form_post_of_a_browser_passes_and_is_on_record_as_its_signers(stage: Stage, version: str, size: int) -> None:
    s3 = stage.boto("s3", USER, signature_version=version, s3={"addressing_style": "path"})
    form = s3.generate_presigned_post(BUCKET, "posted/${filename}", {"acl": "private"}, [{"acl": "private"}])
    content = os.urandom(size)
    parts = [f'--line\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in form["fields"].items()]
    last = '--line\r\nContent-Disposition: form-data; name="file"; filename="cat.png"\r\n\r\n'
    body = ("".join(parts) + last).encode() + content + b"\r\n--line--\r\n"
    mark = stage.mark()

    post = urllib.request.Request(form["url"], body, {"Content-Type": "multipart/form-data; boundary=line"})
    with urllib.request.urlopen(post) as answer:
        assert answer.status in (200, 204)
    [event] = mark.events()

    stored = stage.upstream("s3").get_object(Bucket=BUCKET, Key="posted/cat.png")["Body"].read()
    assert hashlib.sha256(stored).digest() == hashlib.sha256(content).digest()
    assert mark.assert_unchanged() == 1
    assert (event["eventSource"], event["eventName"]) == ("s3.amazonaws.com", "PostObject")
    assert identities([event]) == {user_identity(USER)}
    parameters = {name: event["requestParameters"][name] for name in ("bucketName", "key", "x-amz-acl")}
    assert parameters == {"bucketName": BUCKET, "key": "posted/cat.png", "x-amz-acl": "private"}
    assert {resource["ARN"] for resource in event["resources"]} == {
        f"arn:aws:s3:::{BUCKET}/posted/cat.png",
        f"arn:aws:s3:::{BUCKET}",
    }
    assert (event["readOnly"], event["managementEvent"], event["eventCategory"]) == (False, False, "Data")
    facts = event["additionalEventData"]
    assert facts["SignatureVersion"] == ("SigV4" if version == "s3v4" else "SigV2")
    assert facts["bytesTransferredIn"] == len(body)
    assert "opentrail" not in facts
    for secret in ("policy", "signature", "x-amz-signature"):
        assert form["fields"].get(secret, "no-such-field") not in str(event)
