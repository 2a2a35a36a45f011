"""The columns of a table as the SQL sees them."""

from dataclasses import dataclass
from typing import NamedTuple

from opentrail.lakesql.types import SqlType


@dataclass(frozen=True, slots=True)
class TableSchema:
    """Columns in the order that ``SELECT *`` gives them, names in lower case."""

    columns: tuple[tuple[str, SqlType], ...]


class Sought(NamedTuple):
    """A column of a table by its path (``useridentity.arn``), and the texts one of which it must be equal to."""

    column: str
    values: tuple[str, ...]
