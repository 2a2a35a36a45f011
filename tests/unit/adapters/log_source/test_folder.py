"""A folder is listed in an order of its own, from any place on, and read as it lies there."""

import os
from pathlib import Path
from typing import Any

import pytest

from opentrail.adapters.log_source.folder import FolderSource
from opentrail.ports.object_store import AccessRefused, BucketNotFound, ObjectNotFound


def everything(key: str) -> bool:
    return True


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("b/2.json", "a.json", "a/1.json", "a/x/9.json", "a-b/3.json", ".hidden/4.json", "c.json"):
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "logs"


async def test_every_file_is_listed_once_and_from_any_place_on(root: Path) -> None:
    source = FolderSource(root, everything)

    keys = [one.key async for one in source.list()]

    assert sorted(keys) == ["a-b/3.json", "a.json", "a/1.json", "a/x/9.json", "b/2.json", "c.json"]
    for at, key in enumerate(keys):
        assert [one.key async for one in source.list(key)] == keys[at + 1 :]


async def test_a_file_alone_is_a_source_with_one_object(root: Path) -> None:
    source = FolderSource(root / "a.json", everything)

    listed = [one async for one in source.list()]

    assert [(one.key, one.size_bytes) for one in listed] == [("", 6)]
    assert await source.read("") == b"a.json"


async def test_links_to_folders_are_not_followed(root: Path) -> None:
    (root / "loop").symlink_to(root)
    (root / "other.json").symlink_to(root / "c.json")

    keys = [one.key async for one in FolderSource(root, everything).list()]

    assert "other.json" in keys
    assert not any(key.startswith("loop") for key in keys)


async def test_what_is_not_there_is_said_to_be_missing(root: Path) -> None:
    with pytest.raises(ObjectNotFound):
        await FolderSource(root, everything).read("gone.json")
    with pytest.raises(BucketNotFound):
        _ = [one async for one in FolderSource(root / "nowhere", everything).list()]


async def test_folder_that_may_not_be_listed_is_named_and_the_rest_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    source = FolderSource(root, everything)

    keys = [one.key async for one in source.list()]

    assert sorted(keys) == ["a", "a-b/3.json", "a.json", "b/2.json", "c.json"]
    assert [one.key async for one in source.list("a")] == keys[keys.index("a") + 1 :]
    with pytest.raises(AccessRefused, match="may not be listed"):
        await source.read("a")


async def test_what_is_no_file_is_passed_over(root: Path) -> None:
    (root / "circle").symlink_to("circle")
    (root / "nowhere").symlink_to("missing")
    os.mkfifo(root / "pipe")
    source = FolderSource(root, everything)

    assert not {"circle", "nowhere", "pipe"} & {one.key async for one in source.list()}


async def test_names_that_are_no_utf_8_have_keys_that_are(root: Path) -> None:
    folder = root / os.fsdecode(b"d\xff")
    folder.mkdir()
    (folder / os.fsdecode(b"\xfe.json")).write_bytes(b"found")
    source = FolderSource(root, everything)

    keys = [one.key async for one in source.list()]

    assert "d\\xff/\\xfe.json" in keys
    assert await source.read("d\\xff/\\xfe.json") == b"found"
    at = keys.index("d\\xff/\\xfe.json")
    assert [one.key async for one in source.list(keys[at])] == keys[at + 1 :]
    with pytest.raises(ObjectNotFound):
        await source.read("d\\xff/\\xfd.json")
