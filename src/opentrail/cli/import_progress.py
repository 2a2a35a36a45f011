"""The progress bar of an import: how much, how fast, how long still."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


class ImportProgress:
    """Shown while it is entered. The time left is by bytes, once the source is listed."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[events]:,} events"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("import", total=None, events=0, rate=0.0)

    def __enter__(self) -> "ImportProgress":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, statistics: Mapping[str, Any]) -> None:
        """Show how an import stands, from its statistics."""
        elapsed = self._progress.tasks[0].elapsed or 0.0
        read = sum(statistics[name] for name in ("events_completed", "duplicates", "events_outside", "events_expired"))
        self._progress.update(
            self._task,
            total=statistics["bytes_found"] if statistics["is_listed"] else None,
            completed=statistics["bytes_completed"],
            events=read,
            rate=read / elapsed if elapsed else 0.0,
        )
