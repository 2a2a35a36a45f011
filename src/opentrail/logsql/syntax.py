"""A query as a tree. Places are offsets into its text, for errors."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """From which character to which one (excluded) a part of the query stands."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name; ``segments`` are the parts between the dots."""

    name: str
    segments: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    """A number literal."""

    value: float
    span: Span


@dataclass(frozen=True, slots=True)
class Duration:
    """A count of a unit of time: ms, s, m, h, d, w, mo, q or y."""

    count: int
    unit: str
    span: Span


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression between slashes."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Function:
    """A function's call, its name in lower case; ``is_star`` for ``count(*)``."""

    name: str
    arguments: tuple["Expression", ...]
    span: Span
    is_star: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator over one or two operands: + - * / ^ % neg, = != < <= > >=, like, not; ``and``, ``or`` over many."""

    operator: str
    operands: tuple["Expression", ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Membership:
    """``operand in [options]``."""

    operand: "Expression"
    options: tuple["Expression", ...]
    span: Span


Expression = Field | Text | Number | Duration | Regex | Function | Operation | Membership


@dataclass(frozen=True, slots=True)
class Item:
    """An expression with the name it is shown under; ``is_named`` where the query gives one with ``as``."""

    expression: Expression
    label: str
    is_named: bool


@dataclass(frozen=True, slots=True)
class Fields:
    """``fields`` or, with ``is_display``, ``display``."""

    items: tuple[Item, ...]
    is_display: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """``filter``."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class Stats:
    """``stats ... by ...``."""

    items: tuple[Item, ...]
    groups: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of ``sort``."""

    expression: Expression
    is_descending: bool


@dataclass(frozen=True, slots=True)
class Sort:
    """``sort``."""

    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """``limit``."""

    count: int


@dataclass(frozen=True, slots=True)
class Dedup:
    """``dedup``."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Parse:
    """``parse``: an expression of the engine with a group for each name."""

    source: Expression
    expression: str
    names: tuple[str, ...]


Command = Fields | Filter | Stats | Sort | Limit | Dedup | Parse
