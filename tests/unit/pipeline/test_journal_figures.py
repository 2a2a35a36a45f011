"""The figures of /metrics count what the journal's owner stored, and what it did not."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from opentrail.adapters.journal import segments
from opentrail.adapters.journal.local import LocalJournal
from opentrail.pipeline.journal_figures import JournalFigures
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, SettingsEntry


class Watched:
    """A journal with its figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.figures = JournalFigures(self.registry)

    async def open(self, folder: Path) -> LocalJournal:
        journal = await LocalJournal.open(folder, observer=self.figures)
        self.figures.follow(journal)
        return journal

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)


async def test_batches_are_timed_once_durable(tmp_path: Path) -> None:
    watched = Watched()
    journal = await watched.open(tmp_path)

    await journal.append([EventEntry(b"{}"), SettingsEntry("regions", b"[]")])
    call = await journal.open_call(b"{}")
    await journal.close_call(call, [EventEntry(b"{}")])
    await journal.close()

    assert watched.value("opentrail_journal_failures_total") == 0
    assert watched.value("opentrail_journal_write_seconds_count") == 3
    assert 0 < (watched.value("opentrail_journal_write_seconds_sum") or 0) < 60


async def test_a_batch_that_was_not_stored_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    journal = await watched.open(tmp_path / "journal")
    await journal.append([EventEntry(b"{}")])
    monkeypatch.setattr(segments, "insert_rows", _full)

    with pytest.raises(Unavailable):
        await journal.append([EventEntry(b"{}")])
    await journal.close()

    assert watched.value("opentrail_journal_failures_total") == 1
    assert watched.value("opentrail_journal_write_seconds_count") == 1


def _full(*_: object) -> None:
    raise OSError("No space left on device")


async def test_a_call_is_pending_from_its_opening_to_its_settling(tmp_path: Path) -> None:
    watched = Watched()
    journal = await watched.open(tmp_path)

    call = await journal.open_call(b"{}")
    while_pending = watched.value("opentrail_calls_pending")
    await journal.close_call(call, [EventEntry(b"{}")])
    await journal.close()

    assert while_pending == 1
    assert watched.value("opentrail_calls_pending") == 0
    assert watched.value("opentrail_gateway_call_seconds_count") == 1


async def test_a_reader_is_behind_by_what_was_appended_past_its_position(tmp_path: Path) -> None:
    watched = Watched()
    journal = await watched.open(tmp_path)
    first = await journal.append([EventEntry(b"{}")])
    at_head = watched.figures.marks.lag(first).entries

    await journal.append([EventEntry(b"{}"), SettingsEntry("regions", b"[]")])
    behind = watched.figures.marks.lag(first).entries
    await journal.close()

    assert at_head == 0
    assert behind >= 2
