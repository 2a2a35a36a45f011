"""The journal keeps what any reader still needs, and no more than its bound."""

from collections.abc import Sequence

from opentrail.pipeline.trimming import JournalTrimmer
from opentrail.ports.journal import START, EventEntry, Position
from tests.memory.journal import InMemoryJournal

NO_BOUND = 10**9


class NotingJournal(InMemoryJournal):
    """A journal that notes what it was trimmed through, and says how big it is."""

    def __init__(self, sizes: Sequence[int] = (0,)) -> None:
        super().__init__()
        self.trimmed: list[Position] = []
        self._sizes = list(sizes)

    async def trim(self, through: Position) -> None:
        self.trimmed.append(through)
        if len(self._sizes) > 1:
            self._sizes.pop(0)
        await super().trim(through)

    def size_bytes(self) -> int:
        return self._sizes[0]


async def test_the_slowest_reader_decides() -> None:
    journal = NotingJournal()
    positions = [await journal.append([EventEntry(b"{}")]) for _ in range(3)]

    await JournalTrimmer(journal, lambda: [positions[2], positions[0], positions[1]], max_bytes=NO_BOUND).trim()

    assert journal.trimmed == [positions[0]]


async def test_nothing_goes_before_every_reader_has_told_what_it_needs() -> None:
    journal = NotingJournal()
    position = await journal.append([EventEntry(b"{}")])

    await JournalTrimmer(journal, lambda: [position, None], max_bytes=NO_BOUND).trim()

    assert journal.trimmed == []


async def test_over_the_bound_the_slowest_readers_are_cut_loose_one_by_one() -> None:
    journal = NotingJournal(sizes=[100, 100, 100, 10])
    positions = [await journal.append([EventEntry(b"{}")]) for _ in range(4)]
    holds = [START, positions[1], positions[2], positions[3]]

    await JournalTrimmer(journal, lambda: holds, max_bytes=50).trim()

    assert journal.trimmed == [START, positions[1], positions[2]]
