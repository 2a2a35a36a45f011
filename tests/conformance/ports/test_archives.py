"""What the local archives promise, in memory and on disk."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.ports.archives import Archive, Archives
from opentrail.ports.object_store import AlreadyExists
from tests.memory.archives import InMemoryArchives

AUDIT = Archive("audit-logs", "eu-central-1", "123456789012", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture(params=["memory", "local"])
def archives(request: pytest.FixtureRequest, tmp_path: Path) -> Archives:
    return InMemoryArchives() if request.param == "memory" else LocalArchives(tmp_path / "archives")


def test_an_archive_is_found_once_it_was_created(archives: Archives) -> None:
    assert archives.get("audit-logs") is None

    archives.create(AUDIT)

    assert archives.get("audit-logs") == AUDIT
    assert list(archives.list()) == [AUDIT]


def test_archives_are_listed_by_name(archives: Archives) -> None:
    for name in ("zebra", "audit-logs", "middle"):
        archives.create(Archive(name, AUDIT.region, AUDIT.account_id, AUDIT.created_at))

    assert [archive.name for archive in archives.list()] == ["audit-logs", "middle", "zebra"]


def test_a_name_can_be_taken_once(archives: Archives) -> None:
    archives.create(AUDIT)

    with pytest.raises(AlreadyExists):
        archives.create(AUDIT)


@pytest.mark.parametrize(
    "name", ["", "ab", "Upper", "under_score", "..", "a..b", "../x", "192.168.1.1", "-a-", "a" * 64]
)
def test_a_name_that_s3_would_refuse_is_refused(archives: Archives, name: str) -> None:
    with pytest.raises(ValueError, match="bucket name"):
        archives.create(Archive(name, AUDIT.region, AUDIT.account_id, AUDIT.created_at))


async def test_each_archive_has_its_own_objects(archives: Archives) -> None:
    archives.create(AUDIT)
    archives.create(Archive("other", "us-east-1", "123456789012", AUDIT.created_at))

    await archives.store("audit-logs").put_if_absent("k.gz", b"x", content_type="")

    assert (await archives.store("audit-logs").get("k.gz")).body == b"x"
    assert [item async for item in archives.store("other").list("")] == []
    with pytest.raises(KeyError):
        archives.store("third")


async def test_archives_and_objects_outlive_the_process(tmp_path: Path) -> None:
    first = LocalArchives(tmp_path)
    first.create(AUDIT)
    await first.store("audit-logs").put_if_absent("k.gz", b"x", content_type="text/plain", metadata={"a": "b"})

    second = LocalArchives(tmp_path)

    assert second.get("audit-logs") == AUDIT
    found = await second.store("audit-logs").get("k.gz")
    assert (found.body, found.content_type, found.metadata) == (b"x", "text/plain", {"a": "b"})
