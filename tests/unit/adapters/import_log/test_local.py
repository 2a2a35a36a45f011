"""Imports survive the process that ran them, with exactly the failures that count."""

from datetime import UTC, datetime
from pathlib import Path

from opentrail.adapters.import_log.local import LocalImportLog
from opentrail.resource.lake_import import ImportFailure, ImportSource, ImportStatus, LakeImport

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ONE = LakeImport("id-1", "123456789012", "us-east-1", "arn:store", ImportSource("s3://b/p", regions=("a",)), NOW, NOW)


def failure(number: int) -> ImportFailure:
    return ImportFailure(f"s3://b/{number}", "FAILED", "UnknownFormat", "it is not JSON", NOW, "line 3")


async def test_an_import_is_read_back_as_it_was_stored(tmp_path: Path) -> None:
    await LocalImportLog(tmp_path).store(ONE)

    assert await LocalImportLog(tmp_path).imports() == [ONE]
    assert ONE.status is ImportStatus.INITIALIZING


async def test_failures_of_an_interrupted_step_are_written_over(tmp_path: Path) -> None:
    log = LocalImportLog(tmp_path)
    await log.store(ONE)
    first = await log.append_failures("id-1", 0, 0, [failure(1), failure(2)])
    await log.append_failures("id-1", 0, first, [failure(3), failure(4), failure(5)])

    end = await log.append_failures("id-1", 0, first, [failure(6)])

    page, after = await log.read_failures("id-1", 0, 0, end, 2)
    assert ([*page], after) == ([failure(1), failure(2)], first)
    assert await log.read_failures("id-1", 0, after, end, 2) == ([failure(6)], end)


async def test_a_damaged_import_is_left_out_and_a_removed_one_is_gone(tmp_path: Path) -> None:
    log = LocalImportLog(tmp_path)
    await log.store(ONE)
    (tmp_path / "id-2").mkdir()
    (tmp_path / "id-2" / "import.json").write_bytes(b"{}")

    assert await log.imports() == [ONE]
    await log.remove("id-1")
    assert await log.imports() == []
