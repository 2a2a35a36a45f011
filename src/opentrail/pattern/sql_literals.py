"""Values inside SQL: the only way by which anything of a rule gets into a statement."""


def text_literal(text: str) -> str:
    """Return a text as a SQL literal. A NUL, which SQL text cannot hold, is written as ``chr(0)``; half a surrogate
    pair is no character and becomes a question mark."""
    known = text.encode("utf-8", "replace").decode()
    parts = [f"'{part.replace(chr(39), chr(39) * 2)}'" for part in known.split("\x00")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


def expression_literal(text: str) -> str:
    r"""Return a text as RE2 reads it literally, its ASCII punctuation escaped and a NUL spelled ``\x00``."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character == "\x00":
        return r"\x00"
    return f"\\{character}" if character.isascii() and not character.isalnum() and character != "_" else character
