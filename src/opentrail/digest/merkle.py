"""The Merkle tree over the events of one log file (RFC 6962, section 2.1), with SHA-256.

```
 leaf  = SHA-256(00 || the event's bytes)          node = SHA-256(01 || left || right)

          root
        /      \\          A level is paired from the left; what is left over at its end
      n01       e2        stands unpaired on the next one. The tree of no events is SHA-256("").
     /   \\
    e0   e1
```
The two prefixes keep an event from passing for a node. An event's bytes are those that stand in the log file, between
the commas that part the records (docs/formats/proof.md).
"""

import hashlib
from collections.abc import Iterable, Sequence

TREE_ALGORITHM = "RFC6962-SHA256"
HASH_BYTES = 32

_LEAF = b"\x00"
_NODE = b"\x01"
_BEGUN_LEAF = hashlib.sha256(_LEAF)


class PathInvalid(ValueError):
    """An audit path does not fit its index and tree size."""


def leaf_hash(event: bytes) -> bytes:
    """Return the hash that an event has as a leaf."""
    hashed = _BEGUN_LEAF.copy()
    hashed.update(event)
    return hashed.digest()


def tree_hash(events: Iterable[bytes]) -> str:
    """Return the hex root of the tree over ``events``, in order. About a microsecond an event and one a kilobyte."""
    return root_of([leaf_hash(event) for event in events])


def root_of(leaves: Sequence[bytes]) -> str:
    """Return the hex root of the tree with these leaf hashes, in order."""
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").hexdigest()
    while len(level) > 1:
        level = _next_level(level)
    return level[0].hex()


def audit_path(events: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from the leaf ``index`` to the root, lowest first. Raises IndexError."""
    if not 0 <= index < len(events):
        raise IndexError(index)
    level, path = [leaf_hash(event) for event in events], []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _next_level(level), index >> 1
    return path


def root_from_path(event: bytes, index: int, size: int, path: Sequence[bytes]) -> str:
    """Return the hex root that ``path`` leads to from ``event`` as leaf ``index`` of ``size``.

    Raises PathInvalid when the path has not exactly the hashes that such a leaf needs.
    """
    if not 0 <= index < size:
        raise PathInvalid(f"leaf {index} of a tree of {size}")
    node, left = leaf_hash(event), list(reversed(path))
    while size > 1:
        if index ^ 1 < size:
            if not left or len(left[-1]) != HASH_BYTES:
                raise PathInvalid("the audit path is too short")
            sibling = left.pop()
            node = _node_hash(sibling, node) if index & 1 else _node_hash(node, sibling)
        index, size = index >> 1, (size + 1) >> 1
    if left:
        raise PathInvalid("the audit path is too long")
    return node.hex()


def _next_level(level: Sequence[bytes]) -> list[bytes]:
    pairs = iter(level)
    hashed = hashlib.sha256
    above = [hashed(_NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
    if len(level) & 1:
        above.append(level[-1])
    return above


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
