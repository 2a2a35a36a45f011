"""What is wrong with a statement, told to the person who wrote it."""

from typing import NamedTuple


class Place(NamedTuple):
    """Where in the statement, both counted from 1, as Trino counts them."""

    line: int
    column: int


class InvalidStatement(Exception):
    """The statement is refused; ``str(error)`` is the whole message, ``line 1:8: ...`` where the place is known.

    ``reason`` is the message without its ``place``.
    """

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(f"line {place.line}:{place.column}: {message}" if place else message)
        self.reason = message
        self.place = place


class UnknownStore(InvalidStatement):
    """A FROM names no event data store that the caller may read."""

    def __init__(self, reference: str, place: Place | None = None) -> None:
        super().__init__(f"Table '{reference}' does not exist", place)
        self.reference = reference
