"""Named commands: the text on the standard input of a program that the operator's settings name.

No shell reads it and nothing of the event is among its arguments. It gets an environment of its own, a process group of
its own, bounded time; what it writes is read to the end, and the last of it is logged when it fails.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import structlog

from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch
from opentrail.waiting import is_set_within

MAX_WAITING = 64
"""Runs of one command that wait for their turn; more are Unavailable, and tried again."""

KEPT_OUTPUT_BYTES = 1024
"""Of what a command writes: the last of it, for the log."""

GRACE_SECONDS = 2.0
"""Between asking a command that takes too long to end, and ending it."""

LINGER_SECONDS = 0.5
"""How long the output of a command that ended is waited for: what it left running may hold it open."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Command:
    """``words`` are the program's path and its arguments; ``seconds`` it may run; ``at_once`` run at a time."""

    name: str
    words: Sequence[str]
    seconds: float
    at_once: int


class CommandTarget:
    """Implements Targets for one command. Exit status 0 is success, any other is worth trying again."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._turns = asyncio.Semaphore(command.at_once)
        self._waiting = 0

    async def send(self, dispatch: Dispatch) -> None:
        if self._waiting >= MAX_WAITING:
            raise Unavailable(f"too many runs of {self._command.name} wait")
        self._waiting += 1
        try:
            async with self._turns:
                await self._run(dispatch)
        finally:
            self._waiting -= 1

    async def _run(self, dispatch: Dispatch) -> None:
        output = _Tail()
        try:
            failure = await self._failure(dispatch, output)
        finally:
            output.close()
        if failure:
            self._note(dispatch, failure, output)
            raise Unavailable(f"the command {self._command.name} {failure}")

    async def _failure(self, dispatch: Dispatch, output: "_Tail") -> str:
        """Run the program to its end; return how it failed, "" for not at all."""
        starting = asyncio.create_task(self._start(dispatch, output))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _end_started(starting)
            raise
        except (OSError, ValueError) as error:
            raise Unavailable(f"the command {self._command.name} cannot be started: {error}") from error
        try:
            try:
                async with asyncio.timeout(self._command.seconds):
                    failure = _ending(await process.wait())
            except TimeoutError:
                await _end(process)
                failure = f"ran longer than {self._command.seconds:g} s"
            await output.wait(LINGER_SECONDS)
        finally:
            # What is left: its first process when nobody waits for it any more, or others that hold its output open.
            if process.returncode is None or not output.is_over:
                _signal_group(process, signal.SIGKILL)
        return failure

    async def _start(self, dispatch: Dispatch, output: "_Tail") -> asyncio.subprocess.Process:
        """Start the program. Files of our own for input and output, so that waiting for it waits for it alone."""
        given = await asyncio.to_thread(_file_of, dispatch.text.encode())
        with given, await output.open() as written:
            return await asyncio.create_subprocess_exec(
                *self._command.words,
                stdin=given,
                stdout=written,
                stderr=written,
                cwd="/",
                env={
                    "PATH": PATH,
                    "LANG": "C.UTF-8",
                    "OPENTRAIL_INVOCATION_ID": dispatch.invocation_id,
                    "OPENTRAIL_TARGET": dispatch.destination,
                },
                start_new_session=True,
            )

    def _note(self, dispatch: Dispatch, failure: str, output: "_Tail") -> None:
        said = f"a command {failure}"
        _log.warning(said, target=dispatch.destination, invocation=dispatch.invocation_id, output=output.text())


class _Tail(asyncio.Protocol):
    """Reads all of what is written, and keeps the last bytes of it."""

    def __init__(self) -> None:
        self._kept = b""
        self._over = asyncio.Event()
        self._transport: asyncio.ReadTransport | None = None

    async def open(self) -> IO[bytes]:
        """Return the end to write to, which the caller closes."""
        reading, writing = os.pipe()
        written = os.fdopen(writing, "wb")
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(lambda: self, os.fdopen(reading, "rb"))
        return written

    def data_received(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-KEPT_OUTPUT_BYTES:]

    def eof_received(self) -> None:
        self._over.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over.set()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    async def wait(self, seconds: float) -> None:
        """Wait until nobody can write any more, at most ``seconds``."""
        await is_set_within(self._over, seconds)

    def close(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.close()

    def text(self) -> str:
        """Return it in one line, without control characters."""
        words = self._kept.decode(errors="replace").split()
        return "".join(character if character.isprintable() else "?" for character in " ".join(words))


def _file_of(text: bytes) -> IO[bytes]:
    """Return a file without a name that holds a text, to be read from its start."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(text)
    file.seek(0)
    return file


async def _end_started(starting: asyncio.Task[asyncio.subprocess.Process]) -> None:
    """End what was starting when it was waited for no more: asyncio itself would end its first process alone."""
    with suppress(OSError, ValueError):
        _signal_group(await starting, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a process group to end, then end it. What became another user's is left to itself: no signal reaches it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal_group(process, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
                return


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _ending(status: int) -> str:
    if status == 0:
        return ""
    return f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
