"""The engine's processes: one for each query, and for a while after it one that waits for the next."""

import asyncio
import contextlib
import os
import signal
import sys

Starting = asyncio.Task[asyncio.subprocess.Process]

_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
"""All that a process gets of the server's environment: no setting, and no key."""


class Processes:
    """Starts processes of the module ``worker``; none serves two queries. ``close`` ends the one that waits."""

    def __init__(self, worker: str, spare_seconds: float) -> None:
        self._worker = worker
        self._spare_seconds = spare_seconds
        self._spare: Starting | None = None
        self._dropping: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def take(self) -> Starting:
        """Return a process that nobody else has, which may still be starting; its taker calls ``end``."""
        spare, self._spare = self._spare, None
        if spare is not None and not _has_ended(spare):
            return spare
        return asyncio.create_task(self._start(), name="query engine")

    def keep_spare(self) -> None:
        """Have a process wait for the next query, from now on for as long as one may."""
        if not self._spare_seconds or self._is_closed:
            return
        if self._spare is None or _has_ended(self._spare):
            self._spare = asyncio.create_task(self._start(), name="spare query engine")
        if self._dropping is not None:
            self._dropping.cancel()
        self._dropping = asyncio.get_running_loop().call_later(self._spare_seconds, self._drop)

    async def close(self) -> None:
        """End the process that waits; none is kept from now on."""
        self._is_closed = True
        if self._dropping is not None:
            self._dropping.cancel()
        self._drop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _drop(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            task = asyncio.create_task(end(spare))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        # The same modules as here, wherever this process found them.
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", self._worker,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=environment, cwd="/",
        )  # fmt: skip


def _has_ended(starting: Starting) -> bool:
    if not starting.done():
        return False
    return starting.cancelled() or starting.exception() is not None or starting.result().returncode is not None


async def end(starting: Starting) -> None:
    """Kill a process, also one whose start was not waited for, and see it gone."""
    process = await starting
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            # Not process.kill(): where the process has just ended, it takes the exit status that asyncio waits for.
            os.kill(process.pid, signal.SIGKILL)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    # From Python 3.12 on a process has ended once its output is read, and what was not wanted any more still fills it.
    while await process.stdout.read(1 << 20):
        pass
    await process.wait()
