"""What the host of a virtual machine gives to others while a benchmark runs: without it, figures mean little."""

from pathlib import Path


class Host:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._before = _ticks()

    def share(self) -> float:
        """Return how much of this machine's processor time the host took since, 0 to 1."""
        taken, whole = (now - then for now, then in zip(_ticks(), self._before, strict=True))
        return taken / max(1, whole)

    def report(self) -> str:
        """Return a line that says how much that is."""
        return f"the host took {self.share():.1%} of the processor time; from 5 % on, times are its as much as ours"


def _ticks() -> tuple[int, int]:
    ticks = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    return ticks[-1], sum(ticks)
