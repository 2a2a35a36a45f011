"""What an interrupted validation remembers: used where it is ours and fits, and never believed otherwise."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.validation_memory.file import LONGEST_S, FileMemory, memory_key
from opentrail.errors import OperatorError
from opentrail.ports.object_store import ObjectSummary

KEY = bytes(32)
LISTED = {"hashValue": "ab", "eventTree": {"rootHash": "cd", "eventCount": 2}}
OBJECT = ObjectSummary("a/b.json.gz", 100, datetime(2026, 1, 1, tzinfo=UTC), '"tag"')
NOW = 1_000_000.0


def written(path: Path, key: bytes = KEY, now: float = NOW) -> Path:
    memory = FileMemory(path, key, now)
    memory.remember("logs", OBJECT, LISTED)
    memory.close(is_finished=False)
    return path


def test_what_was_found_is_known_after_an_interruption(tmp_path: Path) -> None:
    memory = FileMemory(written(tmp_path / "state"), KEY, NOW + 60)

    assert memory.knows("logs", OBJECT, LISTED)
    assert memory.foreign == 0


@pytest.mark.parametrize(
    ("bucket", "changes", "listed"),
    [
        ("other", {}, LISTED),
        ("logs", {"key": "c"}, LISTED),
        ("logs", {"etag": '"changed"'}, LISTED),
        ("logs", {"size_bytes": 101}, LISTED),
        ("logs", {}, LISTED | {"hashValue": "00"}),
        ("logs", {}, LISTED | {"eventTree": {"rootHash": "00", "eventCount": 2}}),
        ("logs", {}, {"hashValue": "ab"}),
    ],
)
def test_other_objects_bytes_or_digests_are_not_known(
    tmp_path: Path, bucket: str, changes: dict[str, object], listed: dict[str, object]
) -> None:
    memory = FileMemory(written(tmp_path / "state"), KEY, NOW)
    values = {"key": OBJECT.key, "size_bytes": 100, "modified_at": OBJECT.modified_at, "etag": OBJECT.etag}

    assert not memory.knows(bucket, ObjectSummary(**(values | changes)), listed)  # type: ignore[arg-type]


@pytest.mark.parametrize("now", [NOW + LONGEST_S + 1, NOW - 1])
def test_what_is_older_than_a_week_or_from_the_future_is_not_taken(tmp_path: Path, now: float) -> None:
    memory = FileMemory(written(tmp_path / "state"), KEY, now)

    assert not memory.knows("logs", OBJECT, LISTED)
    assert memory.foreign == 1


def test_a_line_under_another_key_is_not_taken(tmp_path: Path) -> None:
    assert not FileMemory(written(tmp_path / "state", b"x" * 32), KEY, NOW).knows("logs", OBJECT, LISTED)


def test_no_changed_byte_of_a_line_makes_anything_else_known(tmp_path: Path) -> None:
    whole = written(tmp_path / "state").read_bytes()
    start = whole.index(b"\n") + 1
    for at in range(start, len(whole) - 1):
        path = tmp_path / f"changed-{at}"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        memory = FileMemory(path, KEY, NOW)
        assert memory._known <= {bytes.fromhex(orjson.loads(whole[start:])[0])}


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    path = written(tmp_path / "state")
    path.write_bytes(path.read_bytes()[:-20])
    assert not FileMemory(path, KEY, NOW).knows("logs", OBJECT, LISTED)

    assert FileMemory(written(path), KEY, NOW).knows("logs", OBJECT, LISTED)


def test_another_file_is_not_written_into(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear all")

    with pytest.raises(OperatorError, match="choose another name"):
        FileMemory(path, KEY, NOW)
    assert path.read_text() == "Dear all"


def test_a_finished_validation_leaves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "state")

    FileMemory(path, KEY, NOW).close(is_finished=True)

    assert not path.exists()


def test_the_key_is_made_once_and_is_the_users_alone(tmp_path: Path) -> None:
    key = memory_key(tmp_path / "state")

    assert memory_key(tmp_path / "state") == key
    path = tmp_path / "state" / "validation-memory.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(OperatorError, match="others may read"):
        memory_key(tmp_path / "state")
