"""What is wrong with a query, told to the person who wrote it."""


class MalformedQuery(Exception):
    """The query is refused: why, and from which character of it up to which one (counted from 0, the end excluded)."""

    def __init__(self, message: str, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.start = start
        self.end = max(start, end)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return where a character of ``text`` is, both counted from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
