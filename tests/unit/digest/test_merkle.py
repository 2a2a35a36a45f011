"""The Merkle tree over events: Certificate Transparency's own test vectors, and every path of every small tree."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.digest.merkle import PathInvalid, audit_path, root_from_path, tree_hash

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def recursive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + recursive_root(leaves[:half]) + recursive_root(leaves[half:])).digest()


def test_roots_are_those_of_certificate_transparency() -> None:
    assert [tree_hash(LEAVES[:size]) for size in range(1, 9)] == ROOTS


def test_the_tree_of_nothing_is_the_hash_of_nothing() -> None:
    assert tree_hash([]) == hashlib.sha256(b"").hexdigest()


@given(st.lists(st.binary(max_size=20), max_size=70))
def test_roots_follow_the_definition(leaves: list[bytes]) -> None:
    assert tree_hash(leaves) == recursive_root(leaves).hex()


def test_every_path_of_every_small_tree_leads_to_its_root_from_its_leaf_and_from_no_other() -> None:
    for size in range(1, 36):
        leaves = [b"%d" % number for number in range(size)]
        for index in range(size):
            path = audit_path(leaves, index)
            assert root_from_path(leaves[index], index, size, path) == tree_hash(leaves)
            assert root_from_path(b"other", index, size, path) != tree_hash(leaves)


def test_a_path_of_the_published_vectors() -> None:
    assert [node.hex() for node in audit_path(LEAVES, 5)][2] == ROOTS[3]
    assert root_from_path(LEAVES[5], 5, 8, audit_path(LEAVES, 5)) == ROOTS[7]


def test_a_node_does_not_pass_for_an_event() -> None:
    left, right = (hashlib.sha256(b"\x00" + leaf).digest() for leaf in (b"a", b"b"))

    assert tree_hash([left + right]) != tree_hash([b"a", b"b"])


@given(st.integers(1, 40), st.integers(-2, 45), st.integers(0, 8))
def test_a_path_of_the_wrong_length_or_index_is_refused(size: int, index: int, hashes: int) -> None:
    leaves = [b"%d" % number for number in range(size)]
    is_right = 0 <= index < size and len(audit_path(leaves, index)) == hashes

    if not is_right:
        with pytest.raises(PathInvalid):
            root_from_path(b"leaf", index, size, [b"h" * 32] * hashes)


def test_a_path_of_hashes_of_another_length_is_refused() -> None:
    with pytest.raises(PathInvalid):
        root_from_path(b"leaf", 0, 2, [b"h" * 31])


def test_there_is_no_path_of_an_event_that_is_not_there() -> None:
    with pytest.raises(IndexError):
        audit_path(LEAVES, 8)
