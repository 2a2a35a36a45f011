"""Encrypted bodies come back whole or not at all: no cut, no flipped bit, no exchanged part goes unseen."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.adapters.object_store.encrypted_body import (
    MAGIC,
    BodyBroken,
    Header,
    body_size,
    decrypt,
    encrypt,
    is_encrypted,
    read_header,
    sha256_hex,
)

KEY = bytes(range(32))
CONTEXT = {"aws:cloudtrail:arn": "arn:aws:cloudtrail:us-east-1:1:trail/a", "aws:s3:arn": "arn:aws:s3:::logs/k"}
BODIES = st.binary(max_size=300)


def header_of(body: bytes) -> Header:
    return Header("arn:aws:kms:us-east-1:1:key/1", CONTEXT, b"sealed data key", sha256_hex(body))


def file_of(body: bytes) -> bytes:
    return encrypt(body, KEY, header_of(body))


@given(BODIES)
def test_a_body_comes_back_with_its_header_and_size(body: bytes) -> None:
    file = file_of(body)

    assert is_encrypted(file)
    assert decrypt(file, KEY) == body
    assert read_header(file) == header_of(body)
    assert body_size(file[:12], len(file)) == len(body)


@given(BODIES, st.data())
def test_a_flipped_bit_is_seen_wherever_it_is(body: bytes, data: st.DataObject) -> None:
    file = bytearray(file_of(body))
    at = data.draw(st.integers(0, len(file) * 8 - 1))
    file[at // 8] ^= 1 << at % 8

    with pytest.raises(BodyBroken):
        decrypt(bytes(file), KEY)


@given(BODIES, st.data())
def test_a_cut_or_lengthened_file_is_seen(body: bytes, data: st.DataObject) -> None:
    file = file_of(body)
    cut = file[: data.draw(st.integers(0, len(file) - 1))]
    longer = file + data.draw(st.binary(min_size=1, max_size=20))

    for broken in (cut, longer):
        with pytest.raises(BodyBroken):
            decrypt(broken, KEY)


@given(BODIES, BODIES)
def test_parts_of_two_files_never_make_one(one: bytes, other: bytes) -> None:
    first, second = file_of(one), file_of(other)
    header = len(MAGIC) + 4 + int.from_bytes(first[8:12], "big")

    if first[header:] != second[header:] and first[:header] != second[:header]:
        with pytest.raises(BodyBroken):
            decrypt(first[:header] + second[header:], KEY)


@given(st.binary(max_size=200))
def test_whatever_lies_there_reading_its_header_ends_in_a_header_or_an_error(junk: bytes) -> None:
    for file in (junk, MAGIC + junk, MAGIC + len(junk).to_bytes(4, "big") + junk):
        assert body_size(file[:12], len(file)) >= 0
        for read in (read_header, lambda broken: decrypt(broken, KEY)):
            with pytest.raises(BodyBroken):
                read(file)


def test_a_header_that_claims_to_be_huge_is_not_read() -> None:
    with pytest.raises(BodyBroken):
        read_header(MAGIC + (2**32 - 1).to_bytes(4, "big") + b"{}")


def test_another_key_opens_nothing_and_two_files_of_a_body_share_nothing() -> None:
    with pytest.raises(BodyBroken):
        decrypt(file_of(b"body"), os.urandom(32))

    one, other = file_of(b"body" * 10), file_of(b"body" * 10)
    assert one[-50:] != other[-50:]


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08\x00gzip", b"", b"OTENC"])
def test_what_trails_put_is_not_taken_for_encrypted(body: bytes) -> None:
    assert not is_encrypted(body)
