"""Searching the sample queries by words."""

import pytest

from opentrail.query.sample_queries import sample_queries, search_samples


@pytest.mark.parametrize(
    ("phrase", "first"),
    [
        ("who deleted this bucket", "Who deleted a bucket"),
        ("console login without mfa", "Console sign-ins without MFA"),
        ("terminated instances", "Instances terminated"),
        ("root user", "Use of the root user"),
        ("old tls", "Old TLS versions"),
        ("DeleteDetector", "Attempts to blind the record"),
    ],
)
def test_what_people_ask_finds_the_sample_for_it_first(phrase: str, first: str) -> None:
    assert search_samples(phrase)[0][0].name == first


def test_relevance_falls_and_lies_between_0_and_1() -> None:
    relevances = [relevance for _, relevance in search_samples("bucket policy changed")]

    assert relevances == sorted(relevances, reverse=True)
    assert all(0 < relevance <= 1 for relevance in relevances)


def test_words_that_no_sample_has_find_nothing() -> None:
    assert search_samples("xyzzy") == []
    assert search_samples("the of") == []


def test_each_sample_is_found_by_its_own_name() -> None:
    for sample in sample_queries():
        assert sample.name in [found.name for found, _ in search_samples(sample.name)[:3]]
