"""How far a replay is, on one line of standard error that goes away."""

import sys
import time

from opentrail.cli.console import errors

_WIDTH = 28
_PATIENCE_SECONDS = 0.4
"""A replay that is done by then shows no progress at all."""


class ProgressLine:
    """Shows nothing unless standard error is a terminal."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._is_shown = False

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def show(self, passed: int, total: int) -> None:
        """Show that ``passed`` of ``total`` events were passed."""
        taken = time.monotonic() - self._began
        if not total or taken < _PATIENCE_SECONDS or not errors.is_terminal:
            return
        share = min(1.0, passed / total)
        bar = "━" * round(share * _WIDTH) + "╌" * (_WIDTH - round(share * _WIDTH))
        left = f", {taken / share - taken:.0f} s left" if 0.02 < share < 1 else ""
        self._is_shown = True
        sys.stderr.write(f"\r\x1b[2K{bar} {share:4.0%}  {passed:,} of {total:,} events{left}")
        sys.stderr.flush()
