"""Matches over time in bins of a length that people read easily."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_STEPS = (60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600)
_MONTH = 2_419_200

MAX_BINS = 480
"""Bins of a report."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts in bins of ``seconds``, the first from ``start`` (seconds since 1970, a multiple of ``seconds``) on."""

    start: int
    seconds: int
    counts: tuple[int, ...]

    def at_most(self, bins: int) -> "Histogram":
        """Return the same counts in fewer, longer bins, of a length that is a multiple of this one's."""
        seconds = step_for(self.start, self.start + self.seconds * len(self.counts), bins, self.seconds)
        slots = {self.start + self.seconds * place: count for place, count in enumerate(self.counts)}
        return histogram_of(slots, self.start, self.start + self.seconds * len(self.counts), seconds)


def step_for(start: int, end: int, bins: int, grain: int = 60) -> int:
    """Return the shortest easy length, a multiple of ``grain``, with which a span has at most ``bins`` bins."""
    for step in _STEPS:
        if step % grain == 0 and -(-end // step) - start // step <= bins:
            return step
    months = 1
    while -(-end // (months * _MONTH)) - start // (months * _MONTH) > bins:
        months += 1
    return months * _MONTH


def histogram_of(slots: Mapping[int, int], start: int, end: int, seconds: int) -> Histogram:
    """Return the counts of slots in bins that cover a span."""
    first = start // seconds
    counts = [0] * max(1, -(-end // seconds) - first)
    for slot, count in slots.items():
        place = slot // seconds - first
        if 0 <= place < len(counts):
            counts[place] += count
    return Histogram(first * seconds, seconds, tuple(counts))


_BLOCKS = " ▁▂▃▄▅▆▇█"


def bar_lines(counts: Sequence[int], height: int) -> list[str]:
    """Return bars as lines of block characters, the top line first; a count above 0 always shows."""
    most = max((*counts, 1))
    eighths = [max(1, round(count * height * 8 / most)) if count else 0 for count in counts]
    return ["".join(_BLOCKS[min(8, max(0, bar - 8 * level))] for bar in eighths) for level in range(height - 1, -1, -1)]


def step_words(seconds: int) -> str:
    """Return the length of a bin in words."""
    for size, word in ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return f"1 {word}" if count == 1 else f"{count} {word}s"
    return f"{seconds} seconds"
