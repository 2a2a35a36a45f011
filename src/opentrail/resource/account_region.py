"""What one log file, and one digest chain, of a trail is about: an account's events of a Region."""

from typing import NamedTuple


class AccountRegion(NamedTuple):
    """One recipient account in one Region. Orders by account, then Region."""

    account_id: str
    region: str
