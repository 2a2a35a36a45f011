"""Text patterns of policies: ``*`` (any run of characters), ``?`` (any one) and variables such as ``${aws:username}``.

Matching never backtracks further than to the last ``*``: a run of literal text is found by ``str.find``, a run with
``?`` by the bit-parallel Shift-And method, so the work grows with the length of the value times (length of the run /
word size), whatever the pattern.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Context = Mapping[str, tuple[str, ...]]
"""The request's condition keys, lower case, with their values; a key without values is as good as absent."""

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_BODY = re.compile(r"\s*([^\s,']+)\s*(?:,\s*'([^']*)'\s*)?")
_ESCAPES = {"*", "?", "$"}

_Wildcard = Literal["*", "?"]


@dataclass(frozen=True, slots=True)
class Variable:
    """``${key}`` or ``${key, 'default'}``; the key is in lower case."""

    key: str
    default: str | None

    def value(self, context: Context) -> str | None:
        """Return what the variable stands for; None when the request does not say, or says several things."""
        values = context.get(self.key, ())
        return values[0] if len(values) == 1 else self.default


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``*`` or ``?``."""

    sign: _Wildcard


Token = str | Wildcard | Variable


@dataclass(frozen=True)
class _Run:
    """What stands between two ``*``: literal chunks at their offsets, with any one character in the gaps."""

    chunks: tuple[tuple[int, str], ...]
    length: int

    def fits(self, value: str, start: int) -> bool:
        return start + self.length <= len(value) and all(
            value.startswith(chunk, start + offset) for offset, chunk in self.chunks
        )

    def end_of_first(self, value: str, start: int, stop: int) -> int:
        """Return where the first occurrence in ``value[start:stop]`` ends, -1 when there is none."""
        if not self.chunks:
            return start + self.length if start + self.length <= stop else -1
        if self.length == len(self.chunks[0][1]):
            found = value.find(self.chunks[0][1], start, stop)
            return found if found < 0 else found + self.length
        # Bit i of ``state`` says: the first i + 1 characters of the run end at this character of the value.
        masks, gaps, last = self._masks
        state = 0
        for index in range(start, stop):
            state = ((state << 1) | 1) & masks.get(value[index], gaps)
            if state & last:
                return index + 1
        return -1

    @cached_property
    def _masks(self) -> tuple[dict[str, int], int, int]:
        literal = {offset + index: char for offset, chunk in self.chunks for index, char in enumerate(chunk)}
        gaps = sum(1 << index for index in range(self.length) if index not in literal)
        masks: dict[str, int] = {}
        for index, char in literal.items():
            masks[char] = masks.get(char, gaps) | (1 << index)
        return masks, gaps, 1 << (self.length - 1)


class Glob:
    """A pattern without variables, ready to match."""

    def __init__(self, tokens: tuple[str | Wildcard, ...]) -> None:
        groups: list[list[str | Wildcard]] = [[]]
        for token in tokens:
            if token == _ANY:
                groups.append([])
            else:
                groups[-1].append(token)
        self._runs = tuple(_run(group) for group in groups)

    def matches(self, value: str) -> bool:
        """Say whether the whole of ``value`` fits, case-sensitively."""
        first, *middle = self._runs
        if not middle:
            return len(value) == first.length and first.fits(value, 0)
        last = middle.pop()
        stop = len(value) - last.length
        if not first.fits(value, 0) or first.length > stop or not last.fits(value, stop):
            return False
        position = first.length
        for run in middle:
            position = run.end_of_first(value, position, stop)
            if position < 0:
                return False
        return True


class Template:
    """A policy's text as written: tokens whose variables are filled in for each request."""

    def __init__(self, text: str, *, has_wildcards: bool, has_variables: bool) -> None:
        self._tokens = _tokens(text, has_wildcards, has_variables)
        self._glob = None if any(isinstance(token, Variable) for token in self._tokens) else Glob(_fixed(self._tokens))

    def matches(self, value: str, context: Context) -> bool:
        """Say whether ``value`` fits; never when a variable stands for nothing. What a variable stands for is
        literal, even where it holds ``*``."""
        if self._glob is not None:
            return self._glob.matches(value)
        filled = self._filled(context)
        return filled is not None and Glob(filled).matches(value)

    def text(self, context: Context) -> str | None:
        """Return the text with its variables filled in (for templates without wildcards), None as above."""
        filled = self._filled(context)
        return None if filled is None else "".join(token for token in filled if isinstance(token, str))

    def _filled(self, context: Context) -> tuple[str | Wildcard, ...] | None:
        filled = [token.value(context) if isinstance(token, Variable) else token for token in self._tokens]
        known = tuple(token for token in filled if token is not None)
        return known if len(known) == len(filled) else None


_ANY = Wildcard("*")
_ONE = Wildcard("?")


def _run(tokens: list[str | Wildcard]) -> _Run:
    chunks: list[tuple[int, str]] = []
    length = 0
    for token in tokens:
        if isinstance(token, Wildcard):
            length += 1
            continue
        if chunks and chunks[-1][0] + len(chunks[-1][1]) == length:
            offset, chunk = chunks.pop()
            chunks.append((offset, chunk + token))
        elif token:
            chunks.append((length, token))
        length += len(token)
    return _Run(tuple(chunks), length)


def _fixed(tokens: tuple[Token, ...]) -> tuple[str | Wildcard, ...]:
    return tuple(token for token in tokens if not isinstance(token, Variable))


def _tokens(text: str, has_wildcards: bool, has_variables: bool) -> tuple[Token, ...]:
    if not has_variables:
        return tuple(_plain(text, has_wildcards))
    tokens: list[Token] = []
    position = 0
    for found in _VARIABLE.finditer(text):
        variable = _variable(found[1])
        if variable is None:
            continue
        tokens += _plain(text[position : found.start()], has_wildcards)
        tokens.append(variable)
        position = found.end()
    return (*tokens, *_plain(text[position:], has_wildcards))


def _plain(text: str, has_wildcards: bool) -> list[str | Wildcard]:
    if not has_wildcards:
        return [text] if text else []
    return [{"*": _ANY, "?": _ONE}.get(part, part) for part in re.split(r"([*?])", text) if part]


def _variable(body: str) -> Token | None:
    """Return what ``${body}`` is: an escaped sign, a variable, or None when it is neither and stays as written."""
    if body in _ESCAPES:
        return body
    found = _VARIABLE_BODY.fullmatch(body)
    return None if found is None else Variable(found[1].lower(), found[2])
