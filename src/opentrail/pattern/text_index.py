"""From a value to the rules whose test on it holds, for many tests on one path at once.

Rules are bits of an integer. Texts are found by look-up: exact ones, prefixes and suffixes in dictionaries, wildcards
by three letters of their longest literal, networks by their mask; only what is found so is asked. What has none of
these forms is asked one by one, once for each distinct value while the memo holds it.
"""

from collections.abc import Callable, Iterator
from typing import Any

from opentrail.pattern.value_matcher import ValueMatcher, compile_test
from opentrail.pattern.values import (
    ANYTHING,
    AnythingAsText,
    Compare,
    CompareInteger,
    Contains,
    EndsWith,
    Folded,
    Glob,
    InNetwork,
    Is,
    NoTest,
    NumbersAsText,
    SomeTest,
    StartsWith,
    Test,
    TextIn,
    address_of,
    fold,
)

MEMO_BYTES = 32 << 20
"""What all memos of a set of rules may hold together, by estimate; when they are full they start again."""

MAX_MEMO_CHARACTERS = 1_000
"""A longer text is not remembered."""

_GRAM = 3
_ENTRY_BYTES = 120


class MemoBudget:
    """What the memos that share it may still hold."""

    def __init__(self, limit_bytes: int = MEMO_BYTES) -> None:
        self._limit = limit_bytes
        self._left = limit_bytes
        self._memos: list[dict[Any, Any]] = []

    def spend(self, memo: dict[Any, Any], entry_bytes: int) -> None:
        """Count an entry that goes into ``memo``; empties all memos when it is one too many."""
        self._left -= entry_bytes
        if self._left < 0:
            for known in self._memos:
                known.clear()
            self._memos.clear()
            self._left = self._limit
        if not memo:
            self._memos.append(memo)

    def remember(self, memo: dict[Any, int], key: Any, bits: int) -> None:
        """Put a value's bits into ``memo``, unless the value is too long to be worth it."""
        characters = len(key) if type(key) is str else 0
        if characters <= MAX_MEMO_CHARACTERS:
            self.spend(memo, _ENTRY_BYTES + characters + bits.bit_length() // 8)
            memo[key] = bits


class ValueIndex:
    """The tests of many rules on one path: ``add`` and ``remove`` a rule's test, ``bits`` of a value's rules."""

    def __init__(self) -> None:
        self._tests: dict[Test, int] = {}
        self._compiled: dict[Test, ValueMatcher] = {}
        self._holding = _Atoms()
        self._excluding = _Atoms()
        self._excluders = 0

    def add(self, test: Test, bit: int) -> None:
        """Let ``bit`` be set for values that pass ``test``."""
        self._change(test, lambda bits: bits | bit)

    def remove(self, test: Test, bit: int) -> None:
        """Undo ``add``."""
        self._change(test, lambda bits: bits & ~bit)

    def bits(self, value: Any) -> int:
        """Return the bits of the rules whose test the scalar ``value`` passes."""
        return self._text_bits(value) if type(value) is str else self._other_bits(value)

    def _text_bits(self, text: str) -> int:
        found = self._holding.bits(text)
        if self._excluders:
            found |= self._excluders & ~self._excluding.bits(text)
        return found

    def _other_bits(self, value: Any) -> int:
        found = 0
        for test, bits in self._tests.items():
            holds = self._compiled.get(test)
            if holds is None:
                holds = self._compiled[test] = compile_test(test)
            if holds(value):
                found |= bits
        return found

    def _change(self, test: Test, change: Callable[[int], int]) -> None:
        bits = change(self._tests.get(test, 0))
        if bits:
            self._tests[test] = bits
        else:
            self._tests.pop(test, None)
            self._compiled.pop(test, None)
        holding, excluding = _split(test)
        for atom in holding:
            self._holding.change(atom, change)
        if excluding is not None:
            self._excluders = change(self._excluders)
            for atom in excluding:
                self._excluding.change(atom, change)


_Atom = tuple[Test, bool]
"""A test on a text, and whether the text is folded before."""


def _split(test: Test) -> tuple[list[_Atom], list[_Atom] | None]:
    """Return the atoms of which one must hold for a text, and those of which none may (None: no such part)."""
    holding: list[_Atom] = []
    excluding: list[_Atom] | None = None
    for part, is_folded in _parts(test, is_folded=False):
        if not isinstance(part, NoTest) or is_folded:
            holding.append((part, is_folded))
            continue
        inner = list(_parts(part.part, is_folded=False))
        if excluding is not None or any(isinstance(one, NoTest) for one, _ in inner):
            return [(test, False)], None
        excluding = inner
    return holding, excluding


def _parts(test: Test, *, is_folded: bool) -> Iterator[_Atom]:
    """Yield the parts of a disjunction as they are for texts, which hold for no number, literal or wrapper."""
    match test:
        case SomeTest(parts):
            for part in parts:
                yield from _parts(part, is_folded=is_folded)
        case AnythingAsText(part) | NumbersAsText(part):
            yield from _parts(part, is_folded=is_folded)
        case Folded(part) if not is_folded:
            yield from _parts(part, is_folded=True)
        case Is() | Compare() | CompareInteger():
            return
        case _:
            yield test, is_folded


class _Atoms:
    """A disjunction of atoms, each with its bits."""

    def __init__(self) -> None:
        self._plain = _Texts()
        self._folded = _Texts()
        self._addresses: dict[tuple[int, int], int] = {}
        self._networks: dict[tuple[int, int], dict[int, int]] = {}
        self._always = 0

    def change(self, atom: _Atom, change: Callable[[int], int]) -> None:
        test, is_folded = atom
        if isinstance(test, InNetwork) and not is_folded and _mask(test) is not None:
            self._change_network(test, change)
        elif test == ANYTHING:
            self._always = change(self._always)
        else:
            (self._folded if is_folded else self._plain).change(test, change)

    def bits(self, text: str) -> int:
        found = self._always | self._plain.bits(text)
        if self._folded.is_used:
            found |= self._folded.bits(fold(text))
        if (self._addresses or self._networks) and (address := address_of(text)) is not None:
            version, number = address
            found |= self._addresses.get(address, 0)
            for (of_version, hosts), networks in self._networks.items():
                if of_version == version:
                    found |= networks.get(number >> hosts, 0)
        return found

    def _change_network(self, test: InNetwork, change: Callable[[int], int]) -> None:
        hosts = _mask(test)
        assert hosts is not None
        if hosts == 0:
            _change_entry(self._addresses, (test.version, test.first), change)
            return
        key = (test.version, hosts)
        networks = self._networks.setdefault(key, {})
        _change_entry(networks, test.first >> hosts, change)
        if not networks:
            del self._networks[key]


def _mask(test: InNetwork) -> int | None:
    """Return how many low bits of an address a network leaves open, None for a range that is no network."""
    size = test.last - test.first + 1
    hosts = size.bit_length() - 1
    return hosts if size == 1 << hosts and test.first % size == 0 else None


def _change_entry(entries: dict[Any, int], key: Any, change: Callable[[int], int]) -> int:
    """Change the bits of a key; return 1 when it is new, -1 when it is gone, else 0."""
    before = entries.get(key, 0)
    bits = change(before)
    if bits:
        entries[key] = bits
    else:
        entries.pop(key, None)
    return bool(bits) - bool(before)


class _Lengths:
    """How long the texts of a dictionary are; ``known`` in ascending order."""

    __slots__ = ("_counts", "known")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.known: tuple[int, ...] = ()

    def count(self, text: str, by: int) -> None:
        """Count a text that came (1) or went (-1)."""
        if by:
            left = self._counts.get(len(text), 0) + by
            if left == 0:
                del self._counts[len(text)]
            else:
                self._counts[len(text)] = left
            if left == 0 or left == by:
                self.known = tuple(sorted(self._counts))


class _Texts:
    """Tests on texts as they are given."""

    def __init__(self) -> None:
        self._exact: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._start_lengths = _Lengths()
        self._end_lengths = _Lengths()
        self._grams: dict[str, dict[Test, int]] = {}
        self._gram_lengths = _Lengths()
        self._others: dict[Test, int] = {}
        self._compiled: dict[Test, ValueMatcher] = {}
        self.is_used = False

    def change(self, test: Test, change: Callable[[int], int]) -> None:
        self.is_used = True
        match test:
            case TextIn(values):
                for value in values:
                    _change_entry(self._exact, value, change)
            case StartsWith(prefixes):
                for prefix in prefixes:
                    self._start_lengths.count(prefix, _change_entry(self._starts, prefix, change))
            case EndsWith(suffixes):
                for suffix in suffixes:
                    self._end_lengths.count(suffix, _change_entry(self._ends, suffix, change))
            case _:
                self._change_asked(test, change)

    def bits(self, text: str) -> int:
        found = self._exact.get(text, 0)
        for length in self._start_lengths.known:
            if length > len(text):
                break
            found |= self._starts.get(text[:length], 0)
        for length in self._end_lengths.known:
            if length > len(text):
                break
            found |= self._ends.get(text[len(text) - length :], 0)
        compiled = self._compiled
        for length in self._gram_lengths.known:
            for gram in {text[place : place + length] for place in range(len(text) - length + 1)}:
                for test, bits in self._grams.get(gram, _NO_TESTS).items():
                    if compiled[test](text):
                        found |= bits
        for test, bits in self._others.items():
            if compiled[test](text):
                found |= bits
        return found

    def _change_asked(self, test: Test, change: Callable[[int], int]) -> None:
        gram = _gram_of(test)
        if gram is not None and gram not in self._grams:
            self._gram_lengths.count(gram, 1)
        holders = self._others if gram is None else self._grams.setdefault(gram, {})
        _change_entry(holders, test, change)
        if test in holders:
            self._compiled.setdefault(test, compile_test(test))
        else:
            self._compiled.pop(test, None)
        if gram is not None and not holders:
            del self._grams[gram]
            self._gram_lengths.count(gram, -1)


_NO_TESTS: dict[Test, int] = {}


def _gram_of(test: Test) -> str | None:
    """Return letters that every text passing ``test`` has, the last ones of its longest literal; None without any."""
    match test:
        case Glob(pieces):
            literals = [piece for piece in pieces if isinstance(piece, str)]
        case Contains((only,)):
            literals = [only]
        case _:
            return None
    longest = max(literals, key=len, default="")
    return longest[-_GRAM:] or None
