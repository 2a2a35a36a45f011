"""A queue of notices about delivered objects, such as SQS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``handle`` is what ``delete`` needs of it."""

    id: str
    body: str
    handle: str


class MessageQueue(Protocol):
    """Every method raises Unavailable and AccessRefused."""

    async def receive(self, wait_seconds: int) -> Sequence[Message]:
        """Return some messages, none when there was none for so long. One that is not deleted comes again."""
        ...

    async def delete(self, message: Message) -> None:
        """Take a message from the queue for good."""
        ...
