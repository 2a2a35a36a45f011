"""A process that loads a journal until it is killed: python -m tests.simulation.journal_load FOLDER LIFE SEGMENT_BYTES.

It prints a line when it is ready and one for every promise it was given, right after it was given:
``appended NAME SIZE POSITION``, ``opened NAME ID``, ``closing NAME``, ``closed NAME POSITION``.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.journal.writer import SegmentLimits
from opentrail.ports.journal import EventEntry

CALLERS = 12


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def append(journal: LocalJournal, caller: str, seed: random.Random) -> None:
    for batch in range(1_000_000):
        size = seed.choice((1, 1, 2, 7, 40))
        padding = b"x" * seed.randrange(2000)
        name = f"{caller}-{batch}"
        entries = [EventEntry(b"%s.%d %s" % (name.encode(), n, padding)) for n in range(size)]
        position = await journal.append(entries)
        say(f"appended {name} {size} {position}")


async def call(journal: LocalJournal, caller: str, seed: random.Random) -> None:
    for number in range(1_000_000):
        name = f"{caller}-{number}"
        opened = await journal.open_call(name.encode())
        say(f"opened {name} {opened}")
        if seed.random() < 0.1:
            continue
        await asyncio.sleep(seed.random() * 0.01)
        say(f"closing {name}")
        position = await journal.close_call(opened, [EventEntry(b"%s.0 " % name.encode())])
        say(f"closed {name} {position}")


async def main(folder: Path, life: int, segment_bytes: int) -> None:
    journal = await LocalJournal.open(folder, limits=SegmentLimits(size_bytes=segment_bytes))
    say("ready")
    work = [append, call]
    await asyncio.gather(*(work[n % 2](journal, f"{life}-{n}", random.Random(f"{life} {n}")) for n in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
