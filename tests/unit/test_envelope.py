"""Ciphertext blobs: what opens, what does not, and that no bytes do anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.envelope import (
    MATERIAL_BYTES,
    MAX_BLOB_BYTES,
    MAX_CONTEXT_BYTES,
    MAX_PLAINTEXT_BYTES,
    BlobBroken,
    BlobKey,
    encode_context,
    material_id,
    open_blob,
    read_blob,
    seal_blob,
)

MATERIAL = bytes(range(MATERIAL_BYTES))
KEY = BlobKey("11111111-2222-4333-8444-555555555555", 7)
CONTEXT = {"aws:cloudtrail:arn": "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"}

contexts = st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5)


@given(st.binary(max_size=MAX_PLAINTEXT_BYTES), contexts)
def test_what_was_sealed_opens_with_the_same_key_and_context(plaintext: bytes, context: dict[str, str]) -> None:
    blob = seal_blob(MATERIAL, KEY, plaintext, context)

    assert read_blob(blob) == KEY
    assert open_blob(MATERIAL, blob, dict(reversed(context.items()))) == plaintext


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_broken(blob: bytes) -> None:
    with pytest.raises(BlobBroken):
        open_blob(MATERIAL, blob, {})


@given(st.binary(max_size=200))
def test_bytes_behind_a_true_beginning_do_not_open(tail: bytes) -> None:
    blob = seal_blob(MATERIAL, KEY, b"secret", {})

    with pytest.raises(BlobBroken):
        open_blob(MATERIAL, blob[:4] + tail, {})


@given(st.data())
def test_no_bit_of_a_blob_can_be_turned(data: st.DataObject) -> None:
    blob = seal_blob(MATERIAL, KEY, b"a data key", CONTEXT)
    at = data.draw(st.integers(0, len(blob) * 8 - 1))
    turned = bytearray(blob)
    turned[at // 8] ^= 1 << at % 8

    with pytest.raises(BlobBroken):
        open_blob(MATERIAL, bytes(turned), CONTEXT)


@given(st.integers(0, 200))
def test_no_part_of_a_blob_opens(size: int) -> None:
    blob = seal_blob(MATERIAL, KEY, b"a data key", CONTEXT)

    with pytest.raises(BlobBroken):
        open_blob(MATERIAL, blob[: min(size, len(blob) - 1)], CONTEXT)


@given(contexts, contexts)
def test_contexts_have_the_same_form_only_if_they_are_equal(one: dict[str, str], other: dict[str, str]) -> None:
    assert (encode_context(one) == encode_context(other)) == (one == other)


@pytest.mark.parametrize("other", [{}, {"aws:cloudtrail:arn": "x"}, {**CONTEXT, "more": ""}])
def test_another_context_opens_nothing(other: dict[str, str]) -> None:
    with pytest.raises(BlobBroken):
        open_blob(MATERIAL, seal_blob(MATERIAL, KEY, b"secret", CONTEXT), other)


def test_other_material_opens_nothing() -> None:
    with pytest.raises(BlobBroken):
        open_blob(bytes(MATERIAL_BYTES), seal_blob(MATERIAL, KEY, b"secret", {}), {})


def test_the_same_plaintext_never_gives_the_same_blob() -> None:
    assert seal_blob(MATERIAL, KEY, b"secret", {}) != seal_blob(MATERIAL, KEY, b"secret", {})


def test_sizes_are_bounded() -> None:
    assert len(seal_blob(MATERIAL, KEY, bytes(MAX_PLAINTEXT_BYTES), {})) == MAX_BLOB_BYTES <= 6144
    with pytest.raises(ValueError, match="at most 4096 bytes"):
        seal_blob(MATERIAL, KEY, bytes(MAX_PLAINTEXT_BYTES + 1), {})
    with pytest.raises(ValueError, match="at most 8192 bytes"):
        encode_context({"k": "v" * MAX_CONTEXT_BYTES})
    with pytest.raises(BlobBroken):
        read_blob(bytes(MAX_BLOB_BYTES + 1))


def test_the_format_is_the_documented_one() -> None:
    blob = seal_blob(MATERIAL, KEY, b"secret", {})

    assert blob[:4] == b"OTK\x01"
    assert blob[4:20].hex() == KEY.key_id.replace("-", "")
    assert int.from_bytes(blob[20:24], "big") == KEY.version
    assert len(blob) == 24 + 32 + 12 + len(b"secret") + 16


def test_the_name_of_material_is_64_hex_digits_and_its_own() -> None:
    names = {material_id(MATERIAL), material_id(bytes(MATERIAL_BYTES))}

    assert len(names) == 2
    assert all(len(bytes.fromhex(name)) == 32 for name in names)
