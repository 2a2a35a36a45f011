"""How this process logs."""

import logging
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

import structlog

from opentrail.errors import OperatorError

MAX_CHAIN = 8
"""Exceptions of one chain of causes that are shown."""

_SAY_WHAT_HAPPENED = (OSError, OperatorError, sqlite3.Error)
"""Exceptions whose text is about the machine. That of any other may quote what a call held."""

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logging(level: str) -> None:
    """Log lines of ``level`` and above to standard error: for people on a terminal, as JSON elsewhere."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(format_exception),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def format_exception(exc_info: ExcInfo) -> str:
    """Return where an exception and its causes happened, first cause first, and of what kind they are.

    Python's own exceptions quote the value that they stumbled over (``KeyError``, ``ValueError``), which may be a
    secret of the call at hand: their text is left out.
    """
    chain = reversed(list(_chain(exc_info[1])))
    return "\n\n".join("".join(traceback.format_tb(error.__traceback__)) + _named(error) for error in chain)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(MAX_CHAIN):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _named(error: BaseException) -> str:
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"{kind}: {error}" if isinstance(error, _SAY_WHAT_HAPPENED) else kind
