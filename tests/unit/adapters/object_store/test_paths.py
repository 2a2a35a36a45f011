"""Keys as paths: one to one, inside the folder, within what file systems take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.adapters.object_store.paths import (
    KEY_LIMIT_BYTES,
    NotAKeyPath,
    check_key,
    file_to_key_part,
    folder_to_key_part,
    key_to_path,
)


def _is_short_enough(key: str) -> bool:
    return len(key.encode()) <= KEY_LIMIT_BYTES


KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300).filter(_is_short_enough)
TRICKY = (
    st.lists(
        st.sampled_from(["/", ".", "..", "%", "%2E", "%+", "%meta", "a", "é", "x" * 239, "\0", "\n", "~", "-"]),
        min_size=1,
        max_size=8,
    )
    .map("".join)
    .filter(_is_short_enough)
)


def path_to_key(path: str) -> str:
    *folders, file = path.split("/")
    parts = [folder_to_key_part(folder) for folder in folders]
    return (b"".join(parts) + file_to_key_part(file)).decode()


@given(KEYS | TRICKY)
def test_a_path_leads_back_to_its_key(key: str) -> None:
    assert path_to_key(key_to_path(key)) == key


@given(KEYS | TRICKY)
def test_every_name_is_safe_and_short_enough_for_a_sidecar(key: str) -> None:
    for name in key_to_path(key).split("/"):
        assert name not in {"", ".", ".."}
        assert not name.startswith(".")
        assert name.isascii()
        assert name.isprintable()
        assert len(name + "%meta") <= 255


@given(KEYS | TRICKY, KEYS | TRICKY)
def test_no_object_lies_where_another_needs_a_folder(one: str, other: str) -> None:
    first, second = key_to_path(one), key_to_path(other)

    assert not second.startswith(first + "/")
    assert (first == second) == (one == other)


def test_keys_of_log_files_keep_their_own_names() -> None:
    key = "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/20/123456789012_CloudTrail_us-east-1_x.json.gz"

    assert key_to_path(key) == key


@pytest.mark.parametrize("key", ["", "k" * 1025, "é" * 513, "\ud800"])
def test_an_illegal_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason differs by key
        check_key(key)


@pytest.mark.parametrize("name", ["x.gz%meta", "stranger", "a.b%", "%zz.gz", "%2e.gz"])
def test_a_strangers_file_is_no_object(name: str) -> None:
    with pytest.raises(NotAKeyPath):
        file_to_key_part(name)
