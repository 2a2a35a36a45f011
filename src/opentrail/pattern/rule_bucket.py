"""Alternatives of rules that wait for the same text, told apart by their other conditions, all at once, as bits."""

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from opentrail.pattern.alternatives import Alternative, Condition
from opentrail.pattern.ir import DottedPath
from opentrail.pattern.leaf_reader import MISSING, LeafReader, ManyLeaves
from opentrail.pattern.text_index import MemoBudget, ValueIndex

Name = TypeVar("Name", bound=Hashable)

MIN_REMEMBERED = 3
"""Answers with fewer alternatives are put together anew."""

_ENTRY_BYTES = 200


class Bucket(Generic[Name]):
    """Alternatives filed together, each at a place with its bit."""

    def __init__(self, budget: MemoBudget) -> None:
        self._budget = budget
        self.active = 0
        self._entries: list[tuple[Name, list[Condition]] | None] = []
        self._empty: list[int] = []
        self._paths: dict[DottedPath, _PathBits] = {}
        self._proofs = 0
        self._answers: dict[int, tuple[Name, ...]] = {}

    def __len__(self) -> int:
        return len(self._entries) - len(self._empty)

    def add(self, name: Name, alternative: Alternative, known: DottedPath | None = None) -> int:
        """File an alternative of the rule ``name``; return its place, for ``remove``. Its condition on the path
        ``known`` is not asked: who looks into this bucket has seen that it holds."""
        place = self._empty.pop() if self._empty else len(self._entries)
        if place == len(self._entries):
            self._entries.append(None)
        asked = [condition for condition in alternative.conditions if condition.path != known]
        self._entries[place] = (name, asked)
        self._answers.clear()
        bit = 1 << place
        self.active |= bit
        if alternative.needs_proof:
            self._proofs |= bit
        for condition in asked:
            bits = self._paths.get(condition.path)
            if bits is None:
                bits = self._paths[condition.path] = _PathBits(condition.path, self._budget)
            bits.add(condition, bit)
        return place

    def remove(self, place: int) -> None:
        """Undo ``add``."""
        entry = self._entries[place]
        assert entry is not None
        self._answers.clear()
        bit = 1 << place
        self.active &= ~bit
        self._proofs &= ~bit
        for condition in entry[1]:
            bits = self._paths[condition.path]
            bits.remove(condition, bit)
            if not bits.mentioned:
                del self._paths[condition.path]
        self._entries[place] = None
        self._empty.append(place)

    def candidates(self, event: Any, read: dict[DottedPath, Any]) -> tuple[tuple[Name, ...], tuple[Name, ...]]:
        """Return the rules with an alternative left when all paths were asked: those that match, and those still to be
        proven. ``read`` holds what was read of the event already, and gets what is read now."""
        left = self.active
        proofs = self._proofs
        for path, bits in self._paths.items():
            leaf = read[path] if path in read else read.setdefault(path, bits.reader.read(event))
            if type(leaf) is str:
                mask = bits.memo.get(leaf)
                left &= bits.mask(leaf) if mask is None else mask
            elif leaf is MISSING:
                left &= bits.absent_mask
            elif isinstance(leaf, ManyLeaves):
                left &= bits.mask_of_many(leaf.leaves)
                proofs |= bits.mentioned
            else:
                left &= bits.mask(leaf)
            if not left:
                return (), ()
        uncertain = left & proofs
        return self._names(left ^ uncertain), self._names(uncertain)

    def _names(self, bits: int) -> tuple[Name, ...]:
        if not bits:
            return ()
        found = self._answers.get(bits)
        if found is None:
            found = tuple(dict.fromkeys(self._name_of_each(bits)))
            if len(found) >= MIN_REMEMBERED:
                self._budget.spend(self._answers, _ENTRY_BYTES + 8 * len(found) + bits.bit_length() // 8)
                self._answers[bits] = found
        return found

    def _name_of_each(self, bits: int) -> list[Name]:
        names = []
        while bits:
            low = bits & -bits
            bits ^= low
            entry = self._entries[low.bit_length() - 1]
            assert entry is not None
            names.append(entry[0])
        return names


class _PathBits:
    """One path in a bucket: which alternatives mention it, pass without a leaf, read a field, and the values' index.

    A mask has the bits of the alternatives that a value leaves in: those whose test it passes, and all that do not
    mention the path, those to come too, which is why masks are negative.
    """

    __slots__ = ("_absent", "_budget", "_index", "_of_fields", "absent_mask", "memo", "mentioned", "reader")

    def __init__(self, path: DottedPath, budget: MemoBudget) -> None:
        self.mentioned = 0
        self.absent_mask = -1
        self.reader = LeafReader(path)
        self.memo: dict[Any, int] = {}
        self._absent = 0
        self._of_fields = 0
        self._budget = budget
        self._index = ValueIndex()

    def add(self, condition: Condition, bit: int) -> None:
        self._index.add(condition.test, bit)
        self.mentioned |= bit
        self._absent |= bit if condition.or_absent else 0
        self._of_fields |= 0 if condition.is_leaf else bit
        self._changed()

    def remove(self, condition: Condition, bit: int) -> None:
        self._index.remove(condition.test, bit)
        self.mentioned &= ~bit
        self._absent &= ~bit
        self._of_fields &= ~bit
        self._changed()

    def _changed(self) -> None:
        self.memo.clear()
        self.absent_mask = self._absent | ~self.mentioned

    def mask(self, leaf: Any) -> int:
        """Return the mask of a scalar, remembered by the budget."""
        key = leaf if type(leaf) is str else (type(leaf), leaf)
        found = self.memo.get(key)
        if found is None:
            found = self._index.bits(leaf) | ~self.mentioned
            self._budget.remember(self.memo, key, found)
        return found

    def mask_of_many(self, leaves: tuple[Any, ...]) -> int:
        """Return the mask of all leaves together, which is no proof yet: a field reader's tests are not even asked."""
        found = self._of_fields if leaves else self._of_fields | self._absent
        for leaf in leaves:
            found |= self.mask(leaf)
        return found | ~self.mentioned
