"""Signing keys in a KMS: named ones and made ones, and a service that is not there, refuses, or answers wrongly."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opentrail.adapters.signer.kms import KmsEndpoint, KmsKeys
from opentrail.adapters.signer.local import LocalSigner
from opentrail.adapters.signer.registered import NAMED_VALIDITY, RegisteredSigner
from opentrail.digest.signing import is_signature_of, load_public_key
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from opentrail.sealing import Sealer
from tests.builders import NOON, REGION
from tests.support.moto_server import moto_server

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def kms(moto: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("kms", endpoint_url=moto, region_name="us-east-1", **keys)


def a_key(kms: Any, **changes: Any) -> str:
    values = {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"} | changes
    return str(kms.create_key(**values)["KeyMetadata"]["Arn"])


def a_signer(folder: Path, url: str, *named: str) -> RegisteredSigner:
    return RegisteredSigner(folder, KmsKeys(KmsEndpoint(url, "us-east-1", "test", "test", named)))


async def test_named_keys_sign_in_the_order_of_the_settings(kms: Any, moto: str, tmp_path: Path) -> None:
    kms.create_alias(AliasName="alias/first", TargetKeyId=a_key(kms))
    second = a_key(kms)
    signer = a_signer(tmp_path, moto, "alias/first", second)

    first = await signer.current_key(REGION, NOON)
    rotated = await signer.rotate(REGION, NOON + DAY)

    assert first.valid_until - first.valid_from == NAMED_VALIDITY
    assert await signer.current_key(REGION, NOON + DAY) == rotated
    assert list(await signer.public_keys(REGION, NOON, NOON + 2 * DAY)) == [first, rotated]
    for key in (first, rotated):
        signature = await signer.sign(REGION, key.fingerprint, b"text")
        assert is_signature_of(load_public_key(key.der), b"text", signature)
    with pytest.raises(OperatorError, match="names no further key"):
        await signer.rotate(REGION, NOON + 2 * DAY)


async def test_a_key_that_is_no_longer_named_signs_no_more_and_stays_listed(
    kms: Any, moto: str, tmp_path: Path
) -> None:
    old, new = a_key(kms), a_key(kms)
    first = await a_signer(tmp_path, moto, old).current_key(REGION, NOON)

    signer = a_signer(tmp_path, moto, new)
    second = await signer.current_key(REGION, NOON + DAY)

    assert second.fingerprint != first.fingerprint
    assert list(await signer.public_keys(REGION, NOON, NOON + DAY)) == [first, second]


async def test_keys_of_the_home_stay_listed_when_a_kms_takes_over(moto: str, tmp_path: Path) -> None:
    local = LocalSigner(tmp_path, Sealer(bytes(32)))
    old = await local.current_key(REGION, NOON)

    signer = a_signer(tmp_path, moto)
    new = await signer.current_key(REGION, NOON + DAY)

    assert new.fingerprint != old.fingerprint
    assert list(await signer.public_keys(REGION, NOON, NOON + 2 * DAY)) == [old, new]
    assert await LocalSigner(tmp_path, Sealer(bytes(32))).current_key(REGION, NOON + DAY) == old


async def test_made_keys_outlive_the_process(moto: str, tmp_path: Path) -> None:
    key = await a_signer(tmp_path, moto).current_key(REGION, NOON)

    assert await a_signer(tmp_path, moto).current_key(REGION, NOON) == key


@pytest.mark.parametrize(
    "wrong",
    [
        {"KeySpec": "RSA_3072"},
        {"KeySpec": "ECC_NIST_P256"},
        {"KeyUsage": "ENCRYPT_DECRYPT"},
    ],
)
async def test_a_key_of_another_kind_is_refused(kms: Any, moto: str, tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(OperatorError, match="digests"):
        await a_signer(tmp_path, moto, a_key(kms, **wrong)).current_key(REGION, NOON)

    assert list(tmp_path.rglob("*.json")) == []


async def test_a_key_that_is_not_there_is_unavailable(moto: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="NotFound"):
        await a_signer(tmp_path, moto, "alias/nobody").current_key(REGION, NOON)


async def test_a_service_that_signs_hashes_is_sent_no_more_than_the_hash(tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    class Service:
        """KMS as AWS documents it, where moto differs."""

        def create_key(self, **parameters: Any) -> Any:
            return {"KeyMetadata": {"Arn": "arn:aws:kms:us-east-1:123456789012:key/one"}}

        def get_public_key(self, KeyId: str) -> Any:
            der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return {"KeyId": KeyId, "PublicKey": der, "KeyUsage": "SIGN_VERIFY"}

        def sign(self, **parameters: Any) -> Any:
            sent.append(parameters)
            assert parameters["MessageType"] == "DIGEST"
            hashed = Prehashed(hashes.SHA256())
            return {"Signature": private.sign(parameters["Message"], padding.PKCS1v15(), hashed)}

    holder = KmsKeys(KmsEndpoint())
    holder._client = Service()
    signer = RegisteredSigner(tmp_path, holder)
    key = await signer.current_key(REGION, NOON)

    signature = await signer.sign(REGION, key.fingerprint, b"text")

    assert is_signature_of(load_public_key(key.der), b"text", signature)
    assert [(call["Message"], call["SigningAlgorithm"]) for call in sent] == [
        (hashlib.sha256(b"text").digest(), "RSASSA_PKCS1_V1_5_SHA_256")
    ]


async def test_a_service_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await a_signer(tmp_path, "http://127.0.0.1:9").current_key(REGION, NOON)


async def test_a_signature_by_another_key_is_never_given_on(kms: Any, moto: str, tmp_path: Path) -> None:
    signer = a_signer(tmp_path, moto)
    key = await signer.current_key(REGION, NOON)
    [file] = tmp_path.rglob("*.json")
    other = await a_signer(tmp_path / "elsewhere", moto).current_key(REGION, NOON)
    [other_file] = (tmp_path / "elsewhere").rglob("*.json")
    arn = next(line for line in other_file.read_text().splitlines() if "kms_key" in line)
    own = next(line for line in file.read_text().splitlines() if "kms_key" in line)
    file.write_text(file.read_text().replace(own, arn))

    with pytest.raises(Unavailable, match="no signature by the key"):
        await a_signer(tmp_path, moto).sign(REGION, key.fingerprint, b"text")
    assert other.fingerprint != key.fingerprint
