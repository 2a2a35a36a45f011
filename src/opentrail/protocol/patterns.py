r"""The models' patterns, which are Java's, as Python's: Unicode categories spelled out, surrogate pairs joined.

``\p{L}``, ``\P{M}``, ``\p{Print}`` and the like become character ranges (of the Basic Multilingual Plane and, for
letters and the rest, every plane above it as one), ``\uD800\uDC00-\uDBFF\uDFFF`` the range it means. Everything else
that Python reads is read alike; what it cannot read is no pattern.
"""

import re
import sys
import unicodedata
import warnings
from functools import cache

_PROPERTY = re.compile(r"\\([pP])(?:\{([A-Za-z_]+)\}|([A-Z]))")
_SURROGATE_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_BMP_END = 0xFFFF

_POSIX = {
    "Alnum": "0-9A-Za-z",
    "Alpha": "A-Za-z",
    "ASCII": r"\x00-\x7f",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "Digit": "0-9",
    "Graph": "!-~",
    "Lower": "a-z",
    "Print": " -~",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r"\t-\r ",
    "Upper": "A-Z",
    "XDigit": "0-9A-Fa-f",
}


@cache
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    r"""Return the pattern compiled (``\w`` and ``\d`` are ASCII, as in Java), or None when Python cannot say it."""
    try:
        text = _translate(pattern)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(text, re.ASCII)
    except (re.error, OverflowError, LookupError):
        return None


def _translate(pattern: str) -> str:
    pattern = _SURROGATE_PAIR.sub(_join_surrogates, pattern)
    parts: list[str] = []
    position, is_in_class = 0, False
    while position < len(pattern):
        match = _PROPERTY.match(pattern, position)
        if match is not None:
            ranges = _ranges(match.group(2) or match.group(3), is_negated=match.group(1) == "P")
            parts.append(ranges if is_in_class else f"[{ranges}]")
            position = match.end()
        elif pattern[position] == "\\":
            parts.append(pattern[position : position + 2])
            position += 2
        else:
            character = pattern[position]
            is_in_class = character == "[" or (is_in_class and character != "]")
            parts.append(character)
            position += 1
    return "".join(parts)


def _join_surrogates(match: re.Match[str]) -> str:
    high, low = int(match.group(1), 16), int(match.group(2), 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


@cache
def _ranges(name: str, *, is_negated: bool) -> str:
    if name in _POSIX:
        if is_negated:
            raise LookupError(name)
        return _POSIX[name]
    category = name.removeprefix("Is")
    if len(category) > 2 or category[:1] not in "LMNPSZC":
        raise LookupError(name)
    ranges: list[str] = []
    start: int | None = None
    for code in range(_BMP_END + 2):
        is_inside = code <= _BMP_END and unicodedata.category(chr(code)).startswith(category) != is_negated
        if is_inside and start is None:
            start = code
        elif not is_inside and start is not None:
            ranges.append(f"\\u{start:04x}-\\u{code - 1:04x}")
            start = None
    return "".join(ranges) + f"\\U00010000-\\U{sys.maxunicode:08x}"
