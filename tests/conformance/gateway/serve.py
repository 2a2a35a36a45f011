"""A recording gateway as a process of its own, for tests that measure or kill it: prints its port, ends on SIGTERM.

``python -m tests.conformance.gateway.serve UPSTREAM_URL MODE FOLDER PROCESSES``
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop

from opentrail.home import Home
from opentrail.settings import RecordingMode, Settings
from opentrail.wiring.gateway_processes import GatewayProcesses
from opentrail.wiring.installation import open_installation
from opentrail.wiring.interpreter import tune_interpreter
from tests.conformance.gateway.recording_gateway import no_own_api, recording_gateway

ROOT = Path(__file__).parents[3]


async def serve(upstream_url: str, mode: str, folder: Path, processes: int) -> None:
    """Serve until SIGTERM; with several processes from a home in ``folder``, of which ``journal`` is the journal."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with _gateway(upstream_url, mode, folder, processes) as url:
        tune_interpreter()
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await ended.wait()


@asynccontextmanager
async def _gateway(upstream_url: str, mode: str, folder: Path, processes: int) -> AsyncIterator[str]:
    if processes == 1:
        async with recording_gateway(upstream_url, mode, folder=folder / "journal") as gateway:
            yield gateway.url
        return
    home = Home(folder)
    home.prepare()
    settings = Settings(gateway_processes=processes, recording=RecordingMode(mode))
    async with open_installation(home, settings) as installation:
        several = GatewayProcesses(installation, no_own_api, upstream_url)
        async with several.running(("127.0.0.1", 0)) as (host, port):
            yield f"http://{host}:{port}"


@contextmanager
def gateway_process(
    upstream_url: str, mode: str, folder: Path, processes: int = 1
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start the process; yield it with its URL once it answers; kill it if it still runs afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.gateway.serve", upstream_url, mode, str(folder), str(processes)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
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
    uvloop.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
