"""The operator's queries: which tables they name, and what is said of those that are not there."""

import asyncio
from typing import Any

import pytest

from opentrail.admin.queries import QueryCommands
from opentrail.aws.cloudtrail import SERVICE
from opentrail.errors import OperatorError
from tests.builders import ACCOUNT, REGION, World


@pytest.fixture
def world() -> World:
    world = World()
    world.query_engine.pages = [[["1"]] * 1000, [["2"]]]
    return world


async def a_store(world: World, name: str) -> str:
    parameters = {"Name": name, "TerminationProtectionEnabled": False}
    outcome = await SERVICE.handlers["CreateEventDataStore"].run(
        world.ports, world.call("CreateEventDataStore", parameters)
    )
    await world.carry_out(outcome)
    return str(outcome.output["EventDataStoreArn"])


def commands(world: World) -> QueryCommands:
    return QueryCommands(world.queries, world.event_data_stores, account_id=ACCOUNT, region=REGION)


async def ended(asked: QueryCommands, started: dict[str, Any]) -> dict[str, Any]:
    for _ in range(1000):
        described = await asked.describe_query(started["id"])
        if described["status"] not in ("QUEUED", "RUNNING"):
            return described
        await asyncio.sleep(0)
    raise AssertionError("the query does not end")


async def test_a_store_is_named_by_id_arn_or_name_in_any_case(world: World) -> None:
    arn, asked = await a_store(world, "Audit"), commands(world)

    for name in (arn, arn.rpartition("/")[2], "audit", '"AUDIT"'):
        described = await ended(asked, await asked.start_query(f"SELECT eventID FROM {name}"))

        assert (described["status"], described["rows"]) == ("FINISHED", 1001)


async def test_pages_are_named_by_their_place(world: World) -> None:
    await a_store(world, "audit")
    asked = commands(world)
    started = await asked.start_query("SELECT eventID FROM audit")
    await ended(asked, started)

    first, second = (await asked.query_pages(started["id"]))["pages"]

    assert (first[0], first[2], second[0], second[2]) == (0, 1000, first[1], 1)
    assert (await asked.query_pages(started["id"], 1))["pages"] == [second]


@pytest.mark.parametrize(
    ("statement", "said", "place"),
    [
        ("SELECT eventID\nFROM audt", "Table 'audt' does not exist; did you mean audit?", (2, 6)),
        ("SELECT eventID FROM zzzz", "Table 'zzzz' does not exist; there are event_history, audit", (1, 21)),
        ("SELECT evntName FROM audit", "Column 'evntName' cannot be resolved; did you mean eventname?", (1, 8)),
        ("SELECT 1 FORM audit", "", (1, 15)),
    ],
)
async def test_a_statement_is_refused_with_its_place_and_what_was_meant(
    world: World, statement: str, said: str, place: tuple[int, int]
) -> None:
    await a_store(world, "audit")

    refused = (await commands(world).start_query(statement))["refused"]

    assert said in refused["message"]
    assert (refused["line"], refused["column"]) == place


async def test_a_name_of_two_stores_is_refused(world: World) -> None:
    first = await a_store(world, "audit")
    second = first.replace(first[-12:], "0" * 12)
    store = await world.event_data_stores.event_data_store(first)
    assert store is not None
    found = [store, type(store)(**{name: getattr(store, name) for name in store.__slots__} | {"arn": second})]
    world.event_data_stores.event_data_stores = lambda account_id=None: _later(found)  # type: ignore[method-assign]

    refused = (await commands(world).start_query("SELECT 1 FROM audit"))["refused"]

    assert "is the name of several event data stores" in refused["message"]


async def _later(value: Any) -> Any:
    return value


async def test_a_running_query_is_cancelled(world: World) -> None:
    await a_store(world, "audit")
    asked = commands(world)
    world.query_engine.may_run.clear()
    started = await asked.start_query("SELECT eventID FROM audit")

    assert (await asked.cancel_query(started["id"]))["status"] == "CANCELLED"


async def test_a_query_that_is_not_there_is_an_error_for_the_operator(world: World) -> None:
    with pytest.raises(OperatorError, match="no such query"):
        await commands(world).describe_query("x")


async def test_the_tables_are_listed_with_their_columns(world: World) -> None:
    await a_store(world, "audit")

    answer = await commands(world).query_tables()

    assert [table["name"] for table in answer["tables"]] == ["event_history", "audit"]
    columns = answer["columns"]["CLOUDTRAIL"]
    assert columns["useridentity.sessioncontext.sessionissuer.username"] == "varchar"
    assert (columns["useridentity"], columns["requestparameters"]) == ("row", "map(varchar, varchar)")
