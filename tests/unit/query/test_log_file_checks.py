"""One log file against what its digest lists: AWS's verdict on its bytes, ours on its events."""

from typing import Any

import pytest

from opentrail.deliver.log_files import close_log_file, gzip_bytes
from opentrail.digest.document import EVENT_TREE, sha256_hex
from opentrail.digest.verdicts import HASH_MISMATCH, VALID
from opentrail.query.log_file_checks import judge_body, judge_log_file

FILE = close_log_file([b'{"eventID":"%d"}' % number for number in range(5)])
TREE = {"algorithm": "RFC6962-SHA256", "eventCount": 5, "rootHash": FILE.tree_hash}


def listed(**tree: Any) -> dict[str, Any]:
    return {"hashValue": FILE.sha256, EVENT_TREE: TREE | tree}


def test_a_file_that_fits_in_both_respects_is_valid() -> None:
    assert judge_body(FILE.body, listed()) == (VALID, "")
    assert judge_body(FILE.body, {"hashValue": FILE.sha256}) == (VALID, "")


@pytest.mark.parametrize(
    ("tree", "concern"),
    [
        ({"eventCount": 4}, "has 5 events and its digest says 4"),
        ({"rootHash": "00" * 32}, "not those of the tree"),
        ({"algorithm": "MD5"}, "of an unknown kind"),
    ],
)
def test_a_tree_of_other_events_is_a_concern_and_no_verdict_of_awss(tree: dict[str, Any], concern: str) -> None:
    verdict, found = judge_body(FILE.body, listed(**tree))

    assert verdict == VALID
    assert concern in found


@pytest.mark.parametrize("tree", ["text", [], 7])
def test_a_malformed_tree_is_a_concern(tree: object) -> None:
    assert "unknown kind" in judge_body(FILE.body, {"hashValue": FILE.sha256, EVENT_TREE: tree})[1]


def test_events_that_cannot_be_told_apart_are_a_concern() -> None:
    raw = b'{"Records": [ ]}'

    verdict, found = judge_body(gzip_bytes(raw), {"hashValue": sha256_hex(raw), EVENT_TREE: TREE})

    assert verdict == VALID
    assert "cannot be told apart" in found


async def test_large_files_are_judged_alike() -> None:
    file = close_log_file([b'{"n":"%064x"}' % (number**31 % 2**255) for number in range(4000)])
    tree = TREE | {"eventCount": 4000, "rootHash": file.tree_hash}
    assert len(file.body) > 64 * 1024

    assert await judge_log_file(file.body, {"hashValue": file.sha256, EVENT_TREE: tree}) == (VALID, "")
    assert await judge_log_file(file.body, {"hashValue": "00", EVENT_TREE: tree}) == (HASH_MISMATCH, "")
