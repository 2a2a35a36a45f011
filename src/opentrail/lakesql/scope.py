"""What names mean: the relations of a FROM, the variables of a lambda, the columns that a SELECT gives out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Typed
from opentrail.lakesql.text import quoted_name
from opentrail.lakesql.types import SqlType


class Column(NamedTuple):
    """One column of a relation: its label as written, its type, and the DuckDB text that reads it."""

    label: str
    kind: SqlType
    text: str

    @property
    def key(self) -> str:
        return self.label.lower()


@dataclass(slots=True)
class Relation:
    """What one item of a FROM gives: an alias in lower case ("" for none) and its columns."""

    alias: str
    columns: tuple[Column, ...]
    table_use: int | None = None

    def find(self, name: str) -> list[Column]:
        return [column for column in self.columns if column.key == name]


@dataclass(slots=True)
class Scope:
    """The names that an expression may use, those of the queries around it included.

    ``merged`` are the columns that USING joined: they win over the relations' own of the same name. ``outputs`` are a
    SELECT's aliases, for its ORDER BY.
    """

    relations: list[Relation] = field(default_factory=list)
    parent: "Scope | None" = None
    variables: dict[str, Typed] = field(default_factory=dict)
    merged: dict[str, Column] = field(default_factory=dict)
    outputs: dict[str, Typed] = field(default_factory=dict)

    def inner(self) -> "Scope":
        return Scope(parent=self)

    def with_variables(self, variables: dict[str, Typed]) -> "Scope":
        """Return the scope of a lambda's body: all of this one's names, the variables first."""
        return Scope(self.relations, self.parent, self.variables | variables, self.merged, self.outputs)

    def resolve(self, parts: Sequence[str]) -> Typed | None:
        """Return what a dotted name means, None when nothing in reach has that name.

        Raises InvalidStatement for a name that means two things, and for a field that a row does not have.
        """
        scope: Scope | None = self
        while scope is not None:
            found = scope._resolve_here(parts)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def _resolve_here(self, parts: Sequence[str]) -> Typed | None:
        name = parts[0].lower()
        if name in self.variables:
            return read_fields(self.variables[name], parts[1:])
        if name in self.outputs and len(parts) == 1:
            return self.outputs[name]
        if name in self.merged:
            column = self.merged[name]
            return read_fields(Typed(column.text, column.kind), parts[1:])
        if len(parts) > 1:
            for relation in self.relations:
                if relation.alias == name and relation.find(parts[1].lower()):
                    return _read(relation.find(parts[1].lower()), parts[1:])
        found = [column for relation in self.relations for column in relation.find(name)]
        return _read(found, parts) if found else None

    def star(self) -> Iterator[Column]:
        """Yield what ``*`` stands for: joined columns first, then all others in order."""
        yield from self.merged.values()
        for relation in self.relations:
            yield from (column for column in relation.columns if column.key not in self.merged)

    def relation(self, alias: str) -> Relation | None:
        return next((relation for relation in self.relations if relation.alias == alias.lower()), None)


def _read(found: Sequence[Column], parts: Sequence[str]) -> Typed:
    if len(found) > 1:
        raise InvalidStatement(f"Column '{parts[0]}' is ambiguous")
    return read_fields(Typed(found[0].text, found[0].kind), parts[1:])


def read_fields(value: Typed, names: Sequence[str]) -> Typed:
    """Return the field of a row, of a row in it, and so on."""
    for name in names:
        kind = value.kind.field(name) if value.kind.is_row else None
        if kind is None:
            raise InvalidStatement(f"Column '{name}' cannot be resolved: {value.kind} has no such field")
        known = next(field for field, _ in value.kind.fields if field.lower() == name.lower())
        value = Typed(f"{value.text}.{quoted_name(known)}", kind)
    return value
