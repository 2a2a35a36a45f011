"""Delivery and validation together over real stores: a local archive, and S3 as moto's server speaks it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.adapters.object_store.buckets import Buckets
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.adapters.signer.local import LocalSigner
from opentrail.digest.verdicts import HASH_MISMATCH, INVALID_FORMAT, Finding
from opentrail.ports.object_store import AccessRefused
from opentrail.query.log_validation import LogValidation, ValidationRequest
from opentrail.resource.delivery_layout import marker_key
from opentrail.resource.trail import Trail
from opentrail.sealing import Sealer
from tests.builders import ACCOUNT, an_archive
from tests.support.delivery import HOUR, MINUTE, NOON, REGION, DeliveryWorld
from tests.support.moto_server import moto_server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Buckets]:
    with moto_server() as url:
        service = S3Buckets(S3Endpoint(url, REGION, "testing", "testing"))
        yield service
        service.close()


@pytest.fixture(params=["archive", "s3"])
def buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Buckets:
    archives = LocalArchives(tmp_path / "archives")
    if request.param == "archive":
        archives.create(an_archive("audit-logs"))
        return Buckets(archives)
    service: S3Buckets = request.getfixturevalue("s3")
    if "audit-logs" not in [bucket["Name"] for bucket in service._connected().list_buckets()["Buckets"]]:
        service._connected().create_bucket(Bucket="audit-logs")
    return Buckets(archives, service.bucket)


async def deliver(buckets: Buckets, signer: LocalSigner, prefix: str) -> tuple[DeliveryWorld, Trail]:
    world = DeliveryWorld()
    world.delivery = world.deliver_with(object_stores=buckets, signer=signer)
    trail = await world.start(s3_bucket_name="audit-logs", s3_key_prefix=prefix)
    await world.tick()
    for _ in range(3):
        await world.record(50)
        await world.pass_time(HOUR, step=5 * MINUTE)
    return world, trail


async def judge(buckets: Buckets, signer: LocalSigner, trail: Trail) -> tuple[LogValidation, list[Finding]]:
    request = ValidationRequest(trail.arn, REGION, NOON, NOON + 9 * HOUR, "audit-logs", trail.s3_key_prefix)
    validation = LogValidation(request, buckets, signer)
    return validation, [finding async for finding in validation.findings()]


async def test_what_is_delivered_is_found_valid(buckets: Buckets, tmp_path: Path) -> None:
    signer = LocalSigner(tmp_path / "keys", Sealer(bytes(32)))

    _, trail = await deliver(buckets, signer, f"p-{uuid.uuid4()}")

    validation, _ = await judge(buckets, signer, trail)
    assert validation.summary.valid == {"digest": 3, "log": 3}
    assert validation.summary.invalid == {}
    assert validation.summary.concerns == 0


async def test_a_byte_changed_in_an_archives_folder_is_found(tmp_path: Path) -> None:
    archives = LocalArchives(tmp_path / "archives")
    archives.create(an_archive("audit-logs"))
    buckets, signer = Buckets(archives), LocalSigner(tmp_path / "keys", Sealer(bytes(32)))
    _, trail = await deliver(buckets, signer, "")
    path = min((tmp_path / "archives").rglob("*_CloudTrail_*.json.gz"))
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(bytes(body))

    _, findings = await judge(buckets, signer, trail)

    (broken,) = [finding for finding in findings if not finding.is_valid]
    assert path.as_posix().endswith(broken.key)
    assert broken.verdict in {HASH_MISMATCH, INVALID_FORMAT}


async def test_s3_keeps_cloudtrails_headers(s3: S3Buckets, tmp_path: Path) -> None:
    client, name = s3._connected(), f"b-{uuid.uuid4()}"
    client.create_bucket(Bucket=name)
    world = DeliveryWorld()
    buckets = Buckets(LocalArchives(tmp_path), s3.bucket)
    world.delivery = world.deliver_with(object_stores=buckets)
    await world.start(s3_bucket_name=name)
    await world.tick()
    await world.record()
    await world.pass_time(HOUR, step=5 * MINUTE)

    keys = [item["Key"] for item in client.list_objects_v2(Bucket=name)["Contents"]]
    heads = [client.head_object(Bucket=name, Key=key) for key in keys]

    assert len(heads) == 2
    for head in heads:
        assert head["ContentType"] == "application/json"
        assert head["ContentEncoding"] == "gzip"
        assert head["ServerSideEncryption"] == "AES256"
    assert sorted(heads[0]["Metadata"]) == ["signature", "signature-algorithm"]


async def test_a_bucket_policy_that_leaves_cloudtrail_out_is_refused(s3: S3Buckets) -> None:
    client, name = s3._connected(), f"b-{uuid.uuid4()}"
    client.create_bucket(Bucket=name)
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"config.amazonaws.com"},'
        f'"Action":"s3:PutObject","Resource":"arn:aws:s3:::{name}/*"}}]}}'
    )
    client.put_bucket_policy(Bucket=name, Policy=policy)
    bucket, arn = s3.bucket(name), "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"

    with pytest.raises(AccessRefused):
        await bucket.check_delivery(marker_key("", ACCOUNT), arn)

    client.delete_bucket_policy(Bucket=name)
    await bucket.check_delivery(marker_key("", ACCOUNT), arn)
    assert client.list_objects_v2(Bucket=name)["Contents"][0]["Key"] == f"AWSLogs/{ACCOUNT}/CloudTrail/"
