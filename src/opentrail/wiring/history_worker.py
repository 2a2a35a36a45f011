"""The process that writes Event history out as Parquet: ``python -m opentrail.wiring.history_worker``.

    stdin   a line of JSON {"account": ID, "segments": [[descriptor, path]...], "tail": path, "tail_bytes": n}, then the
            tail's records (``join_block``)
    stdout  a line of JSON {"path": path, "rows": n} for each file that is done

A segment is a file of Event history; each becomes one Parquet file with the events of that account.
"""

import gc
import os
import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import orjson

from opentrail.adapters.event_history.rows import read_event, read_head
from opentrail.adapters.event_history.segment import Segment, split_block
from opentrail.adapters.lake_table.history_parquet import write_events

_NICENESS = 5
"""Recording goes before asking."""


def main() -> None:
    """Do the one job that standard input holds."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        os.nice(_NICENESS)
    gc.disable()
    job = orjson.loads(sys.stdin.buffer.readline())
    tail = sys.stdin.buffer.read(job["tail_bytes"])
    with suppress(BrokenPipeError):
        if tail:
            _write(Path(job["tail"]), _of_account(split_block(tail), job["account"]))
        for descriptor, path in job["segments"]:
            segment = Segment(Path(f"/dev/fd/{descriptor}"), is_read_whole=True)
            _write(Path(path), _of_account(segment.records(), job["account"]))


def _of_account(records: Iterable[bytes], account: str) -> Iterator[bytes]:
    return (read_event(record) for record in records if read_head(record)[1] == account)


def _write(path: Path, events: Iterator[bytes]) -> None:
    rows = write_events(path, events)
    sys.stdout.buffer.write(orjson.dumps({"path": str(path), "rows": rows}) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
