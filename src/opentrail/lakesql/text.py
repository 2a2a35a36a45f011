"""Names and strings as DuckDB reads them: the only two ways in which a caller's characters get into its text."""


def quoted_name(name: str) -> str:
    """Return ``name`` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(value: str) -> str:
    """Return ``value`` as a string literal; DuckDB knows no escapes in these but the doubled quote.

    A NUL, which DuckDB's parser would stop at, is put in by its number.
    """
    parts = [("'" + part.replace("'", "''") + "'") for part in value.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"
