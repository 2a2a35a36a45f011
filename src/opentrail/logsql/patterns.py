"""Regular expressions and globs of queries, as the engine (RE2) reads them."""

import re
import warnings

from opentrail.logsql.errors import MalformedQuery
from opentrail.logsql.syntax import Span

MAX_NAMES = 50
"""Fields that one parse may make."""

_NAMED = re.compile(r"\(\?P?<([^>!=][^>]*)>")
_FLAGS = re.compile(r"\(\?[ims-]+[:)]|\(\?:")


def glob_expression(pattern: str) -> str:
    """Return the expression of a glob: each ``*`` is the shortest text up to what follows, a last one all the rest."""
    parts = pattern.split("*")
    expression = re.escape(parts[0])
    for at, part in enumerate(parts[1:], 1):
        is_last = at == len(parts) - 1 and not part
        expression += ("(.*)" if is_last else "(.*?)") + re.escape(part)
    return "(?s)" + expression


def read_expression(text: str, span: Span) -> tuple[str, tuple[str, ...]]:
    """Return an expression with a plain group for each named one and no other groups, and the names in order.

    Raises MalformedQuery for an expression that cannot be read, or has what the engine cannot do.
    """
    names: list[str] = []
    parts: list[str] = []
    at, is_in_class = 0, False
    while at < len(text):
        char = text[at]
        if char == "\\":
            _check_escape(text[at : at + 2], span)
            parts.append(text[at : at + 2])
            at += 2
            continue
        if char == "(" and not is_in_class:
            opened, at = _opened_group(text, at, names, span)
            parts.append(opened)
            continue
        if char == "+" and not is_in_class and parts and parts[-1] in ("*", "+", "?", "}"):
            raise MalformedQuery("the regular expression has a possessive quantifier", span.start, span.end)
        is_in_class = (is_in_class or char == "[") and char != "]"
        parts.append(char)
        at += 1
    expression = "".join(parts)
    _check(expression, span)
    if len(names) > MAX_NAMES:
        raise MalformedQuery(f"parse names more than {MAX_NAMES} fields", span.start, span.end)
    return expression, tuple(names)


def _check(expression: str, span: Span) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise MalformedQuery(f"the regular expression cannot be read: {error}", span.start, span.end) from None


def _opened_group(text: str, at: int, names: list[str], span: Span) -> tuple[str, int]:
    """Return how a group that opens at ``at`` is written for the engine, and where the text goes on."""
    if named := _NAMED.match(text, at):
        names.append(named[1])
        return "(", named.end()
    if flags := _FLAGS.match(text, at):
        return flags[0], flags.end()
    if text.startswith("(?", at):
        raise MalformedQuery("the regular expression has a group of a kind that is not supported", span.start, span.end)
    return "(?:", at + 1


def _check_escape(escape: str, span: Span) -> None:
    if len(escape) < 2 or escape[1] in "123456789kGgZ":
        raise MalformedQuery("the regular expression has an escape that is not supported", span.start, span.end)
