"""Reading one dotted path of an event: the leaf there, or all leaves where an array or a dotted name is in the way."""

from collections.abc import Callable
from typing import Any

from opentrail.pattern.ir import DottedPath
from opentrail.pattern.leaves import dotted_edges, leaf_values

MISSING: Any = object()
"""What a reader returns when the path leads to no leaf, and neither array nor dotted name was in the way."""


class ManyLeaves(tuple[Any, ...]):
    """All leaves of a path, in no order, where it is no plain one. There may be none, or one."""

    __slots__ = ()


LeafReader = Callable[[Any], Any]
"""From an event to a scalar, MISSING or ManyLeaves."""


def leaf_reader(path: DottedPath) -> LeafReader:
    """Return the reader of ``path``, which has at least one name."""
    edges = dotted_edges(path)
    *outer, (last, _) = [(ways[0][0], tuple(name for name, _ in ways[1:])) for ways in edges[:-1]]

    def read(event: Any) -> Any:
        value = event
        for name, joined in outer:
            if type(value) is not dict:
                return all_leaves(event) if type(value) is list else MISSING
            for other in joined:
                if other in value:
                    return all_leaves(event)
            if name not in value:
                return MISSING
            value = value[name]
        if type(value) is dict:
            value = value.get(last, MISSING)
            kind = type(value)
            return value if kind is str or (kind is not list and kind is not dict) else all_leaves(event)
        return all_leaves(event) if type(value) is list else MISSING

    def all_leaves(event: Any) -> ManyLeaves:
        return ManyLeaves(leaf_values(event, edges))

    return read
