"""Values put in the place of a statement's question marks, each as a string literal."""

import re
from collections.abc import Sequence

from opentrail.lakesql.errors import InvalidStatement

MAX_PARAMETERS = 10
"""The bound of StartQuery's QueryParameters."""

_LEXEMES = re.compile(r"""(?P<mark>'\?'|\?)|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)


def bind(statement: str, values: Sequence[str]) -> str:
    """Return a statement with its question marks, bare or within quotes of their own (``'?'``), replaced in order.

    A value is never more than a string: what it says is not read as SQL. Raises InvalidStatement where there are not as
    many marks as values.
    """
    marks = [found for found in _LEXEMES.finditer(statement) if found["mark"]]
    if len(marks) != len(values):
        raise InvalidStatement(f"The query statement has {len(marks)} parameters, and {len(values)} are given.")
    pieces, last = [], 0
    for mark, value in zip(marks, values, strict=True):
        pieces += [statement[last : mark.start()], "'" + value.replace("'", "''") + "'"]
        last = mark.end()
    return "".join([*pieces, statement[last:]])
