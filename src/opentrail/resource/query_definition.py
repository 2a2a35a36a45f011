"""A saved query of CloudWatch Logs Insights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class QueryDefinition:
    """One saved query of an account in a Region; ``modified_at`` in ms since 1970, ``parameters`` in wire form."""

    definition_id: str
    account_id: str
    region: str
    name: str
    text: str
    modified_at: int
    log_group_names: tuple[str, ...] = ()
    parameters: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> bytes:
        """Return the definition as it is kept."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "QueryDefinition":
        kept = orjson.loads(data)
        lists = {name: tuple(kept[name]) for name in ("log_group_names", "parameters")}
        return cls(**kept | lists)
