"""Inflating what may be broken or hostile."""

import gzip
import hashlib

import pytest

from opentrail.digest.inflation import NotGzip, hash_inflated, inflate

RAW = b"records " * 5000
BODY = gzip.compress(RAW)


def test_a_whole_stream_is_inflated_and_hashed() -> None:
    assert inflate(BODY).raw == RAW
    assert inflate(BODY).is_whole
    assert hash_inflated(BODY).sha256 == hashlib.sha256(RAW).hexdigest()


def test_what_follows_the_stream_is_seen() -> None:
    assert inflate(BODY + b"x").has_trailing_data
    assert hash_inflated(BODY + b"x").has_trailing_data
    assert not hash_inflated(BODY).has_trailing_data


def test_a_stream_that_ends_early_is_not_whole() -> None:
    assert not inflate(BODY[:-9]).is_whole
    assert hash_inflated(BODY[: len(BODY) // 2]).sha256 != hashlib.sha256(RAW).hexdigest()


@pytest.mark.parametrize(
    "body", [b"text", BODY[:5] + b"\xff" * 30, BODY[:-6] + b"\0" * 6], ids=["no gzip", "corrupt data", "corrupt sum"]
)
def test_a_corrupt_stream_is_no_gzip(body: bytes) -> None:
    with pytest.raises(NotGzip):
        inflate(body)
    with pytest.raises(NotGzip):
        hash_inflated(body)


def test_a_bomb_is_given_up_at_the_limit() -> None:
    bomb = gzip.compress(bytes(5_000_000))

    with pytest.raises(NotGzip, match="more than"):
        inflate(bomb, 1_000_000)
    with pytest.raises(NotGzip, match="more than"):
        hash_inflated(bomb, 1_000_000)


def test_files_larger_than_a_step_are_hashed_whole() -> None:
    raw = bytes(range(256)) * 20_000

    assert hash_inflated(gzip.compress(raw)).sha256 == hashlib.sha256(raw).hexdigest()
