"""A JSON text as the tokens AWS's services see, with the line and column that stand in their error messages.

The services parse with Jackson, token by token, so a fault is found only once the rule before it was read, and its
column is wherever the tokenizer then stands: past a name it has looked at the value's first character already, and a
string is read to its end only when somebody asks for it.
"""

import re
from typing import Literal

Token = Literal["{", "}", "[", "]", "name", "string", "integer", "float", "true", "false", "null", "end"]

NUMBERS: tuple[Token, ...] = ("integer", "float")

_SHOWN_SOURCE_CHARACTERS = 500
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_SPACES = (" ", "\t", "\r", "\n")
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[\w$]+")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_UNICODE_ESCAPE = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS: dict[str, Token] = {"true": "true", "false": "false", "null": "null"}


class InvalidJson(Exception):
    """The text is no JSON from here on; the message has the place."""


class JsonTokens:
    """A cursor over a JSON text: ``next`` steps, ``text`` is the current token's."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._place = 0
        self._containers: list[tuple[Token, int]] = []
        self._is_first = True
        self._ahead: Token | None = None
        self._unread_string = False
        self._text = ""

    def next(self) -> Token:
        """Step to the next token and return its kind: ``end`` after the last. Raises InvalidJson."""
        if self._ahead is not None:
            token, self._ahead = self._ahead, None
            return token
        self._finish_string()
        self._skip_space()
        if self._place >= len(self._source):
            return self._at_end()
        character = self._source[self._place]
        if not self._containers:
            return self._value()
        holder = self._containers[-1][0]
        if character == ("}" if holder == "{" else "]"):
            self._containers.pop()
            self._is_first = False
            return self._single(character)
        if not self._is_first:
            self._separator("Object" if holder == "{" else "Array")
        self._is_first = False
        return self._name() if holder == "{" else self._value()

    def text(self) -> str:
        """Return the current token's text: a string's or a name's value, a number as spelled."""
        self._finish_string()
        return self._text

    def place(self) -> str:
        """Return where the cursor stands, as error messages end with it."""
        return self._place_at(self._place)

    def fail(self, reason: str, at: int | None = None) -> InvalidJson:
        """Return the error with ``reason`` and a place."""
        return InvalidJson(reason + self._place_at(self._place if at is None else at))

    def _place_at(self, offset: int) -> str:
        source = self._source
        line = source.count("\n", 0, offset) + 1
        column = offset - (source.rfind("\n", 0, offset) + 1) + 1
        shown = f'"{source[:_SHOWN_SOURCE_CHARACTERS]}"'
        if len(source) > _SHOWN_SOURCE_CHARACTERS:
            shown += f"[truncated {len(source) - _SHOWN_SOURCE_CHARACTERS} chars]"
        return f"\n at [Source: (String){shown}; line: {line}, column: {column}]"

    def _skip_space(self) -> None:
        if self._source[self._place : self._place + 1] in _SPACES:
            found = _SPACE.match(self._source, self._place)
            self._place = found.end() if found else self._place

    def _at_end(self) -> Token:
        if not self._containers:
            return "end"
        holder, start = self._containers[-1]
        marker = self._place_at(start).strip().removeprefix("at ")
        kind = "Object" if holder == "{" else "Array"
        raise self.fail(f"Unexpected end-of-input: expected close marker for {kind} (start marker at {marker})")

    def _single(self, character: str) -> Token:
        self._place += 1
        self._text = character
        return character  # type: ignore[return-value]  # one of the four brackets

    def _unexpected(self, expected: str) -> InvalidJson:
        character = self._source[self._place]
        return self.fail(f"Unexpected character ('{character}' (code {ord(character)})): {expected}")

    def _separator(self, kind: str) -> None:
        if self._source[self._place] != ",":
            raise self._unexpected(f"was expecting comma to separate {kind} entries")
        self._place += 1
        self._skip_space()
        if self._place >= len(self._source):
            self._at_end()

    def _name(self) -> Token:
        if self._source[self._place] != '"':
            raise self._unexpected("was expecting double-quote to start field name")
        self._place += 1
        self._unread_string = True
        self._finish_string()
        name = self._text
        self._skip_space()
        if self._place >= len(self._source):
            self._at_end()
        if self._source[self._place] != ":":
            raise self._unexpected("was expecting a colon to separate field name and value")
        self._place += 1
        self._skip_space()
        if self._place >= len(self._source):
            self._at_end()
        self._ahead = self._value()
        self._name_text = name
        return "name"

    def name(self) -> str:
        """Return the name that ``next`` has just stepped on."""
        return self._name_text

    def _value(self) -> Token:
        character = self._source[self._place]
        if character in "{[":
            token: Token = "{" if character == "{" else "["
            self._containers.append((token, self._place))
            self._is_first = True
            return self._single(character)
        if character == '"':
            self._place += 1
            self._unread_string = True
            return "string"
        if character == "-" or character in "0123456789":
            return self._number()
        return self._literal()

    def _number(self) -> Token:
        found = _NUMBER.match(self._source, self._place)
        if found is None:
            self._place += 1
            raise self.fail("Unexpected character in numeric value: a digit must follow the minus sign")
        end = found.end()
        if end < len(self._source) and (self._source[end].isalnum() or self._source[end] in "._"):
            self._place = end
            raise self._unexpected("Expected space separating root-level values or a separator after the number")
        self._place, self._text = end, found.group()
        return "float" if found.group(1) or found.group(2) else "integer"

    def _literal(self) -> Token:
        word = _WORD.match(self._source, self._place)
        if word is None:
            raise self._unexpected(f"expected a valid value {_VALUES}")
        self._place, self._text = word.end(), word.group()
        if self._text not in _LITERALS:
            raise self.fail(f"Unrecognized token '{self._text}': was expecting {_VALUES}")
        return _LITERALS[self._text]

    def _finish_string(self) -> None:
        if not self._unread_string:
            return
        self._unread_string = False
        end = self._source.find('"', self._place)
        text = self._source[self._place : end]
        if end >= 0 and text.isascii() and text.isprintable() and "\\" not in text:
            self._text, self._place = text, end + 1
            return
        parts: list[str] = []
        while True:
            plain = _PLAIN.match(self._source, self._place)
            assert plain is not None
            parts.append(plain.group())
            self._place = plain.end()
            if self._place >= len(self._source):
                raise self.fail("Unexpected end-of-input: was expecting closing quote for a string value")
            character = self._source[self._place]
            if character == '"':
                break
            if character != "\\":
                code = f"(CTRL-CHAR, code {ord(character)})"
                raise self.fail(f"Illegal unquoted character ({code}): has to be escaped using backslash")
            parts.append(self._escape())
        self._place += 1
        self._text = _join_surrogates("".join(parts))

    def _escape(self) -> str:
        at = self._place + 1
        if at >= len(self._source):
            self._place = at
            raise self.fail("Unexpected end-of-input in character escape sequence")
        character = self._source[at]
        if character in _ESCAPES:
            self._place = at + 1
            return _ESCAPES[character]
        code = _UNICODE_ESCAPE.match(self._source, at + 1) if character == "u" else None
        if code is None:
            raise self.fail(f"Unrecognized character escape '{character}' (code {ord(character)})", at)
        self._place = code.end()
        return chr(int(code.group(), 16))


def _join_surrogates(text: str) -> str:
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
