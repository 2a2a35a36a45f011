"""What opening a home makes good before anything else happens to it."""

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.adapters.journal.local import LocalJournal
from opentrail.errors import OperatorError
from opentrail.home import Home, write_private
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, JournalEntry, Position
from opentrail.settings import RecordingMode, Settings
from opentrail.wiring.installation import Installation, open_installation

CALL = {"eventName": "DescribeVpcs", "eventTime": "2026-01-31T12:00:00Z", "awsRegion": "us-east-1"}


async def a_crashed_home(tmp_path: Path, *, fail_open: bool) -> Home:
    """Return a home as a killed server leaves it: one call recorded, nothing closed."""
    live = Home(tmp_path / "live")
    live.prepare()
    crashed = Home(tmp_path / "crashed")
    async with open_installation(live, Settings()) as installation:
        await installation.journal.append([EventEntry(orjson.dumps(CALL))])
        if fail_open:
            write_private(live.fail_open_file, b"")
        shutil.copytree(live.path, crashed.path)
    return crashed


async def events_of(installation: Installation) -> list[dict[str, Any]]:
    """Return every event in the journal of a home just made, oldest first."""
    start = await installation.history.cursor()
    events = []
    async for page in installation.journal.read(start, until=installation.journal.head()):
        events += [orjson.loads(entry.event) for _, entry in page if isinstance(entry, EventEntry)]
    return events


@pytest.mark.parametrize("later", list(RecordingMode))
async def test_a_crash_under_fail_open_leaves_a_gap_event_whatever_the_mode_is_now(
    tmp_path: Path, later: RecordingMode
) -> None:
    home = await a_crashed_home(tmp_path, fail_open=True)

    async with open_installation(home, Settings(recording=later)) as installation:
        events = await events_of(installation)

    assert [event["eventName"] for event in events] == ["DescribeVpcs", "RecordingGap"]
    assert events[-1]["serviceEventDetails"]["reason"] == "unclean-stop"


async def test_the_gap_of_one_crash_is_said_once(tmp_path: Path) -> None:
    home = await a_crashed_home(tmp_path, fail_open=True)

    for _ in range(2):
        async with open_installation(home, Settings(recording=RecordingMode.FAIL_OPEN)) as installation:
            events = await events_of(installation)

    assert [event["eventName"] for event in events].count("RecordingGap") == 1


async def test_calls_that_a_stop_could_not_store_are_a_gap_though_the_journal_was_closed_in_order(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    async with open_installation(home, Settings()):
        write_private(home.fail_open_file, b"")
    home.note_lost_calls()

    for _ in range(2):
        async with open_installation(home, Settings()) as installation:
            events = await events_of(installation)

    assert [event["eventName"] for event in events] == ["RecordingGap"]
    assert [path.name for path in home.path.iterdir() if path.name.startswith("recording-")] == []


async def test_a_crash_under_fail_closed_is_no_gap_since_its_calls_are_pending(tmp_path: Path) -> None:
    home = await a_crashed_home(tmp_path, fail_open=False)

    async with open_installation(home, Settings(recording=RecordingMode.FAIL_OPEN)) as installation:
        events = await events_of(installation)

    assert [event["eventName"] for event in events] == ["DescribeVpcs"]


@pytest.mark.parametrize("damage", ["master.key", "owner-key.json", "not JSON"])
async def test_a_home_whose_secrets_do_not_open_is_refused_with_a_sentence(tmp_path: Path, damage: str) -> None:
    home = await a_crashed_home(tmp_path, fail_open=False)
    if damage == "master.key":
        write_private(home.path / damage, b"0" * 32)
    else:
        write_private(home.owner_key_file, b"[]" if damage == "owner-key.json" else b"{")

    with pytest.raises(OperatorError, match=str(home.path)):
        async with open_installation(home, Settings()):
            pass


@pytest.mark.parametrize("record", [b"\xff\x00", b"\x02\x00\x00\x00[]", b"", b"\x01\x00\x00\x00{"])
async def test_a_damaged_event_in_the_tail_of_history_is_refused_with_a_sentence(tmp_path: Path, record: bytes) -> None:
    home = await a_crashed_home(tmp_path, fail_open=False)
    async with open_installation(home, Settings()) as installation:
        await installation.feeder.catch_up()
    with sqlite3.connect(home.history / "tail.sqlite") as connection:
        connection.execute("INSERT OR REPLACE INTO tail (sequence, record) VALUES (1, ?)", (record,))
    connection.close()

    with pytest.raises(OperatorError, match="Event history is damaged"):
        async with open_installation(home, Settings()):
            pass


async def test_a_disk_still_full_after_a_crash_is_refused_with_advice_and_the_gap_is_said_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await a_crashed_home(tmp_path, fail_open=True)

    async def full(journal: LocalJournal, entries: Sequence[JournalEntry]) -> Position:
        raise Unavailable("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(LocalJournal, "append", full)
        with pytest.raises(OperatorError, match=r"disk is full.*Make room and start again"):
            async with open_installation(home, Settings()):
                pass

    async with open_installation(home, Settings()) as installation:
        events = await events_of(installation)
    assert [event["eventName"] for event in events] == ["DescribeVpcs", "RecordingGap"]
