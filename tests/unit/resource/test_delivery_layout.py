"""The keys that trails write."""

from datetime import UTC, datetime

import pytest

from opentrail.resource.bucket_name import is_bucket_name
from opentrail.resource.delivery_layout import (
    DigestPlace,
    digest_stamp,
    is_backfill_key,
    log_file_key,
    marker_key,
    name_suffix,
    parse_digest_stamp,
)

STAMP = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PLACE = DigestPlace("123456789012", "eu-west-1", "audit", "us-east-1", "some/prefix")
DIGEST = (
    "some/prefix/AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/2026/03/04/"
    "123456789012_CloudTrail-Digest_eu-west-1_audit_us-east-1_20260304T050607Z.json.gz"
)
BACKFILL = DIGEST.replace(".json.gz", "_backfill.json.gz")


def test_a_log_files_key_names_account_region_and_minute() -> None:
    assert log_file_key("", "123456789012", "eu-west-1", STAMP, "abcdefghijklmnop") == (
        "AWSLogs/123456789012/CloudTrail/eu-west-1/2026/03/04/"
        "123456789012_CloudTrail_eu-west-1_20260304T0506Z_abcdefghijklmnop.json.gz"
    )


def test_a_digests_key_names_trail_and_second() -> None:
    assert PLACE.key(STAMP) == DIGEST
    assert DIGEST.startswith(PLACE.folder)


def test_the_marker_is_the_folder_of_log_files() -> None:
    assert marker_key("", "123456789012") == "AWSLogs/123456789012/CloudTrail/"
    assert marker_key("p", "123456789012") == "p/AWSLogs/123456789012/CloudTrail/"


def test_a_digests_time_is_read_from_its_key() -> None:
    assert digest_stamp(DIGEST) == digest_stamp(BACKFILL) == "20260304T050607Z"
    assert parse_digest_stamp(digest_stamp(DIGEST)) == STAMP
    assert (is_backfill_key(DIGEST), is_backfill_key(BACKFILL)) == (False, True)


@pytest.mark.parametrize("key", [DIGEST, BACKFILL])
def test_a_place_knows_its_digests(key: str) -> None:
    assert PLACE.matches(key)


@pytest.mark.parametrize(
    "key",
    [
        DIGEST.replace("_audit_", "_other_"),
        DIGEST.replace("_audit_", "_audit_more_"),
        DIGEST.replace("/eu-west-1/", "/eu-west-2/"),
        DIGEST.replace("some/", "other/"),
        DIGEST.replace("/2026/", "/20x6/"),
        DIGEST + "x",
    ],
)
def test_a_place_knows_what_is_not_its_digest(key: str) -> None:
    assert not PLACE.matches(key)


def test_a_suffix_is_sixteen_alphanumerics_and_depends_on_all_that_makes_a_file() -> None:
    given = ("installation", "arn", "us-east-1", "0001")
    suffixes = {name_suffix(*given)}
    for index in range(4):
        suffixes.add(name_suffix(*(value + "x" if place == index else value for place, value in enumerate(given))))

    assert len(suffixes) == 5
    assert all(len(suffix) == 16 and suffix.isalnum() and suffix.isascii() for suffix in suffixes)
    assert name_suffix(*given) == name_suffix(*given)


@pytest.mark.parametrize("name", ["abc", "a-b.c9", "x" * 63, "1logs"])
def test_a_name_that_s3_takes_is_a_bucket_name(name: str) -> None:
    assert is_bucket_name(name)


@pytest.mark.parametrize("name", ["xn--a", "a-s3alias", "a.-.", "A", "a\n", "abc\n", "10.0.0.1", "é" * 5])
def test_a_name_that_s3_refuses_is_none(name: str) -> None:
    assert not is_bucket_name(name)
