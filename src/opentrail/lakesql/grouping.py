"""The rule of GROUP BY: what is given out for a group is one of its keys, or an aggregate, or made of these."""

from collections.abc import Callable, Iterable

from sqlglot import exp

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions import FORMS

TextOf = Callable[[exp.Expression], str]


def is_aggregate(node: exp.Expression) -> bool:
    """Say whether a call is that of an aggregate, and not over a window."""
    if isinstance(node, exp.GroupConcat):
        return not isinstance(node.parent, exp.Window)
    if not isinstance(node, exp.Anonymous) or not FORMS.get(node.name.lower(), ()):
        return False
    around = node.parent
    while isinstance(around, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        around = around.parent
    return FORMS[node.name.lower()][0].is_aggregate and not (
        isinstance(around, exp.Window) and around.this is not None and _is_call_of(around, node)
    )


def _is_call_of(window: exp.Window, node: exp.Expression) -> bool:
    inner = window.this
    while isinstance(inner, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        inner = inner.this
    return inner is node


def _call_in(node: exp.Expression) -> exp.Expression:
    while isinstance(node, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        node = node.this
    return node


def has_aggregate(nodes: Iterable[exp.Expression]) -> bool:
    """Say whether any of the expressions aggregates; queries within them do so for themselves."""
    return any(_aggregates(node) for node in nodes)


def _aggregates(node: exp.Expression) -> bool:
    if isinstance(node, exp.Query):
        return False
    return is_aggregate(node) or any(_aggregates(child) for child in node.iter_expressions())


def check_grouped(node: exp.Expression, keys: frozenset[str], text_of: TextOf) -> None:
    """Raise InvalidStatement when ``node`` has no single value in a group. ``keys`` are the texts of its keys."""
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.DataType | exp.Var | exp.Query | exp.Lambda):
        return
    if is_aggregate(_call_in(node)) or (isinstance(node, exp.Anonymous) and node.name.lower() == "grouping"):
        return
    is_name = isinstance(node, exp.Column | exp.Dot | exp.Identifier)
    if (is_name or not isinstance(node, exp.Window | exp.Ordered | exp.Order | exp.WindowSpec)) and _is_key(
        node, keys, text_of
    ):
        return
    if is_name:
        if isinstance(node, exp.Dot) and not isinstance(node.this, exp.Identifier):
            check_grouped(node.this, keys, text_of)
            return
        raise InvalidStatement(f"'{node.sql()}' must be an aggregate expression or appear in GROUP BY clause")
    for child in node.iter_expressions():
        check_grouped(child, keys, text_of)


def _is_key(node: exp.Expression, keys: frozenset[str], text_of: TextOf) -> bool:
    if isinstance(node, exp.If | exp.Distinct | exp.Interval) and not node.this:
        return False
    try:
        return text_of(node) in keys
    except InvalidStatement:
        return False
