"""Health says whether calls can be recorded."""

from pathlib import Path

from opentrail.wiring.probes import is_writable


def test_a_disk_that_takes_writes_is_healthy_and_keeps_nothing_of_the_probe(tmp_path: Path) -> None:
    assert is_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_not(tmp_path: Path) -> None:
    assert not is_writable(tmp_path / "gone")
    full = tmp_path / "probe"
    full.symlink_to("/dev/full")

    assert not is_writable(tmp_path)
