"""The columns of a table as the SQL sees them."""

from dataclasses import dataclass

from opentrail.lakesql.types import SqlType


@dataclass(frozen=True, slots=True)
class TableSchema:
    """Columns in the order that ``SELECT *`` gives them, names in lower case."""

    columns: tuple[tuple[str, SqlType], ...]
