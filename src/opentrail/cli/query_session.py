"""One connection to the lake's queries: the server that holds the home, or the home itself while no server does."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import orjson

from opentrail.cli.console import Context
from opentrail.errors import OperatorError

FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 0.5
"""How often a running query is looked at: soon at first, then less often."""

PAGES_AT_ONCE = 2000

Row = list[str | None]


class StatementRefused(Exception):
    """The statement cannot be run: why, and where in it (counted from 1; 0 where that is not known)."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


@dataclass(frozen=True, slots=True)
class Result:
    """A query that has finished; ``pages`` gives its rows, page by page, once."""

    query_id: str
    columns: list[tuple[str, str]]
    rows: int
    described: dict[str, Any]
    pages: Iterator[list[Row]]


class QuerySession:
    """Runs statements one after the other, each until it ends. A context manager; Ctrl-C cancels what runs."""

    kind = "query"
    """What the commands that it asks are named by: ``start_query``, ``describe_query``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._own_commands: Any = None

    def __enter__(self) -> "QuerySession":
        self._runner.__enter__()
        if self._context.home.serving() is None:
            try:
                self._runner.run(self._open_home())
            except BaseException:
                self._runner.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._stack.aclose())
        finally:
            self._runner.close()

    def tables(self) -> dict[str, Any]:
        """Return what can be queried, and the columns of each kind."""
        return self._runner.run(self._ask("query_tables"))

    def run(self, statement: str, on_look: Callable[[dict[str, Any]], None]) -> Result:
        """Run a statement to its end; ``on_look`` is shown how it stands now and then.

        Raises StatementRefused, OperatorError for a query that failed, and KeyboardInterrupt once one that was
        interrupted is cancelled.
        """
        query_id, described = self._runner.run(self._run(statement, on_look))
        columns = [(label, kind) for label, kind in described["columns"]]
        return Result(query_id, columns, described["rows"], described, self._pages(query_id, described["pages"]))

    async def _open_home(self) -> None:
        self._own_commands = await self._stack.enter_async_context(self._home_commands())

    def _home_commands(self) -> Any:
        # Imported only where no server does the work: it is most of a command's start-up time.
        from opentrail.wiring.querying import open_query_commands

        return open_query_commands(self._context.home, self._context.read_settings().settings)

    def _arguments(self, statement: str) -> dict[str, Any]:
        return {"statement": statement}

    def _read_page(self, query_id: str, start: int, length: int, key: str) -> bytes:
        """Return a page of a result, opened with its data key where it has one."""
        from opentrail.wiring.querying import read_result_page

        return read_result_page(self._context.home, query_id, start, length, key)

    async def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        if self._own_commands is not None:
            answer: dict[str, Any] = await self._own_commands[command](**arguments)
            return answer
        from opentrail.admin import control

        return await control.call(self._context.home.control_socket, command, arguments)

    async def _run(self, statement: str, on_look: Callable[[dict[str, Any]], None]) -> tuple[str, dict[str, Any]]:
        # The server may have started what its answer has not told of yet: Ctrl-C waits for the name of what it cancels.
        starting = asyncio.ensure_future(self._ask(f"start_{self.kind}", **self._arguments(statement)))
        try:
            started = await asyncio.shield(starting)
            if "refused" in started:
                refused = started["refused"]
                raise StatementRefused(refused["message"], refused["line"], refused["column"])
            return str(started["id"]), await self._ended(str(started["id"]), on_look)
        except asyncio.CancelledError:
            started = await starting
            if "refused" not in started:
                await self._ask(f"cancel_{self.kind}", query_id=str(started["id"]))
            raise

    async def _ended(self, query_id: str, on_look: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        pause, began = FIRST_LOOK_SECONDS, time.monotonic()
        while True:
            described = await self._ask(f"describe_{self.kind}", query_id=query_id)
            if described["status"] == "FINISHED":
                return described
            if described["status"] not in ("QUEUED", "RUNNING"):
                raise OperatorError(
                    f"the query ended as {described['status']}: {described['error'] or 'no reason given'}"
                )
            on_look({**described, "seconds": time.monotonic() - began})
            await asyncio.sleep(pause)
            pause = min(LONGEST_LOOK_SECONDS, pause * 1.5)

    def _pages(self, query_id: str, count: int) -> Iterator[list[Row]]:
        for first in range(0, count, PAGES_AT_ONCE):
            answer = self._runner.run(self._ask(f"{self.kind}_pages", query_id=query_id, first=first))
            for start, length, _ in answer["pages"]:
                yield orjson.loads(self._read_page(query_id, start, length, answer.get("key", "")))
