"""Memory of an import as the source grows: ``python -m bench.import_memory [--files N] [--events N]``.

A folder of N log files is imported by ``opentrail import`` into a new home, then one four and one sixteen times as
large. Printed for each: events, seconds, and the most memory that was resident at a time, of the command and of its
workers together (``VmRSS``, every 50 ms). Asserted: every event is imported, and sixteen times the files take at
most half as much again as four times.
"""

import argparse
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bench.lake_events import an_event
from tests.support.server import OPENTRAIL

GROWTH = (1, 4, 16)
ALLOWED = 1.5
LOOK_SECONDS = 0.05


def write_files(folder: Path, first: int, last: int, events: int, total: int, now: datetime) -> None:
    """Write log files ``first`` to ``last`` of ``events`` events each."""
    for number in range(first, last):
        records = [an_event(number * events + at, now, total) for at in range(events)]
        folder.joinpath(f"{number:06d}.json").write_bytes(b'{"Records":[' + b",".join(records) + b"]}")


def resident_bytes(pid: int) -> int:
    """Return what a process and its children have resident; 0 once it is gone."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    own = next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return own + sum(resident_bytes(int(child)) for child in children)


def imported(folder: Path, home: Path) -> tuple[int, float, int]:
    """Import a folder; return the events, the seconds, and the most bytes that were resident."""
    began, most = time.perf_counter(), 0
    command = [*OPENTRAIL, "--home", str(home), "import", str(folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            most = max(most, resident_bytes(process.pid))
            time.sleep(LOOK_SECONDS)
        assert process.stdout is not None
        ended = orjson.loads(process.stdout.read())
    assert ended["status"] == "COMPLETED", ended
    return ended["statistics"]["events_completed"], time.perf_counter() - began, most


def main(files: int, events: int) -> None:
    now, peaks, written = datetime.now(UTC), [], 0
    with tempfile.TemporaryDirectory(prefix="import-memory-") as name:
        folder = Path(name) / "logs"
        folder.mkdir()
        for growth in GROWTH:
            write_files(folder, written, files * growth, events, files * GROWTH[-1] * events, now)
            written = files * growth
            count, seconds, peak = imported(folder, Path(name) / f"home-{growth}")
            assert count == written * events
            peaks.append(peak)
            print(f"{growth}x: {count:,} events in {seconds:.0f} s, at most {peak / 1e6:,.0f} MB resident", flush=True)
    assert peaks[-1] <= peaks[-2] * ALLOWED, "memory grows with the source"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--events", type=int, default=100)
    arguments = parser.parse_args()
    main(arguments.files, arguments.events)
