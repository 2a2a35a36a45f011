"""From a statement's text to its syntax tree: one SELECT within the bounds below.

SQLGlot parses Trino's grammar. It is told to know no function by name, so that every call stays as it was written
and is judged by the allow-list; only forms with a grammar of their own (CAST, EXTRACT, TRIM ...) are parsed as such.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser

from opentrail.lakesql.errors import InvalidStatement, Place

MAX_STATEMENT_CHARACTERS = 10_000
"""The bound of StartQuery's QueryStatement."""

MAX_NESTING = 48
"""How deep parentheses and brackets may nest: the parser's work grows with the depth, and it recurses."""

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ARN = rf"arn:[a-z-]+:cloudtrail:[a-z0-9-]+:\d{{12}}:eventdatastore/{_UUID}"
_LEXEMES = re.compile(
    rf"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|(?P<reference>(?<![\w.$:/-])(?:{_ARN}|{_UUID})(?![\w-]))"""
    r"""|(?P<bracket>[(\[{])|(?P<close>[)\]}])|(?P<case>\bcase\b)|(?P<end>\bend\b)""",
    re.DOTALL | re.IGNORECASE,
)


class _LakeDialect(Trino):
    """Trino's grammar with functions left as they were written, and indexes as they were counted."""

    INDEX_OFFSET = 0

    class Parser(TrinoParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parse
            for name, parse in TrinoParser.FUNCTION_PARSERS.items()
            if name in ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "SUBSTRING", "POSITION", "LISTAGG")
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement, and how places in what was parsed map to places in what was written."""

    query: exp.Expression
    written: str
    _quoted_at: tuple[int, ...]

    def place(self, node: exp.Expression) -> Place | None:
        """Return where ``node`` begins in the statement as it was written, None when the parser did not note it."""
        start = min((part.meta["start"] for part in node.walk() if "start" in part.meta), default=None)
        return None if start is None else _place(self.written, start - bisect_right(self._quoted_at, start - 1))


def parse(statement: str) -> Statement:
    """Parse one SELECT, WITH ... SELECT or set operation; raises InvalidStatement for anything else."""
    if len(statement) > MAX_STATEMENT_CHARACTERS:
        raise InvalidStatement(f"The query statement is longer than {MAX_STATEMENT_CHARACTERS} characters.")
    text, quoted_at = _quote_references(statement)
    trees = _parse_text(text, statement, quoted_at)
    if len(trees) != 1 or trees[0] is None:
        raise InvalidStatement("Exactly one SELECT statement is expected.")
    tree = trees[0]
    if isinstance(tree, exp.Subquery) and not set(_given(tree)) - {"this"}:
        tree = tree.this
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        raise InvalidStatement(f"Only SELECT statements are supported, not {_statement_name(tree)}.")
    return Statement(tree, statement, quoted_at)


def _given(node: exp.Expression) -> list[str]:
    return [name for name, value in node.args.items() if value]


def _statement_name(tree: exp.Expression) -> str:
    if isinstance(tree, exp.Command):
        return str(tree.this).upper()
    return "VALUES" if isinstance(tree, exp.Values) else re.sub(r"(?<!^)(?=[A-Z])", " ", type(tree).__name__).upper()


def _parse_text(text: str, written: str, quoted_at: tuple[int, ...]) -> list[Any]:
    try:
        return list(sqlglot.parse(text, read=_LakeDialect))
    except ParseError as error:
        raise _syntax_error(error, text, written, quoted_at) from error
    except TokenError as error:
        raise InvalidStatement("The statement ends within a string, a quoted name or a comment.") from error
    except RecursionError as error:
        raise InvalidStatement("The statement is nested too deeply.") from error


def _syntax_error(error: ParseError, text: str, written: str, quoted_at: tuple[int, ...]) -> InvalidStatement:
    token, start = _offending(error, text)
    if start is None:
        return InvalidStatement(f"mismatched input '{token}'")
    if not text[start + len(token) :].strip("; \t\r\n") and _is_unfinished(text, start):
        token, start = "<EOF>", len(text.rstrip("; \t\r\n"))
    return InvalidStatement(f"mismatched input '{token}'", _place(written, start - bisect_right(quoted_at, start - 1)))


def _offending(error: ParseError, text: str) -> tuple[str, int | None]:
    """Return the token that the parser names, and where in the text it begins; None when it does not say."""
    details = error.errors[0] if error.errors else {}
    token = str(details.get("highlight") or "<EOF>")
    line, column = details.get("line"), details.get("col")
    if line is None or column is None:
        return token, None
    end = sum(len(one) + 1 for one in text.split("\n")[: line - 1]) + column
    return token, max(0, end - len(token))


def _is_unfinished(text: str, start: int) -> bool:
    """Say whether the parser names the last token, which begins at ``start``, because it misses what comes next."""
    try:
        sqlglot.parse(text.rstrip("; \t\r\n") + "\nx", read=_LakeDialect)
    except ParseError as error:
        return (_offending(error, text + "\nx")[1] or 0) > start
    except (TokenError, RecursionError):
        return False
    return True


def _place(written: str, offset: int) -> Place:
    before = written[: max(0, offset)]
    return Place(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def _quote_references(statement: str) -> tuple[str, tuple[int, ...]]:
    """Put double quotes around bare store ids and ARNs; return the places of the quotes in the new text too."""
    pieces: list[str] = []
    quoted_at: list[int] = []
    last = length = depth = 0
    for match in _LEXEMES.finditer(statement):
        depth = _depth(depth, match)
        if match["reference"] is None:
            continue
        before = statement[last : match.start()]
        quoted_at += [length + len(before), length + len(before) + 1 + len(match[0])]
        pieces += [before, f'"{match[0]}"']
        length += len(before) + len(match[0]) + 2
        last = match.end()
    pieces.append(statement[last:])
    return "".join(pieces), tuple(quoted_at)


def _depth(depth: int, match: re.Match[str]) -> int:
    if match["bracket"] or match["case"]:
        depth += 1
    elif match["close"] or match["end"]:
        depth = max(0, depth - 1)
    if depth > MAX_NESTING:
        raise InvalidStatement(f"The statement is nested more than {MAX_NESTING} levels deep.")
    return depth
