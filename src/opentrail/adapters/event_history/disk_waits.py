"""Tells whether a step of a search was slowed down by the disk."""

import resource
from time import perf_counter

SLOW_SECONDS = 0.0005
"""A step that took longer was slow."""

_WHOSE = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
"""This thread, on Linux; elsewhere the system counts for the whole process."""


class DiskWaits:
    """Watches steps of one search, in the thread that made this.

    Time alone does not tell: beside threads that compute a step is slow for want of the interpreter's lock, and
    fetching pages ahead that are in memory already would make it slower.
    """

    def __init__(self) -> None:
        self._pages = _pages_waited_for()
        self._begun_at = perf_counter()

    def was_slow(self) -> bool:
        """Tell whether the step that ends here waited for pages of a mapped file, and long; another one begins.

        Pages of quick steps before it count for it: the system is asked only about steps that took long.
        """
        begun_at, self._begun_at = self._begun_at, perf_counter()
        if self._begun_at - begun_at <= SLOW_SECONDS:
            return False
        before, self._pages = self._pages, _pages_waited_for()
        return self._pages > before


def _pages_waited_for() -> int:
    return resource.getrusage(_WHOSE).ru_majflt
