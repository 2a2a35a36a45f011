"""The words of a query: names, texts, numbers, durations, symbols, and regular expressions where the parser asks."""

import re
from dataclasses import dataclass
from enum import StrEnum

from opentrail.logsql.errors import MalformedQuery, line_and_column


class TokenKind(StrEnum):
    """What a token is."""

    NAME = "name"
    TEXT = "text"
    NUMBER = "number"
    DURATION = "duration"
    SYMBOL = "symbol"
    REGEX = "regular expression"
    END = "end of the query"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its value (a name without backticks, a text without quotes and escapes) and where it stands.

    ``segments`` are the parts of a dotted name. A name with backticks is never a keyword (``is_quoted``).
    """

    kind: TokenKind
    value: str
    start: int
    end: int
    segments: tuple[str, ...] = ()
    is_quoted: bool = False


_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_SEGMENT = re.compile(r"[\w$]+", re.UNICODE)
_NAME_START = re.compile(r"@*[^\W\d][\w$]*|@+\w+|`", re.UNICODE)
_INDEX = re.compile(r"\[(\d{1,9})\]", re.ASCII)
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)([A-Za-z_]\w*)?", re.ASCII)
_SYMBOLS = ("!=", "<=", ">=", "=~", "==", "=", "<", ">", "+", "-", "*", "/", "^", "%", "(", ")", "[", "]", ",", "|")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_NEVER_INDEXED = frozenset({"in"})


class Tokens:
    """Reads a query token by token. Raises MalformedQuery at what is no token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._at = 0
        self._held: Token | None = None
        self.last_end = 0

    def peek(self) -> Token:
        """Return the next token and stay before it."""
        if self._held is None:
            self._held = self._read()
        return self._held

    def next(self) -> Token:
        """Return the next token and go past it."""
        token = self.peek()
        self._held = None
        self._at = self.last_end = token.end
        return token

    def take_regex(self) -> Token | None:
        """Return the regular expression between slashes that stands next, None where none does."""
        if self.peek().value != "/" or self.peek().kind is not TokenKind.SYMBOL:
            return None
        start = self.peek().start
        at, is_in_class = start + 1, False
        while at < len(self.text):
            char = self.text[at]
            if char == "\\":
                at += 1
            elif char == "[":
                is_in_class = True
            elif char == "]":
                is_in_class = False
            elif char == "/" and not is_in_class:
                self._held = None
                self._at = self.last_end = at + 1
                return Token(TokenKind.REGEX, self.text[start + 1 : at].replace("\\/", "/"), start, at + 1)
            at += 1
        raise MalformedQuery("unclosed regular expression", start, len(self.text))

    def unexpected(self, token: Token) -> MalformedQuery:
        """Return the error for a token that cannot stand where it does."""
        if token.kind is TokenKind.END:
            return MalformedQuery("unexpected end of the query", token.start, token.end)
        line, column = line_and_column(self.text, token.start)
        shown = self.text[token.start : token.end][:100]
        return MalformedQuery(
            f"unexpected symbol found {shown} at line {line} and position {column}", token.start, token.end
        )

    def _read(self) -> Token:
        blank = _BLANK.match(self.text, self._at)
        assert blank is not None
        start = blank.end()
        if start >= len(self.text):
            return Token(TokenKind.END, "", len(self.text), len(self.text))
        char = self.text[start]
        if char in "'\"":
            return self._read_text(start, char)
        if number := _NUMBER.match(self.text, start):
            kind = TokenKind.DURATION if number[2] else TokenKind.NUMBER
            return Token(kind, number[0], start, number.end())
        if _NAME_START.match(self.text, start):
            return self._read_name(start)
        for symbol in _SYMBOLS:
            if self.text.startswith(symbol, start):
                return Token(TokenKind.SYMBOL, symbol, start, start + len(symbol))
        raise self.unexpected(Token(TokenKind.SYMBOL, char, start, start + 1))

    def _read_text(self, start: int, quote: str) -> Token:
        parts, at = list[str](), start + 1
        while at < len(self.text):
            char = self.text[at]
            if char == quote:
                return Token(TokenKind.TEXT, "".join(parts), start, at + 1)
            if char == "\\" and at + 1 < len(self.text):
                at += 1
                escaped = self.text[at]
                parts.append(_ESCAPES.get(escaped, escaped if escaped in "\\'\"" else "\\" + escaped))
            else:
                parts.append(char)
            at += 1
        raise MalformedQuery("unclosed string", start, len(self.text))

    def _read_name(self, start: int) -> Token:
        segments: list[str] = []
        at, is_quoted = start, False
        while True:
            if self.text.startswith("`", at):
                end = self.text.find("`", at + 1)
                if end <= at + 1:
                    raise MalformedQuery("unclosed or empty name in backticks", at, len(self.text))
                segments.append(self.text[at + 1 : end])
                at, is_quoted = end + 1, True
            else:
                found = (_SEGMENT if segments else _NAME_START).match(self.text, at)
                if found is None:
                    raise self.unexpected(Token(TokenKind.SYMBOL, ".", at - 1, at))
                segments.append(found[0])
                at = found.end()
            while segments[-1].lower() not in _NEVER_INDEXED and (index := _INDEX.match(self.text, at)):
                segments.append(index[1])
                at = index.end()
            if not self.text.startswith(".", at):
                return Token(TokenKind.NAME, ".".join(segments), start, at, tuple(segments), is_quoted)
            at += 1
