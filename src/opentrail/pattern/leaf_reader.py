"""Reading one dotted path of an event: the leaf there, or all leaves where an array or a dotted name is in the way."""

from typing import Any

from opentrail.pattern.ir import DottedPath
from opentrail.pattern.leaves import dotted_edges, leaf_values

MISSING: Any = object()
"""What a reader returns when the path leads to no leaf, and neither array nor dotted name was in the way."""


class ManyLeaves:
    """All leaves of a path, in no order, where it is no plain one. There may be none, or one."""

    __slots__ = ("leaves",)

    def __init__(self, leaves: tuple[Any, ...]) -> None:
        self.leaves = leaves


class LeafReader:
    """Reads the leaf at ``path``, which has at least one name."""

    __slots__ = ("_edges", "_last", "_outer")

    def __init__(self, path: DottedPath) -> None:
        self._edges = dotted_edges(path)
        names = [(ways[0][0], tuple(name for name, _ in ways[1:])) for ways in self._edges[:-1]]
        self._outer = names[:-1]
        self._last = names[-1][0]

    def read(self, event: Any) -> Any:
        """Return a scalar of an event, MISSING or ManyLeaves."""
        value = event
        for name, joined in self._outer:
            if type(value) is not dict:
                return self._all_leaves(event) if type(value) is list else MISSING
            for other in joined:
                if other in value:
                    return self._all_leaves(event)
            if name not in value:
                return MISSING
            value = value[name]
        if type(value) is dict:
            value = value.get(self._last, MISSING)
            kind = type(value)
            return value if kind is str or (kind is not list and kind is not dict) else self._all_leaves(event)
        return self._all_leaves(event) if type(value) is list else MISSING

    def _all_leaves(self, event: Any) -> ManyLeaves:
        return ManyLeaves(tuple(leaf_values(event, self._edges)))
