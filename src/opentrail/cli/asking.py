"""Commands that take a while: asked of the server that holds the home, else run in this process, step by step."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from opentrail.cli.console import Context

Ask = Callable[..., Awaitable[dict[str, Any]]]
"""Runs a command about imports and follows by its name."""


@asynccontextmanager
async def asking(context: Context) -> AsyncIterator[Ask]:
    """Reach the imports and follows of a home."""
    if context.home.serving() is not None:
        from opentrail.admin import control

        async def ask(command: str, **arguments: Any) -> dict[str, Any]:
            return await control.call(context.home.control_socket, command, arguments)

        yield ask
        return
    from opentrail.wiring.imports import import_commands

    async with import_commands(context.home, context.read_settings().settings) as commands:

        async def run(command: str, **arguments: Any) -> dict[str, Any]:
            return await commands[command](**arguments)

        yield run
