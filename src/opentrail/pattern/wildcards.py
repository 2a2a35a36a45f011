"""Wildcard expressions: ``*`` stands for any run of characters, a backslash for the next one itself."""

from collections.abc import Sequence

from opentrail.pattern.values import Glob, Wild

MAX_SHARED_STARTS = 4
"""How many stretches after wildcards may begin alike at one place of a value: more is what EventBridge calls too
complex (its recorded refusal has five, and ``a*:*:*:*:b`` is in use)."""

TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
    "wildcard character"
)


class InvalidWildcard(ValueError):
    """A wildcard expression that EventBridge refuses; the message is its reason."""


def parse_wildcard(text: str) -> Glob:
    """Return the test for a wildcard expression. Raises InvalidWildcard.

    Places in messages count from 1: EventBridge counts the quote before the value.
    """
    pieces: list[str | Wild] = []
    literal, place = "", 0
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 1
            if place >= len(text) or text[place] not in "*\\":
                raise InvalidWildcard(f"Invalid escape character at pos {place}")
            literal += text[place]
        elif character == "*":
            if text[place + 1 : place + 2] == "*":
                raise InvalidWildcard(f"Consecutive wildcard characters at pos {place + 1}")
            pieces += [literal, Wild.RUN] if literal else [Wild.RUN]
            literal = ""
        else:
            literal += character
        place += 1
    if literal:
        pieces.append(literal)
    return Glob(tuple(pieces))


def is_too_complex(glob: Glob) -> bool:
    """Say whether too many stretches after wildcards can be under way at once in some value."""
    stretches = [piece for before, piece in zip(glob.pieces, glob.pieces[1:], strict=False) if before is Wild.RUN]
    literals = [piece for piece in stretches if isinstance(piece, str)]
    return len(literals) > MAX_SHARED_STARTS and _most_shared(literals) > MAX_SHARED_STARTS


def _most_shared(literals: Sequence[str]) -> int:
    starts = [literal[0] for literal in literals]
    return max(starts.count(start) for start in set(starts))
