"""Texts and names as the engine reads them: the only ways in which a query's characters get into a statement."""


def quoted_text(value: str) -> str:
    """Return ``value`` as a string literal. A NUL, which the engine's parser would stop at, is put in by its number."""
    parts = [("'" + part.replace("'", "''") + "'") for part in value.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"


def quoted_number(value: float) -> str:
    """Return a finite number as a literal of the engine's DOUBLE."""
    return f"CAST('{value!r}' AS DOUBLE)"
