"""A resource policy of CloudWatch Logs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """One policy of an account in a Region; ``modified_at`` in ms since 1970."""

    account_id: str
    region: str
    name: str
    document: str
    modified_at: int
