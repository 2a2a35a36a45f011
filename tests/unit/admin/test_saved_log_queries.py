"""Saved queries by name: found, missing, or one of several."""

import pytest

from opentrail.admin.saved_log_queries import SavedLogQueries
from opentrail.errors import OperatorError
from opentrail.resource.query_definition import QueryDefinition
from tests.builders import ACCOUNT, REGION
from tests.memory.query_definitions import InMemoryQueryDefinitions


async def saved(*definitions: tuple[str, str]) -> SavedLogQueries:
    store = InMemoryQueryDefinitions()
    for definition_id, name in definitions:
        await store.put(QueryDefinition(definition_id, ACCOUNT, REGION, name, f"fields {name}", 0, ("trails",)))
    return SavedLogQueries(ACCOUNT, REGION, store)


async def test_a_saved_query_is_found_by_name_or_id() -> None:
    commands = await saved(("1", "calls"), ("2", "errors"))

    by_name, by_id = await commands.saved_log_query("errors"), await commands.saved_log_query("2")

    assert by_name == by_id == {"query": "fields errors", "groups": ["trails"]}


async def test_one_that_is_not_there_or_not_the_only_one_is_explained() -> None:
    commands = await saved(("1", "calls"), ("2", "calls"))

    for name, said in (
        ("calls", "several saved queries; say which: 1, 2"),
        ("none", "no saved query none; there are: calls"),
    ):
        with pytest.raises(OperatorError, match=said):
            await commands.saved_log_query(name)
    with pytest.raises(OperatorError, match="there is none"):
        await commands.saved_log_query("calls", region="eu-west-1")
