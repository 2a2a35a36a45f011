"""How much memory bodies that are held may take, all calls together."""

HELD_LIMIT_BYTES = 256 * 1024 * 1024
"""Bodies held at a time. A call holds up to 1 MiB of its request twice (as it came, and decoded) and of its answer."""


class HeldBytes:
    """Counts what is held; what does not fit is not held."""

    def __init__(self, limit: int = HELD_LIMIT_BYTES) -> None:
        self._left = limit

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes; return False, and reserve nothing, when they are not there."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """End a reservation."""
        self._left += size
