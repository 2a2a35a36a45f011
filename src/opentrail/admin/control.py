"""The control socket: how a command reaches the server that holds the home.

A Unix socket in the home folder, mode 0600: who may open it may also read the owner's key beside it. One request per
connection: a line of JSON ``{"command": NAME, "arguments": {...}}``; the answer is a line ``{"answer": {...}}`` or
``{"error": SENTENCE}``.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import structlog

from opentrail.errors import OperatorError

MAX_LINE_BYTES = 1024 * 1024
REQUEST_SECONDS = 30
UNIX_PATH_BYTES = 100  # sun_path holds 104 to 108 with its terminator

Commands = Mapping[str, Callable[..., Awaitable[dict[str, Any]]]]

_log = structlog.get_logger()


@contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """Name a socket by its folder's descriptor where its path is longer than a Unix address can hold."""
    if len(os.fsencode(path)) <= UNIX_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlServer:
    """Answers the control socket until it is stopped."""

    def __init__(self, path: Path, commands: Commands) -> None:
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket that an earlier process left is replaced."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        with _short_path(self._path) as path:
            self._server = await asyncio.start_unix_server(self._serve, path=path, limit=MAX_LINE_BYTES)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        with suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await self._answer(await reader.readline())
                writer.write(orjson.dumps(answer) + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError):
            _log.warning("control request dropped")
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = orjson.loads(line)
            command = self._commands[request["command"]]
            return {"answer": await command(**request["arguments"])}
        except OperatorError as error:
            return {"error": str(error)}
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return {"error": "the server does not know this command; is it of another version?"}
        except Exception:
            _log.exception("control command failed")
            return {"error": "the command failed; the server's log says why"}


async def call(path: Path, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run one command in the server behind ``path``. Raises OperatorError with the server's sentence."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            with _short_path(path) as short:
                reader, writer = await asyncio.open_unix_connection(path=short, limit=MAX_LINE_BYTES)
            try:
                writer.write(orjson.dumps({"command": command, "arguments": dict(arguments)}) + b"\n")
                await writer.drain()
                reply: dict[str, Any] = orjson.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError, orjson.JSONDecodeError) as error:
        raise OperatorError(f"the server that holds {path.parent} does not answer; is it shutting down?") from error
    if "error" in reply:
        raise OperatorError(reply["error"])
    answer: dict[str, Any] = reply["answer"]
    return answer
