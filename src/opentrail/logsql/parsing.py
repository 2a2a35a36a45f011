"""A query's text as a list of commands."""

from collections.abc import Callable

from opentrail.logsql.errors import MalformedQuery
from opentrail.logsql.expression_parsing import ExpressionParser
from opentrail.logsql.patterns import glob_expression, read_expression
from opentrail.logsql.syntax import (
    Command,
    Dedup,
    Expression,
    Field,
    Fields,
    Filter,
    Item,
    Limit,
    Parse,
    Sort,
    SortKey,
    Span,
    Stats,
)
from opentrail.logsql.tokens import Token, TokenKind, Tokens

MAX_QUERY_CHARACTERS = 10_000
"""CloudWatch Logs' own bound."""

MAX_COMMANDS = 60
MAX_STATS = 2
MAX_LIMIT = 100_000

UNSUPPORTED = frozenset(
    {
        *("source", "filterindex", "pattern", "diff", "unmask", "anomaly", "unnest", "lookup", "join", "addtotals"),
        *("search", "head", "tail", "where"),
    }
)
"""Commands of CloudWatch Logs, in its documents or only in its grammar, that are refused by name."""

_MESSAGE = Field("@message", ("@message",), Span(0, 0))


def parse_query(text: str) -> tuple[Command, ...]:
    """Return the commands of a query in order. Raises MalformedQuery."""
    if len(text) > MAX_QUERY_CHARACTERS:
        raise MalformedQuery(
            f"the query has more than {MAX_QUERY_CHARACTERS} characters", MAX_QUERY_CHARACTERS, len(text)
        )
    return _QueryParser(text).query()


class _QueryParser(ExpressionParser):
    def __init__(self, text: str) -> None:
        super().__init__(Tokens(text))
        self._commands: dict[str, Callable[[], Command]] = {
            "fields": lambda: Fields(self._items(), is_display=False),
            "display": lambda: Fields(self._items(), is_display=True),
            "filter": lambda: Filter(self.expression()),
            "stats": self._stats,
            "sort": self._sort,
            "order": self._sort,
            "limit": self._limit,
            "parse": self._parse,
            "dedup": self._dedup,
        }

    def query(self) -> tuple[Command, ...]:
        commands: list[Command] = []
        while True:
            start = self.tokens.peek()
            commands.append(self._command(start))
            self._check_order(commands, start)
            token = self.tokens.next()
            if token.kind is TokenKind.END:
                return tuple(commands)
            if token.value != "|" or token.kind is not TokenKind.SYMBOL:
                raise self.tokens.unexpected(token)

    def _command(self, token: Token) -> Command:
        word = token.value.lower()
        if token.kind is not TokenKind.NAME or token.is_quoted:
            raise self.tokens.unexpected(token)
        if word in UNSUPPORTED:
            raise MalformedQuery(f"the command {word} is not supported here", token.start, token.end)
        if word not in self._commands:
            raise self.tokens.unexpected(token)
        self.tokens.next()
        if word == "order" and self.is_word("by"):
            self.tokens.next()
        return self._commands[word]()

    def _check_order(self, commands: list[Command], start: Token) -> None:
        where = (start.start, self.tokens.last_end)
        if len(commands) > MAX_COMMANDS:
            raise MalformedQuery(f"the query has more than {MAX_COMMANDS} commands", *where)
        if sum(isinstance(command, Stats) for command in commands) > MAX_STATS:
            raise MalformedQuery(f"the query has more than {MAX_STATS} stats commands", *where)
        is_behind_dedup = any(isinstance(command, Dedup) for command in commands[:-1])
        if is_behind_dedup and not isinstance(commands[-1], Limit):
            raise MalformedQuery("only limit may follow dedup", *where)

    def _items(self) -> tuple[Item, ...]:
        items = [self._item()]
        while self.is_symbol(","):
            self.tokens.next()
            items.append(self._item())
        return tuple(items)

    def _item(self) -> Item:
        expression = self.expression()
        if self.is_word("as"):
            self.tokens.next()
            return Item(expression, self.field().name, is_named=True)
        return Item(expression, self._label(expression), is_named=False)

    def _label(self, expression: Expression) -> str:
        if isinstance(expression, Field):
            return expression.name
        return self.tokens.text[expression.span.start : expression.span.end]

    def _stats(self) -> Stats:
        items, groups = self._items(), tuple[Item, ...]()
        if self.is_word("by"):
            self.tokens.next()
            groups = self._items()
        return Stats(items, groups)

    def _sort(self) -> Sort:
        keys = [self._sort_key()]
        while self.is_symbol(","):
            self.tokens.next()
            keys.append(self._sort_key())
        return Sort(tuple(keys))

    def _sort_key(self) -> SortKey:
        expression, is_descending = self.expression(), self.is_word("desc")
        if self.is_word("asc", "desc"):
            self.tokens.next()
        return SortKey(expression, is_descending)

    def _limit(self) -> Limit:
        token = self.tokens.next()
        if token.kind is not TokenKind.NUMBER or not token.value.isdecimal():
            raise self.tokens.unexpected(token)
        if not 0 < int(token.value) <= MAX_LIMIT:
            raise MalformedQuery(f"a limit is from 1 to {MAX_LIMIT}", token.start, token.end)
        return Limit(int(token.value))

    def _dedup(self) -> Dedup:
        fields = [self.field()]
        while self.is_symbol(","):
            self.tokens.next()
            fields.append(self.field())
        return Dedup(tuple(fields))

    def _parse(self) -> Parse:
        source: Expression = _MESSAGE
        if self.tokens.peek().kind is TokenKind.NAME:
            source = self.field_or_call()
        regex = self.take_regex()
        if regex is not None:
            expression, names = read_expression(regex.value, regex.span)
            if not names:
                raise MalformedQuery("the regular expression of parse names no group", regex.span.start, regex.span.end)
            return Parse(source, expression, names)
        pattern = self.tokens.next()
        if pattern.kind is not TokenKind.TEXT:
            raise self.tokens.unexpected(pattern)
        if not self.is_word("as"):
            raise self.tokens.unexpected(self.tokens.peek())
        self.tokens.next()
        names = self._names()
        if pattern.value.count("*") != len(names):
            raise MalformedQuery(
                f"parse has {pattern.value.count('*')} wildcards and {len(names)} names", pattern.start, pattern.end
            )
        return Parse(source, glob_expression(pattern.value), names)

    def _names(self) -> tuple[str, ...]:
        names = [self.field().name]
        while self.is_symbol(","):
            self.tokens.next()
            names.append(self.field().name)
        return tuple(names)
