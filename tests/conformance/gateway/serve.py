"""A recording gateway as a process of its own, for tests that measure or kill it: prints its port, ends on SIGTERM.

``python -m tests.conformance.gateway.serve UPSTREAM_URL MODE FOLDER``
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from opentrail.wiring.interpreter import tune_interpreter
from tests.conformance.gateway.recording_gateway import recording_gateway

ROOT = Path(__file__).parents[3]


async def serve(upstream_url: str, mode: str, folder: Path) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with recording_gateway(upstream_url, mode, folder=folder) as gateway:
        tune_interpreter()
        sys.stdout.write(f"{gateway.url}\n")
        sys.stdout.flush()
        await ended.wait()


@contextmanager
def gateway_process(upstream_url: str, mode: str, folder: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start the process; yield it with its URL once it answers; kill it if it still runs afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.gateway.serve", upstream_url, mode, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
