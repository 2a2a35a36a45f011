"""The five operations of a query: what they answer, and every error that they document."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opentrail.aws.cloudtrail import SERVICE
from opentrail.errors import AwsError
from opentrail.identity import Credential
from opentrail.ports import Unavailable
from opentrail.ports.query_engine import QueryFailed, QueryTimedOut
from opentrail.query.lake_queries import LakeQueries
from opentrail.query.result_delivery import ResultDelivery
from tests.builders import ACCOUNT, REGION, World, a_credential, a_root, a_user, a_user_principal
from tests.memory.object_store import InMemoryObjectStores

ROWS: list[list[str | None]] = [[str(number), None] for number in range(2500)]


@pytest.fixture
def world() -> World:
    world = World()
    world.query_engine.pages = [ROWS[:1000], ROWS[1000:2000], ROWS[2000:]]
    return world


async def answer(world: World, operation: str, **parameters: Any) -> dict[str, Any]:
    region, credential = parameters.pop("region", REGION), parameters.pop("credential", None)
    handler = SERVICE.handlers[operation]
    if handler.check is not None:
        handler.check(parameters)
    call = world.call(operation, parameters, region=region, credential=credential)
    outcome = await handler.run(world.ports, call)
    await world.carry_out(outcome)
    return dict(outcome.output)


async def a_store(world: World, name: str = "store") -> str:
    made = await answer(world, "CreateEventDataStore", Name=name, TerminationProtectionEnabled=False)
    return str(made["EventDataStoreArn"])


async def started(world: World, arn: str) -> str:
    statement = f"SELECT eventID, errorCode FROM {arn.rpartition('/')[2]}"
    return str((await answer(world, "StartQuery", QueryStatement=statement))["QueryId"])


async def ended(world: World, query_id: str) -> dict[str, Any]:
    for _ in range(1000):
        described = await answer(world, "DescribeQuery", QueryId=query_id)
        if described["QueryStatus"] not in ("QUEUED", "RUNNING"):
            return described
        await asyncio.sleep(0.01)
    raise AssertionError("the query does not end")


async def test_a_query_is_described_with_what_it_took(world: World) -> None:
    query_id = await started(world, await a_store(world))

    described = await ended(world, query_id)

    assert described["QueryStatus"] == "FINISHED"
    assert described["QueryString"].startswith("SELECT eventID")
    assert described["QueryStatistics"]["BytesScanned"] == 1234
    assert described["QueryStatistics"]["EventsMatched"] == 2500


async def test_results_come_in_pages_of_any_size(world: World) -> None:
    query_id = await started(world, await a_store(world))
    await ended(world, query_id)

    found: list[Any] = []
    token: dict[str, str] = {}
    while True:
        page = await answer(world, "GetQueryResults", QueryId=query_id, MaxQueryResults=700, **token)
        found += page["QueryResultRows"]
        assert page["QueryStatistics"]["TotalResultsCount"] == 2500
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert found == [[{"eventID": str(number)}, {"errorCode": "null"}] for number in range(2500)]


async def test_a_running_query_can_be_cancelled_once(world: World) -> None:
    world.query_engine.may_run.clear()
    query_id = await started(world, await a_store(world))

    assert await answer(world, "CancelQuery", QueryId=query_id) == {"QueryId": query_id, "QueryStatus": "CANCELLED"}
    with pytest.raises(AwsError) as refusal:
        await answer(world, "CancelQuery", QueryId=query_id)

    assert refusal.value.code == "InactiveQueryException"


@pytest.mark.parametrize(
    ("failure", "status"), [(QueryFailed("Division by zero"), "FAILED"), (QueryTimedOut("too long"), "TIMED_OUT")]
)
async def test_a_query_that_fails_says_why(world: World, failure: QueryFailed, status: str) -> None:
    world.query_engine.failure = failure

    described = await ended(world, await started(world, await a_store(world)))

    assert (described["QueryStatus"], described["ErrorMessage"]) == (status, str(failure))


async def test_a_query_whose_storage_is_away_says_so_and_names_no_endpoint(world: World) -> None:
    world.query_engine.failure = Unavailable("http://internal:9000 does not answer")

    described = await ended(world, await started(world, await a_store(world)))

    said = "The query's data cannot be read now: its storage does not answer."
    assert (described["QueryStatus"], described["ErrorMessage"]) == ("FAILED", said)


async def test_the_eleventh_query_at_a_time_is_refused(world: World) -> None:
    world.query_engine.may_run.clear()
    arn = await a_store(world)
    for _ in range(10):
        await started(world, arn)

    with pytest.raises(AwsError) as refusal:
        await started(world, arn)

    assert refusal.value.code == "MaxConcurrentQueriesException"
    await world.queries.close()


async def test_queries_of_a_store_are_listed_newest_first(world: World) -> None:
    arn, other = await a_store(world), await a_store(world, "other")
    ids = []
    for _ in range(3):
        ids.append(await started(world, arn))
        await ended(world, ids[-1])
        world.clock.advance(60)
    await started(world, other)

    first = await answer(world, "ListQueries", EventDataStore=arn, MaxResults=2)
    rest = await answer(world, "ListQueries", EventDataStore=arn, MaxResults=2, NextToken=first["NextToken"])
    with pytest.raises(AwsError, match="NextToken"):
        await answer(world, "ListQueries", EventDataStore=arn, QueryStatus="FAILED", NextToken=first["NextToken"])

    assert [query["QueryId"] for query in first["Queries"] + rest["Queries"]] == ids[::-1]
    assert "NextToken" not in rest
    assert (await answer(world, "ListQueries", EventDataStore=arn, QueryStatus="FAILED"))["Queries"] == []


async def test_queries_are_kept_for_seven_days_and_over_a_restart(world: World) -> None:
    query_id = await started(world, await a_store(world))
    await ended(world, query_id)
    again = LakeQueries(world.query_log, world.query_engine, world.lake, world.clock, world.identifiers)
    await again.open()
    query = again.find(query_id, a_credential().principal.account_id, REGION)

    assert query is not None
    assert await again.rows(query, 2499, 5) == [["2499", None]]
    world.clock.advance(7 * 86400)
    with pytest.raises(AwsError) as refusal:
        await answer(world, "DescribeQuery", QueryId=query_id)
    assert refusal.value.code == "QueryIdNotFoundException"


async def test_a_query_of_seven_days_ago_is_removed_with_its_result(world: World) -> None:
    await ended(world, await started(world, await a_store(world)))
    world.clock.advance(7 * 86400)

    upkeep = asyncio.create_task(world.queries.run())
    for _ in range(100):
        await asyncio.sleep(0)
    upkeep.cancel()

    assert await world.query_log.queries() == []


async def test_a_query_that_a_restart_interrupted_has_failed(world: World) -> None:
    world.query_engine.may_run.clear()
    query_id = await started(world, await a_store(world))

    again = LakeQueries(world.query_log, world.query_engine, world.lake, world.clock, world.identifiers)
    await again.open()

    query = again.find(query_id, a_credential().principal.account_id, REGION)
    assert query is not None
    assert query.status == "FAILED"
    await world.queries.close()


MISSING = "0a1b2c3d-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("StartQuery", {}, "InvalidParameterException"),
        ("StartQuery", {"QueryStatement": "SELECT 1"}, "InvalidQueryStatementException"),
        ("StartQuery", {"QueryStatement": "SELECT * FROM cloudtrail_logs"}, "InvalidQueryStatementException"),
        ("StartQuery", {"QueryStatement": "SELECT nothing FROM STORE"}, "InvalidQueryStatementException"),
        ("StartQuery", {"QueryStatement": "DROP TABLE STORE"}, "InvalidQueryStatementException"),
        ("StartQuery", {"QueryStatement": f"SELECT 1 FROM {MISSING}"}, "EventDataStoreNotFoundException"),
        ("StartQuery", {"QueryStatement": "SELECT 1 FROM STORE", "EventDataStoreOwnerAccountId": "999999999999"},
         "EventDataStoreNotFoundException"),
        ("StartQuery", {"QueryAlias": "x"}, "InvalidParameterException"),
        ("StartQuery", {"QueryAlias": "x", "QueryStatement": "SELECT 1 FROM STORE"}, "InvalidParameterException"),
        ("StartQuery", {"QueryStatement": "SELECT 1 FROM STORE", "QueryParameters": ["a"]},
         "InvalidQueryStatementException"),
        ("StartQuery", {"QueryStatement": "SELECT 1 FROM STORE", "DeliveryS3Uri": "s3://absent"},
         "S3BucketDoesNotExistException"),
        ("StartQuery", {"QueryStatement": "SELECT x FROM STORE", "DeliveryS3Uri": "s3://absent"},
         "InvalidQueryStatementException"),
        ("StartQuery", {"QueryStatement": "SELECT 1 FROM STORE", "DeliveryS3Uri": "s3://-"},
         "InvalidS3BucketNameException"),
        ("DescribeQuery", {"QueryAlias": "x"}, "QueryIdNotFoundException"),
        ("DescribeQuery", {}, "InvalidParameterException"),
        ("DescribeQuery", {"QueryId": MISSING}, "QueryIdNotFoundException"),
        ("DescribeQuery", {"QueryId": MISSING, "EventDataStore": MISSING}, "EventDataStoreNotFoundException"),
        ("DescribeQuery", {"QueryId": MISSING, "EventDataStore": "x"}, "EventDataStoreARNInvalidException"),
        ("GetQueryResults", {"QueryId": MISSING}, "QueryIdNotFoundException"),
        ("GetQueryResults", {"QueryId": MISSING, "MaxQueryResults": 1001}, "InvalidMaxResultsException"),
        ("CancelQuery", {"QueryId": MISSING}, "QueryIdNotFoundException"),
        ("ListQueries", {"EventDataStore": MISSING}, "EventDataStoreNotFoundException"),
        ("ListQueries", {"EventDataStore": MISSING, "MaxResults": 0}, "InvalidMaxResultsException"),
        ("ListEventDataStores", {"MaxResults": 1001}, "InvalidMaxResultsException"),
        ("ListQueries", {"EventDataStore": MISSING, "QueryStatus": "DONE"}, "InvalidQueryStatusException"),
        ("ListQueries", {"EventDataStore": "STORE", "NextToken": "!!!!"}, "InvalidNextTokenException"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_by_the_error_of_the_service(
    world: World, operation: str, parameters: dict[str, Any], code: str
) -> None:
    store = (await a_store(world)).rpartition("/")[2]
    given = {
        name: value.replace("STORE", store) if isinstance(value, str) else value for name, value in parameters.items()
    }

    with pytest.raises(AwsError) as refusal:
        await answer(world, operation, **given)

    assert refusal.value.code == code


async def test_dates_the_wrong_way_round_are_refused(world: World) -> None:
    arn, now = await a_store(world), world.clock.now()

    with pytest.raises(AwsError) as refusal:
        await answer(world, "ListQueries", EventDataStore=arn, StartTime=now, EndTime=now - timedelta(days=1))

    assert refusal.value.code == "InvalidDateRangeException"


async def test_a_store_that_is_pending_deletion_takes_no_query_and_shows_none(world: World) -> None:
    arn = await a_store(world)
    query_id = await started(world, arn)
    await ended(world, query_id)
    await answer(world, "DeleteEventDataStore", EventDataStore=arn)

    for operation, parameters in (
        ("StartQuery", {"QueryStatement": f"SELECT 1 FROM {arn}"}),
        ("DescribeQuery", {"QueryId": query_id}),
        ("GetQueryResults", {"QueryId": query_id}),
        ("ListQueries", {"EventDataStore": arn}),
    ):
        with pytest.raises(AwsError) as refusal:
            await answer(world, operation, **parameters)
        assert refusal.value.code == "InactiveEventDataStoreException"


async def test_another_region_sees_no_query(world: World) -> None:
    query_id = await started(world, await a_store(world))

    with pytest.raises(AwsError) as refusal:
        await answer(world, "GetQueryResults", QueryId=query_id, region="eu-west-1")

    assert refusal.value.code == "QueryIdNotFoundException"
    await world.queries.close()


async def delivered(world: World, query_id: str) -> dict[str, Any]:
    for _ in range(1000):
        described = await answer(world, "DescribeQuery", QueryId=query_id)
        if described["DeliveryStatus"] != "PENDING":
            return described
        await asyncio.sleep(0.01)
    raise AssertionError("the delivery does not end")


async def test_a_result_is_delivered_and_described_so(world: World) -> None:
    arn = await a_store(world)

    started = await answer(
        world, "StartQuery", QueryStatement=f"SELECT eventID, errorCode FROM {arn}", DeliveryS3Uri="s3://logs/results/"
    )
    described = await delivered(world, started["QueryId"])

    assert (described["DeliveryS3Uri"], described["DeliveryStatus"]) == ("s3://logs/results/", "SUCCESS")
    folder = f"results/AWSLogs/123456789012/CloudTrail-Lake/Query/2026/11/20/{started['QueryId']}/"
    assert [key for key in world.bucket.objects if key.startswith(folder)] == [
        folder + "result_1.csv.gz", folder + "result_sign.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("refused", "status"), [("result_1", "ACCESS_DENIED"), ("result_sign", "ACCESS_DENIED_SIGNING_FILE")]
)
async def test_a_refused_delivery_is_described_so(world: World, refused: str, status: str) -> None:
    arn = await a_store(world)
    world.bucket.refused_parts.add(refused)

    started = await answer(world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn}", DeliveryS3Uri="s3://logs")

    assert (await delivered(world, started["QueryId"]))["DeliveryStatus"] == status


async def test_what_does_not_finish_is_not_delivered(world: World) -> None:
    arn = await a_store(world)
    world.query_engine.failure = QueryFailed("no")
    failed = await answer(world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn}", DeliveryS3Uri="s3://logs")
    assert (await delivered(world, failed["QueryId"]))["DeliveryStatus"] == "FAILED"

    world.query_engine.may_run.clear()
    started = await answer(world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn}", DeliveryS3Uri="s3://logs")
    await answer(world, "CancelQuery", QueryId=started["QueryId"])

    assert (await delivered(world, started["QueryId"]))["DeliveryStatus"] == "CANCELLED"
    assert not [key for key in world.bucket.objects if "result_" in key]


async def test_a_delivery_that_a_restart_interrupted_is_made_good_with_the_same_bytes(world: World) -> None:
    arn = await a_store(world)
    started = await answer(world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn}", DeliveryS3Uri="s3://logs")
    await delivered(world, started["QueryId"])
    before = dict(world.bucket.objects)
    kept = next(query for query in await world.query_log.queries() if query.id == started["QueryId"])
    await world.query_log.store(replace(kept, delivery_status="PENDING"))
    del world.bucket.objects[next(key for key in before if key.endswith("result_sign.json"))]

    world.clock.advance(3600)
    again = LakeQueries(
        world.query_log, world.query_engine, world.lake, world.clock, world.identifiers,
        delivery=ResultDelivery(InMemoryObjectStores(world.bucket), world.signer),
    )  # fmt: skip
    await again.open()
    for _ in range(1000):
        query = again.find(started["QueryId"], a_credential().principal.account_id, REGION)
        assert query is not None
        if query.delivery_status != "PENDING":
            break
        await asyncio.sleep(0.01)

    assert query is not None
    assert query.delivery_status == "SUCCESS"
    assert {key: found.body for key, found in world.bucket.objects.items()} == {
        key: found.body for key, found in before.items()
    }


async def test_a_process_that_cannot_deliver_leaves_a_delivery_to_the_next_one(world: World) -> None:
    arn = await a_store(world)
    started = await answer(world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn}", DeliveryS3Uri="s3://logs")
    await delivered(world, started["QueryId"])
    kept = next(query for query in await world.query_log.queries() if query.id == started["QueryId"])
    await world.query_log.store(replace(kept, delivery_status="PENDING"))

    again = LakeQueries(world.query_log, world.query_engine, world.lake, world.clock, world.identifiers)
    await again.open()
    await again.close()

    left = next(query for query in await world.query_log.queries() if query.id == started["QueryId"])
    assert left.delivery_status == "PENDING"


async def test_cancelling_what_has_ended_leaves_its_delivery_alone(world: World) -> None:
    arn = await a_store(world)
    started = await answer(world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn}", DeliveryS3Uri="s3://logs")
    for _ in range(10_000):
        query = world.queries.find(started["QueryId"], ACCOUNT, REGION)
        if query is None or query.status.is_final:
            break
        await asyncio.sleep(0)

    assert query is not None
    assert (await world.queries.cancel(query)).status == "FINISHED"
    assert (await delivered(world, query.id))["DeliveryStatus"] == "SUCCESS"


async def test_parameters_are_put_in_as_text(world: World) -> None:
    arn = await a_store(world)

    started = await answer(
        world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn} WHERE eventTime > '?' AND eventName = ?",
        QueryParameters=["2026-01-01", "O'Neil' OR 1=1 --"],
    )  # fmt: skip

    described = await answer(world, "DescribeQuery", QueryId=started["QueryId"])
    assert described["QueryString"].endswith("> '2026-01-01' AND eventName = 'O''Neil'' OR 1=1 --'")


async def test_samples_are_searched_page_by_page(world: World) -> None:
    first = await answer(world, "SearchSampleQueries", SearchPhrase="bucket policy", MaxResults=1)
    second = await answer(
        world, "SearchSampleQueries", SearchPhrase="bucket policy", MaxResults=1, NextToken=first["NextToken"]
    )
    most = await answer(world, "SearchSampleQueries", SearchPhrase="bucket policy")

    assert [*first["SearchResults"], *second["SearchResults"]] == most["SearchResults"][:2]
    assert set(most["SearchResults"][0]) == {"Name", "Description", "SQL", "Relevance"}
    for token in ("x" * 10, first["NextToken"]):
        with pytest.raises(AwsError) as refusal:
            await answer(world, "SearchSampleQueries", SearchPhrase="users", NextToken=token)
        assert refusal.value.code == "InvalidParameterException"


OTHER = "444455556666"


def a_store_policy(arn: str, *actions: str, effect: str = "Allow", account: str = OTHER) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": effect,
                    "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                    "Action": [f"cloudtrail:{action}" for action in actions],
                    "Resource": arn,
                }
            ],
        }
    )


def other_root() -> Credential:
    return a_credential(a_root(OTHER), key="AKIAOTHEREXAMPLE")


async def refused(world: World, operation: str, **parameters: Any) -> str:
    with pytest.raises(AwsError) as refusal:
        await answer(world, operation, **parameters)
    return refusal.value.code


async def test_another_account_queries_a_store_as_far_as_its_policy_says(world: World) -> None:
    arn = await a_store(world)
    statement, caller = f"SELECT eventID, errorCode FROM {arn}", {"credential": other_root()}
    assert await refused(world, "StartQuery", QueryStatement=statement, **caller) == "EventDataStoreNotFoundException"

    await answer(
        world, "PutResourcePolicy", ResourceArn=arn, ResourcePolicy=a_store_policy(arn, "StartQuery", "GetQueryResults")
    )
    by_id = {"QueryStatement": f"SELECT 1 FROM {arn.rpartition('/')[2]}", "EventDataStoreOwnerAccountId": ACCOUNT}
    started = await answer(world, "StartQuery", **by_id, **caller)
    assert started["EventDataStoreOwnerAccountId"] == ACCOUNT
    query_id = (await answer(world, "StartQuery", QueryStatement=statement, **caller))["QueryId"]
    for _ in range(100):
        page = await answer(world, "GetQueryResults", QueryId=query_id, **caller)
        if page["QueryStatus"] == "FINISHED":
            break
        await asyncio.sleep(0.01)

    assert page["QueryStatistics"]["TotalResultsCount"] == 2500
    assert await refused(world, "DescribeQuery", QueryId=query_id, **caller) == "EventDataStoreNotFoundException"
    assert await refused(world, "GetEventDataStore", EventDataStore=arn, **caller) == "EventDataStoreNotFoundException"
    assert await refused(world, "GetQueryResults", QueryId=query_id) == "QueryIdNotFoundException"
    await answer(world, "DeleteResourcePolicy", ResourceArn=arn)
    assert await refused(world, "GetQueryResults", QueryId=query_id, **caller) == "EventDataStoreNotFoundException"
    policy = a_store_policy(arn, "GetEventDataStore")
    await answer(world, "PutResourcePolicy", ResourceArn=arn, ResourcePolicy=policy)
    assert (await answer(world, "GetEventDataStore", EventDataStore=arn, **caller))["Name"] == "store"


async def test_a_deny_in_a_stores_policy_holds_for_its_own_account(world: World) -> None:
    arn = await a_store(world)
    policy = a_store_policy(arn, "StartQuery", effect="Deny", account=ACCOUNT)
    await answer(world, "PutResourcePolicy", ResourceArn=arn, ResourcePolicy=policy)

    assert await refused(world, "StartQuery", QueryStatement=f"SELECT 1 FROM {arn}") == "AccessDenied"


async def test_a_user_reads_results_of_the_stores_that_its_policy_names(world: World) -> None:
    mine, others = await a_store(world), await a_store(world, "other")
    queries = [await started(world, arn) for arn in (mine, others)]
    for query_id in queries:
        await ended(world, query_id)
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": mine}]}
    )
    await world.identities.create_user(a_user(default=document))
    user = a_credential(a_user_principal(), key="AKIAUSEREXAMPLE00000")

    assert (await answer(world, "GetQueryResults", QueryId=queries[0], credential=user))["QueryResultRows"]
    assert await refused(world, "GetQueryResults", QueryId=queries[1], credential=user) == "AccessDenied"
    assert await refused(world, "CancelQuery", QueryId=MISSING, credential=user) == "AccessDenied"
