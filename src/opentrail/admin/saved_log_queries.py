"""Saved queries of log groups, as the operator asks for one by its name."""

from collections.abc import Awaitable, Callable
from typing import Any

from opentrail.admin.administration import check_account
from opentrail.errors import OperatorError
from opentrail.ports.query_definitions import QueryDefinitions

Answer = dict[str, Any]

MAX_NAMED = 20
"""Saved queries that are named to who asks for one that is not there."""


class SavedLogQueries:
    """The operator's questions about saved queries; nothing here changes anything."""

    def __init__(self, account_id: str, region: str, definitions: QueryDefinitions) -> None:
        self._account_id = account_id
        self._region = region
        self._definitions = definitions

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {"saved_log_query": self.saved_log_query}

    async def saved_log_query(self, name: str, region: str = "", account: str = "") -> Answer:
        """Return the text and the log groups of a saved query by its name or id. Raises OperatorError."""
        if account:
            check_account(account)
        known = await self._definitions.definitions(account or self._account_id, region or self._region)
        found = [one for one in known if name in (one.name, one.definition_id)]
        if not found:
            names = ", ".join(dict.fromkeys(one.name for one in known[:MAX_NAMED]))
            raise OperatorError(
                f"there is no saved query {name}; " + (f"there are: {names}" if names else "there is none")
            )
        if len(found) > 1:
            ids = ", ".join(one.definition_id for one in found)
            raise OperatorError(f"{name} is the name of several saved queries; say which: {ids}")
        return {"query": found[0].text, "groups": list(found[0].log_group_names)}
