"""Makes segment files in a process of its own, because nearly all of it is Python that would hold the interpreter's
lock against whoever answers calls.

    parent                                   child
    u32 length, job as JSON   ──stdin──>     writes each partial file, whole and synced
    u32 length, payload       ──stdin──>
                              <─stdout──     one line of JSON: {} or {"error": text, "is_damage": bool}

A job is ``{"day", "rows", "partials", "parts"}``: the records in the payload (``join_block``, in any order) or, when
``parts`` names segment files, theirs, become the files ``partials`` of at most ``rows`` rows each. The child only ever
writes files of names that nothing else uses; to give them their names in force is the parent's, so a child that
outlives its parent harms nothing. It ends with its standard input, or when it had nothing to do for IDLE_SECONDS.
"""

import heapq
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import IO, Any

import orjson

from opentrail.adapters.event_history.rows import Row, restore_row
from opentrail.adapters.event_history.segment import Segment, block_parts, split_block
from opentrail.adapters.event_history.segment_format import SegmentDamaged
from opentrail.adapters.event_history.segment_writer import train_dictionary, write_partial

IDLE_SECONDS = 30.0
"""How long a child with nothing to do keeps its memory (about 40 MB)."""

STOP_SECONDS = 5.0

NICENESS = 5
"""By how much a child's priority is lower than its parent's."""

_length = struct.Struct("<Q")
_ROOT = Path(__file__).parents[3]
"""The folder that holds the package, for a child that finds it where its parent did."""

Job = dict[str, Any]


class SegmentMaker:
    """Has jobs done by a child, started when there is one to do; where the system lets none start, they are done here.

    ``seal`` and ``join`` are for one thread at a time, ``stop`` for any.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._changing = Lock()
        self._is_stopped = False

    def seal(self, day: int, rows: int, partials: Sequence[Path], records: Sequence[bytes]) -> None:
        """Write the events of one day to ``partials``. Raises OSError."""
        self._make(_job(day, rows, partials), block_parts(records))

    def join(self, day: int, rows: int, partials: Sequence[Path], parts: Sequence[Path]) -> None:
        """Write the events of ``parts`` to ``partials``. Raises OSError, SegmentDamaged."""
        self._make(_job(day, rows, partials, parts), ())

    def stop(self) -> None:
        """End the child, also amid a job, which then fails; later jobs fail at once."""
        with self._changing:
            self._is_stopped = True
            child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait(STOP_SECONDS)
            _close(child)

    def _make(self, job: Job, payload: Sequence[bytes]) -> None:
        header = orjson.dumps(job)
        for is_last in (False, True):
            child = self._running()
            if child is None:
                carry_out(job, b"".join(payload))
                return
            try:
                reply = _exchange(child, header, payload)
            except (BrokenPipeError, EOFError) as error:  # it had just ended for want of work, or was killed
                self._forget(child)
                if is_last or self._is_stopped:
                    raise OSError("the process that makes segments ended amid its work") from error
            else:
                _raise(reply)
                return

    def _running(self) -> subprocess.Popen[bytes] | None:
        with self._changing:
            if self._is_stopped:
                raise OSError("the history is being closed")
            if self._child is not None and self._child.poll() is not None:
                _close(self._child)
                self._child = None
            if self._child is None:
                with suppress(OSError):
                    self._child = _start()
            return self._child

    def _forget(self, child: subprocess.Popen[bytes]) -> None:
        with self._changing:
            if self._child is child:
                self._child = None
                child.kill()
                child.wait(STOP_SECONDS)
                _close(child)


def carry_out(job: Job, payload: bytes) -> None:
    """Do a job. Raises OSError, SegmentDamaged; then some partial files may be there."""
    if job["parts"]:
        parts = [Segment(Path(part), is_read_whole=True) for part in job["parts"]]
        rows: Iterable[Row] = heapq.merge(*(map(restore_row, part.records()) for part in parts))
        dictionary = next((part.dictionary for part in parts if part.dictionary), b"")
    else:
        sorted_rows = sorted(map(restore_row, split_block(payload)))
        rows, dictionary = sorted_rows, train_dictionary([row.record for row in sorted_rows])
    remaining = iter(rows)
    for partial in job["partials"]:
        write_partial(Path(partial), job["day"], islice(remaining, job["rows"]), dictionary)


def _job(day: int, rows: int, partials: Sequence[Path], parts: Sequence[Path] = ()) -> Job:
    return {
        "day": day,
        "rows": rows,
        "partials": [str(path) for path in partials],
        "parts": [str(path) for path in parts],
    }


def _start() -> subprocess.Popen[bytes]:
    folders = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", "opentrail.adapters.event_history.segment_making"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": folders},
        start_new_session=True,  # a Ctrl-C meant for the parent ends it through its standard input
    )


def _exchange(child: subprocess.Popen[bytes], header: bytes, payload: Sequence[bytes]) -> Job:
    assert child.stdin is not None
    assert child.stdout is not None
    for parts in ((header,), payload):
        child.stdin.write(_length.pack(sum(map(len, parts))))
        for part in parts:
            child.stdin.write(part)
    child.stdin.flush()
    line = child.stdout.readline()
    if not line:
        raise EOFError
    reply: Job = orjson.loads(line)
    return reply


def _close(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout):
        with suppress(OSError):
            if stream is not None:
                stream.close()


def _raise(reply: Job) -> None:
    if "error" in reply:
        raise SegmentDamaged(reply["error"]) if reply["is_damage"] else OSError(reply["error"])


def _make_way() -> None:
    """Let whoever answers go first on a busy processor; a tail may wait four times its size to be sealed."""
    with suppress(OSError):
        os.nice(NICENESS)


def _read(stream: IO[bytes]) -> bytes:
    (length,) = _length.unpack(_read_exactly(stream, _length.size))
    return _read_exactly(stream, length)


def _read_exactly(stream: IO[bytes], length: int) -> bytes:
    """Return ``length`` bytes of an unbuffered stream, which gives what it has."""
    data = bytearray()
    while len(data) < length:
        part = stream.read(length - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def serve(jobs: IO[bytes], replies: IO[bytes]) -> None:
    """Do jobs until there are no more."""
    while select.select([jobs], [], [], IDLE_SECONDS)[0]:
        try:
            job, payload = orjson.loads(_read(jobs)), _read(jobs)
        except EOFError:
            return
        reply: Job = {}
        try:
            carry_out(job, payload)
        except (OSError, SegmentDamaged) as error:
            reply = {"error": str(error), "is_damage": isinstance(error, SegmentDamaged)}
        with suppress(BrokenPipeError):
            replies.write(orjson.dumps(reply) + b"\n")
            replies.flush()


if __name__ == "__main__":
    # Unbuffered, so that what select sees is all there is.
    _make_way()
    serve(open(0, "rb", buffering=0, closefd=False), open(1, "wb", closefd=False))  # noqa: SIM115
