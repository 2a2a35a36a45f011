"""What a function of the lake's SQL is: its parameters, the type of its result, and the DuckDB text of a call.

A parameter's kind is one of KINDS; ``any*`` and ``text*`` at the end stand for one or more. Templates name arguments by
place (``{0}``), all of them as ``{args}``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opentrail.lakesql.types import BOOLEAN, JSON, UNKNOWN, VARBINARY, VARCHAR, SqlType


class Typed(NamedTuple):
    """DuckDB text of an expression, its type, and its value where it is a literal string or a whole number."""

    text: str
    kind: SqlType
    literal: str | int | None = None


Args = Sequence[Typed]


class LambdaForm(NamedTuple):
    """How a lambda parameter is handed over: the types of its variables, and how DuckDB's variables spell them.

    ``binds`` maps the arguments before the lambda to the variables' types. ``spelling`` has one pattern for each
    variable, of DuckDB's variables ``{0}``, ``{1}`` ...
    """

    binds: Callable[[Args], tuple[SqlType, ...]]
    spelling: tuple[str, ...]
    variables: int


Kind = str | LambdaForm

KINDS: dict[str, Callable[[SqlType], bool]] = {
    "text": lambda kind: kind.is_text,
    "number": lambda kind: kind.is_number,
    "integer": lambda kind: kind.is_integer,
    "boolean": lambda kind: kind == BOOLEAN,
    "time": lambda kind: kind.is_time,
    "date": lambda kind: kind.name == "date",
    "array": lambda kind: kind.is_array,
    "texts": lambda kind: kind.is_array and kind.parts[0].is_text,
    "arrays": lambda kind: kind.is_array and kind.parts[0].is_array,
    "entries": lambda kind: kind.is_array and kind.parts[0].is_row and len(kind.parts[0].fields) == 2,
    "map": lambda kind: kind.is_map,
    "json": lambda kind: kind == JSON or kind.is_text,
    "binary": lambda kind: kind == VARBINARY,
    "any": lambda kind: True,
    "literal": lambda kind: kind == VARCHAR,
}
"""Which types each kind of parameter takes; a bare NULL fits all but ``literal``, which asks for a quoted string."""


@dataclass(frozen=True, slots=True)
class Function:
    """One form of a function that statements may call."""

    name: str
    parameters: tuple[Kind, ...]
    result: SqlType | Callable[[Args], SqlType]
    template: str | Callable[[Args], str]
    is_aggregate: bool = False
    is_window: bool = False
    wrap: str = "{call}"

    def takes(self, count: int) -> bool:
        """Say whether the form can be called with so many arguments."""
        if self.parameters and isinstance(self.parameters[-1], str) and self.parameters[-1].endswith("*"):
            return count >= len(self.parameters)
        return count == len(self.parameters)

    def kind_at(self, place: int) -> Kind:
        kind = self.parameters[min(place, len(self.parameters) - 1)]
        return kind.rstrip("*") if isinstance(kind, str) else kind

    def fits(self, place: int, argument: Typed) -> bool:
        kind = self.kind_at(place)
        if not isinstance(kind, str):
            return argument.kind.name == "function"
        if kind == "literal":
            return isinstance(argument.literal, str)
        return argument.kind == UNKNOWN or (argument.kind.name != "function" and KINDS[kind](argument.kind))

    def result_of(self, args: Args) -> SqlType:
        return self.result if isinstance(self.result, SqlType) else self.result(args)

    def text_of(self, args: Args) -> str:
        if not isinstance(self.template, str):
            return self.template(args)
        texts = [argument.text for argument in args]
        return self.template.format(*texts, args=", ".join(texts))

    def __str__(self) -> str:
        shown = ("function" if not isinstance(kind, str) else kind for kind in self.parameters)
        return f"{self.name}({', '.join(shown)})"


def scalar(
    name: str,
    parameters: str | tuple[Kind, ...],
    result: SqlType | Callable[[Args], SqlType],
    template: str | Callable[[Args], str],
) -> Function:
    """Return a function of the row."""
    kinds = tuple(parameters.split()) if isinstance(parameters, str) else parameters
    return Function(name, kinds, result, template)


def aggregate(
    name: str,
    parameters: str,
    result: SqlType | Callable[[Args], SqlType],
    template: str,
    wrap: str = "{call}",
) -> Function:
    """Return a function of a group. ``template`` is the bare call with ``{args}``; ``wrap`` goes round what becomes of
    it with its FILTER and OVER."""
    return Function(name, tuple(parameters.split()), result, template, is_aggregate=True, wrap=wrap)


def window(name: str, parameters: str, result: SqlType | Callable[[Args], SqlType], template: str) -> Function:
    """Return a function that needs OVER."""
    return Function(name, tuple(parameters.split()), result, template, is_window=True)


def first_kind(args: Args) -> SqlType:
    """The result has the type of the first argument."""
    return args[0].kind
