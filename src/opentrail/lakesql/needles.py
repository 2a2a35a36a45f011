"""Which texts a WHERE looks for in a table's columns, so that files that cannot have them need not be read."""

import re
from collections.abc import Iterator

from sqlglot import exp

from opentrail.lakesql.bounds import conditions
from opentrail.lakesql.expressions import dotted_parts
from opentrail.lakesql.schema import Sought
from opentrail.lakesql.scope import Scope
from opentrail.lakesql.types import VARCHAR

_NAMES = re.compile(r'\."([^"]+)"')


def sought_by_use(where: exp.Expression, scope: Scope) -> dict[int, tuple[Sought, ...]]:
    """Return what columns of each table that ``scope`` reads directly must be equal to, by the conditions that must all
    hold. What is not understood is left out."""
    found: dict[int, tuple[Sought, ...]] = {}
    for condition in conditions(where):
        for column, values in _read(condition):
            place = _place(column, scope)
            if place is not None:
                use, path = place
                found[use] = (*found.get(use, ()), Sought(path, values))
    return found


def _read(condition: exp.Expression) -> Iterator[tuple[exp.Expression, tuple[str, ...]]]:
    if isinstance(condition, exp.EQ):
        for column, other in (
            (condition.this, condition.expression),
            (condition.expression, condition.this),
        ):
            if (text := _text(other)) is not None:
                yield column, (text,)
    if isinstance(condition, exp.In) and condition.args.get("query") is None:
        texts = [_text(part) for part in condition.expressions]
        known = tuple(text for text in texts if text is not None)
        if known and len(known) == len(texts):
            yield condition.this, known


def _text(node: exp.Expression) -> str | None:
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def _place(column: exp.Expression, scope: Scope) -> tuple[int, str] | None:
    """Return the table's use that a column is of, and its path in the table; None when it is not a table's text."""
    parts = dotted_parts(column)
    meant = scope.resolve(parts) if parts else None
    if meant is None or meant.kind != VARCHAR:
        return None
    for relation in scope.relations:
        for one in relation.columns if relation.table_use is not None else ():
            if meant.text == one.text or meant.text.startswith(one.text + "."):
                assert relation.table_use is not None
                return relation.table_use, ".".join(_NAMES.findall(meant.text)).lower()
    return None
