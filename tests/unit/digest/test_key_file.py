"""Files of public keys: every form that people have them in, and what is none."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from opentrail.digest.key_file import ALWAYS, MAX_KEY_FILE_BYTES, parse_key_file
from opentrail.digest.signing import UnreadableKey

KEY = rsa.generate_private_key(65537, 2048).public_key()
DER = KEY.public_bytes(Encoding.DER, PublicFormat.PKCS1)
VALUE = base64.b64encode(DER).decode()


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        (Encoding.DER, PublicFormat.PKCS1),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.PEM, PublicFormat.PKCS1),
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_a_key_is_the_same_in_every_form(encoding: Encoding, form: PublicFormat) -> None:
    [key] = parse_key_file(KEY.public_bytes(encoding, form))

    assert key.der == DER
    assert (key.valid_from, key.valid_until) == ALWAYS


@pytest.mark.parametrize(
    "times", [(1_700_000_000.0, 1_702_592_000), ("2023-11-14T22:13:20+00:00", "2023-12-14T22:13:20")]
)
def test_what_the_aws_cli_printed_is_read_with_its_validity(times: tuple[object, object]) -> None:
    item = {"Value": VALUE, "ValidityStartTime": times[0], "ValidityEndTime": times[1], "Fingerprint": "claimed"}

    [key] = parse_key_file(json.dumps({"PublicKeyList": [item]}).encode())

    assert key.fingerprint != "claimed"
    assert key.valid_from == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert key.is_valid_at(datetime(2023, 12, 14, 22, 13, 20, tzinfo=UTC))
    assert not key.is_valid_at(datetime(2023, 12, 14, 22, 13, 21, tzinfo=UTC))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        b'{"PublicKeyList":[]}',
        b'{"PublicKeyList":[{"Value":"AAAA"}]}',
        b'{"PublicKeyList":[7]}',
        b'{"PublicKeyList":7}',
        b"{}",
        b"[",
        json.dumps({"PublicKeyList": [{"Value": VALUE, "ValidityStartTime": 1e300}]}).encode(),
        b" " * (MAX_KEY_FILE_BYTES + 1),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableKey):
        parse_key_file(data)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with pytest.raises(UnreadableKey):
        parse_key_file(data)
