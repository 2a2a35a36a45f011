"""How an archive's objects lie on disk, and what a crash or a stranger may leave there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentrail.adapters.object_store import durable_file, local
from opentrail.adapters.object_store.archives import ArchiveDamaged, LocalArchives
from opentrail.adapters.object_store.local import LocalBucket
from opentrail.adapters.object_store.object_files import Found, ObjectFiles
from opentrail.ports import Unavailable
from opentrail.ports.object_store import AlreadyExists, ObjectNotFound
from tests.builders import an_archive

KEY = "AWSLogs/1/CloudTrail/x.json.gz"


async def put(bucket: LocalBucket, key: str = KEY, body: bytes = b"body", **metadata: str) -> None:
    await bucket.put_if_absent(key, body, content_type="application/json", metadata=metadata)


def spoil(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


async def test_an_object_is_a_plain_file_with_a_sidecar_beside_it(tmp_path: Path) -> None:
    await put(LocalBucket(tmp_path))

    files = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "objects").rglob("*") if path.is_file())
    assert files == [f"objects/{KEY}", f"objects/{KEY}%meta"]
    assert (tmp_path / "objects" / KEY).read_bytes() == b"body"


async def test_grouping_reads_each_folder_once_and_one_sidecar_of_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = LocalBucket(tmp_path)
    for number in range(60):
        await put(bucket, f"logs/{number % 3}/{number:02}.gz")
    described, scan = list[str](), os.scandir
    scanned = list[str]()

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        scanned.append(path)
        return scan(path)

    def found(files: ObjectFiles, key: str, path: Path) -> Found | None:
        described.append(key)
        return find(files, key, path)

    find = ObjectFiles._found
    monkeypatch.setattr("os.scandir", scandir)
    monkeypatch.setattr(ObjectFiles, "_found", found)

    async def cost(delimiter: str) -> tuple[int, int, int]:
        described.clear()
        scanned.clear()
        keys = [item.summary.key async for item in bucket.describe_all("", "", delimiter)]
        return len(keys), len(described), len(scanned)

    assert await cost(".gz") == (60, 60, 5)
    assert await cost("/") == (1, 1, 3)
    assert await cost("0/") == (41, 41, 5)
    assert await cost("l") == (1, 1, 3)


async def test_files_are_the_owners_alone_and_for_reading(tmp_path: Path) -> None:
    await put(LocalBucket(tmp_path))

    for path in (tmp_path / "objects").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o400)


async def test_a_crash_before_the_link_leaves_no_object_and_the_put_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.link", crash)
        with pytest.raises(KeyboardInterrupt):
            await put(LocalBucket(tmp_path), body=b"first", of="the first try")

    later = LocalBucket(tmp_path)
    with pytest.raises(ObjectNotFound):
        await later.get(KEY)
    assert [item async for item in later.list("")] == []
    await put(later, body=b"second", of="the second try")
    found = await later.get(KEY)
    assert (found.body, found.metadata) == (b"second", {"of": "the second try"})


async def test_what_a_crash_left_on_its_way_goes_with_the_first_put(tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    (tmp_path / "incoming" / "1-abc").write_bytes(b"half")

    await put(bucket)

    assert list((tmp_path / "incoming").iterdir()) == []


async def test_two_processes_cannot_both_write_a_key(tmp_path: Path) -> None:
    one, other = LocalBucket(tmp_path), LocalBucket(tmp_path)
    await put(one)

    with pytest.raises(AlreadyExists):
        await put(other, body=b"other")


async def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    bucket = LocalBucket(tmp_path)
    monkeypatch.setattr(durable_file, "write_synced", full)

    with pytest.raises(Unavailable, match="No space"):
        await put(bucket)

    assert list((tmp_path / "incoming").iterdir()) == []
    with pytest.raises(ObjectNotFound):
        await bucket.get(KEY)


async def test_a_file_without_sidecar_is_read_without_metadata(tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    (tmp_path / "objects" / "copied.gz").write_bytes(b"hello")
    (tmp_path / "objects" / "stranger").write_bytes(b"not an object's name")

    found = await bucket.get("copied.gz")

    assert (found.body, found.metadata, found.content_type) == (b"hello", {}, "")
    assert [item.key async for item in bucket.list("")] == ["copied.gz"]
    assert found.summary.etag == '"5d41402abc4b2a76b9719d911017c592"'


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "a/../../b", "..", ".", "./x", "a/./b"])
async def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    home = tmp_path / "deep" / "bucket"
    bucket = LocalBucket(home)

    await put(bucket, key)

    assert (await bucket.get(key)).body == b"body"
    outside = {path for path in tmp_path.rglob("*") if path.is_file() and home / "objects" not in path.parents}
    assert outside == {home / "lock", home / "time.json"}


async def test_a_listing_is_whole_over_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_PAGE", 7)
    bucket = LocalBucket(tmp_path)
    keys = sorted(f"{folder}/{number:03}.gz" for folder in ("a", "a-b", "b/c") for number in range(10))
    for key in keys:
        await put(bucket, key)

    assert [item.key async for item in bucket.list("")] == keys
    assert [item.key async for item in bucket.list("a", keys[4])] == [key for key in keys[5:] if key[0] == "a"]


def test_an_archive_whose_description_is_damaged_is_named(tmp_path: Path) -> None:
    LocalArchives(tmp_path).create(an_archive("logs"))
    (tmp_path / "logs" / "archive.json").write_bytes(b"{")

    with pytest.raises(ArchiveDamaged, match=r"logs/archive\.json"):
        LocalArchives(tmp_path)


def test_an_archive_that_was_not_finished_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / ".logs.1234").mkdir()
    (tmp_path / ".logs.1234" / "archive.json").write_bytes(b"{}")

    archives = LocalArchives(tmp_path)

    assert archives.list() == []
    archives.create(an_archive("logs"))
    assert archives.get("logs") is not None


@pytest.mark.parametrize(
    "sidecar",
    [
        b'{"etag": 5, "content_type": 7, "content_encoding": [], "metadata": [1]}',
        b'{"etag": "a\\r\\nX: y", "metadata": {"signature": 5, "bad name": "x", "broken": "a\\r\\nX: y"}}',
        b"[]",
        b"\xff\xfe",
    ],
)
async def test_a_sidecar_that_was_tampered_with_neither_hides_its_object_nor_makes_headers(
    tmp_path: Path, sidecar: bytes
) -> None:
    bucket = LocalBucket(tmp_path)
    await put(bucket, signature="ab")
    spoil(tmp_path / "objects" / f"{KEY}%meta", sidecar)

    stored = await bucket.get(KEY)

    assert stored.body == b"body"
    assert stored.metadata == {}
    assert stored.summary.etag.startswith('"')
    assert [item.key async for item in bucket.list("")] == [KEY]


async def test_metadata_that_is_sound_is_read_beside_what_is_not(tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    await put(bucket, signature="ab")
    spoil(tmp_path / "objects" / f"{KEY}%meta", b'{"etag": 5, "metadata": {"signature": "cd", "x": 1}}')

    assert (await bucket.get(KEY)).metadata == {"signature": "cd"}
