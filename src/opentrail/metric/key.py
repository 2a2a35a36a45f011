"""What a metric is: an account's and Region's namespace, name and exact set of dimensions (reference: section 2)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Dimensions = tuple[tuple[str, str], ...]
"""Names and values, by name."""


class MetricKey(NamedTuple):
    """The identity of a metric."""

    account_id: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions = ()


def read_dimensions(wire: Iterable[Mapping[str, str]]) -> Dimensions:
    """Return dimensions in wire form (Name and Value) as a key has them."""
    return tuple(sorted((each["Name"], each["Value"]) for each in wire))


def wire_dimensions(dimensions: Dimensions) -> list[dict[str, str]]:
    """Return a key's dimensions in wire form."""
    return [{"Name": name, "Value": value} for name, value in dimensions]
