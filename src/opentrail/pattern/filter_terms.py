"""Unstructured filter patterns: terms that a message must contain, must not (``-``) or may (``?``), or one ``%re%``.

Plain terms are joined by AND, ``?`` terms by OR among themselves; a single plain or ``-`` term makes all ``?`` terms
idle (as CloudWatch Logs has it). The view of a message is its text.
"""

import re

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.filter_operands import GENERIC, checked_expression, invalid_term, unquoted
from opentrail.pattern.ir import Field, Not, Predicate, all_of
from opentrail.pattern.values import Contains, Search

_TERM = re.compile(r"""\s*(?P<mark>[-?]?)(?:(?P<quoted>"(?:\\.|[^"\\])*")|(?P<word>[\w.]+))""", re.DOTALL)
_SPACE = re.compile(r"\s*")


def parse_term_filter(text: str) -> Predicate:
    """Return the predicate over the message's text. Raises InvalidFilterPattern."""
    wanted: list[Predicate] = []
    optional: list[str] = []
    place = 0
    end = len(text.rstrip())
    while place < end:
        found = _TERM.match(text, place)
        if found is None:
            start = _SPACE.match(text, place)
            raise invalid_term(_bad_term(text, start.end() if start else place))
        if found["quoted"] is not None and found.end() < end and text[found.end()] not in " \t\r\n-?":
            raise InvalidFilterPattern(GENERIC)
        place = found.end()
        term = found["word"] or unquoted(found["quoted"])
        if not term:
            raise invalid_term(found["quoted"])
        if found["mark"] == "?":
            optional.append(term)
        else:
            test = Field((), Contains((term,)))
            wanted.append(Not(test) if found["mark"] == "-" else test)
    if optional and not wanted:
        return Field((), Contains(tuple(optional)))
    return all_of(wanted)


def parse_expression_filter(expression: str) -> Predicate:
    """Return the predicate of ``%expression%``, over the message's text. Raises InvalidFilterPattern."""
    first, closing, behind = expression.partition("%")
    if closing:
        checked_expression(first)
        raise invalid_term(behind[:1] or "%")
    return Field((), Search(checked_expression(expression)))


def _bad_term(text: str, place: int) -> str:
    if text[place] in "-?" and text[place + 1 : place + 2].strip():
        place += 1
    return text[place] if text[place] != '"' else text[place:].split("\n")[0]
