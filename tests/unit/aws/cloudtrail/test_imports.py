"""The five operations of an import: what they answer, and every error that they document."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from opentrail.aws.authorization import authorise
from opentrail.aws.cloudtrail import SERVICE
from opentrail.aws.common_errors import AccessDenied
from opentrail.errors import AwsError
from tests.builders import (
    AUDIT,
    MANAGEMENT,
    REGION,
    World,
    a_credential,
    a_root,
    a_user,
    a_user_principal,
    an_organization,
)
from tests.memory.imports import InMemoryLogSource

URI = "s3://logs/AWSLogs/123456789012/CloudTrail/"
ROLE = "arn:aws:iam::123456789012:role/import"
SOURCE = {"S3": {"S3LocationUri": URI, "S3BucketRegion": REGION, "S3BucketAccessRoleArn": ROLE}}
UNKNOWN = "99999999-9999-4999-8999-999999999999"


def log_file(*numbers: int) -> bytes:
    records = [
        {"eventVersion": "1.11", "eventTime": "2026-01-01T00:00:00Z", "eventID": f"id-{number}"} for number in numbers
    ]
    return orjson.dumps({"Records": records})


class Slow(InMemoryLogSource):
    async def read(self, key: str) -> bytes:
        await asyncio.sleep(3600)
        return b""


@pytest.fixture
def world() -> World:
    world = World()
    world.log_sources[URI] = InMemoryLogSource({"a/1": log_file(1, 2), "b/1": log_file(3)})
    return world


async def answer(world: World, operation: str, **parameters: Any) -> dict[str, Any]:
    region, credential = parameters.pop("region", REGION), parameters.pop("credential", None)
    handler = SERVICE.handlers[operation]
    call = world.call(operation, parameters, region=region, credential=credential)
    if handler.prepare is not None:
        call = await handler.prepare(world.ports, call)
    outcome = await handler.run(world.ports, call)
    await world.carry_out(outcome)
    return dict(outcome.output)


async def refused(world: World, operation: str, **parameters: Any) -> str:
    with pytest.raises(AwsError) as caught:
        await answer(world, operation, **parameters)
    return caught.value.code


async def a_store(world: World, category: str = "Management", name: str = "store") -> str:
    selectors = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": [category]}]}]
    made = await answer(
        world,
        "CreateEventDataStore",
        Name=name,
        TerminationProtectionEnabled=False,
        AdvancedEventSelectors=selectors,
    )
    return str(made["EventDataStoreArn"])


async def ended(world: World, import_id: str) -> dict[str, Any]:
    found = world.imports.find(import_id, "123456789012")
    assert found is not None
    await world.imports.wait(found, 10)
    return await answer(world, "GetImport", ImportId=import_id)


async def test_an_import_is_described_as_it_was_started_and_as_it_ended(world: World) -> None:
    arn = await a_store(world)
    until = datetime(2026, 6, 1, tzinfo=UTC)

    started = await answer(world, "StartImport", Destinations=[arn], ImportSource=SOURCE, EndEventTime=until)
    done = await ended(world, started["ImportId"])

    assert (started["ImportStatus"], started["Destinations"]) == ("INITIALIZING", [arn])
    assert (done["ImportStatus"], done["ImportSource"], done["EndEventTime"]) == ("COMPLETED", SOURCE, until)
    assert done["ImportStatistics"] == {
        "PrefixesFound": 2,
        "PrefixesCompleted": 2,
        "FilesCompleted": 2,
        "EventsCompleted": 3,
        "FailedEntries": 0,
    }
    assert sorted(world.imported.events) == ["id-1", "id-2", "id-3"]


async def test_failures_are_listed_by_pages_and_a_retry_needs_the_id_alone(world: World) -> None:
    source = world.log_sources[URI]
    source.objects |= {f"c/{number}": b"nonsense" for number in range(5)}
    started = await answer(world, "StartImport", Destinations=[await a_store(world)], ImportSource=SOURCE)
    import_id = started["ImportId"]
    assert (await ended(world, import_id))["ImportStatus"] == "FAILED"

    pages: list[list[str]] = []
    token: dict[str, str] = {}
    while True:
        page = await answer(world, "ListImportFailures", ImportId=import_id, MaxResults=2, **token)
        pages.append([one["Location"] for one in page["Failures"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    source.objects |= {f"c/{number}": log_file(number + 10) for number in range(5)}
    await answer(world, "StartImport", ImportId=import_id)

    assert pages == [["s3://logs/c/0", "s3://logs/c/1"], ["s3://logs/c/2", "s3://logs/c/3"], ["s3://logs/c/4"]]
    assert page["Failures"][0]["ErrorType"] == "UnknownFormat"
    assert page["Failures"][0]["Status"] == "FAILED"
    assert (await ended(world, import_id))["ImportStatus"] == "COMPLETED"
    again = await answer(world, "ListImportFailures", ImportId=import_id)
    assert {one["Status"] for one in again["Failures"]} == {"SUCCEEDED"}
    assert await refused(world, "ListImportFailures", ImportId=import_id, NextToken="nonsense") == (
        "InvalidNextTokenException"
    )


async def test_imports_are_listed_by_destination_and_status(world: World) -> None:
    first, second = await a_store(world), await a_store(world, name="other")
    ids = []
    for arn in (first, second, first):
        started = await answer(world, "StartImport", Destinations=[arn], ImportSource=SOURCE)
        ids.append(started["ImportId"])
        await ended(world, started["ImportId"])
        world.clock.advance(1)

    listed = await answer(world, "ListImports", MaxResults=2)
    rest = await answer(world, "ListImports", MaxResults=2, NextToken=listed["NextToken"])
    of_second = await answer(world, "ListImports", Destination=second, ImportStatus="COMPLETED")

    assert [one["ImportId"] for one in [*listed["Imports"], *rest["Imports"]]] == ids[::-1]
    assert [one["ImportId"] for one in of_second["Imports"]] == [ids[1]]
    assert (await answer(world, "ListImports", ImportStatus="STOPPED"))["Imports"] == []
    assert (await answer(world, "ListImports", region="eu-west-1"))["Imports"] == []


async def test_a_running_import_can_be_stopped_and_holds_its_store(world: World) -> None:
    world.log_sources[URI] = Slow({"a/1": log_file(1)})
    arn = await a_store(world)
    import_id = (await answer(world, "StartImport", Destinations=[arn], ImportSource=SOURCE))["ImportId"]
    await asyncio.sleep(0)

    assert await refused(world, "StartImport", Destinations=[arn], ImportSource=SOURCE) == (
        "AccountHasOngoingImportException"
    )
    assert await refused(world, "StartImport", ImportId=import_id) == "AccountHasOngoingImportException"
    assert await refused(world, "DeleteEventDataStore", EventDataStore=arn) == (
        "EventDataStoreHasOngoingImportException"
    )
    assert await refused(world, "UpdateEventDataStore", EventDataStore=arn, RetentionPeriod=7) == (
        "EventDataStoreHasOngoingImportException"
    )
    stopped = await answer(world, "StopImport", ImportId=import_id)
    assert stopped["ImportStatus"] == "STOPPED"
    assert await refused(world, "StopImport", ImportId=import_id) == "InvalidParameterException"
    await answer(world, "DeleteEventDataStore", EventDataStore=arn)
    assert await refused(world, "StartImport", ImportId=import_id) == "InactiveEventDataStoreException"


async def test_every_documented_error_of_a_new_import(world: World) -> None:
    arn = await a_store(world)
    audit = await a_store(world, "ActivityAuditLog", "audit")

    async def code(**parameters: Any) -> str:
        return await refused(world, "StartImport", **({"Destinations": [arn], "ImportSource": SOURCE} | parameters))

    def source(**members: str) -> dict[str, Any]:
        return {"S3": SOURCE["S3"] | members}

    assert await refused(world, "StartImport") == "InvalidParameterException"
    assert await refused(world, "StartImport", Destinations=[arn]) == "InvalidParameterException"
    assert await code(ImportId=UNKNOWN) == "InvalidParameterException"
    assert await refused(world, "StartImport", ImportId=UNKNOWN) == "ImportNotFoundException"
    assert await code(Destinations=["nonsense"]) == "EventDataStoreARNInvalidException"
    assert await code(Destinations=[UNKNOWN]) == "EventDataStoreNotFoundException"
    assert await code(Destinations=[audit]) == "InvalidEventDataStoreCategoryException"
    assert await code(ImportSource=source(S3LocationUri="https://logs/x")) == "InvalidImportSourceException"
    assert await code(ImportSource=source(S3LocationUri="s3://nowhere/x")) == "InvalidImportSourceException"
    assert await code(ImportSource=source(S3BucketRegion="mars")) == "InvalidImportSourceException"
    assert await code(ImportSource=source(S3BucketAccessRoleArn="me")) == "InvalidParameterException"
    backwards = {"StartEventTime": datetime(2026, 2, 1, tzinfo=UTC), "EndEventTime": datetime(2026, 1, 1, tzinfo=UTC)}
    assert await code(**backwards) == "InvalidParameterException"


async def test_another_account_sees_nothing_of_an_import(world: World) -> None:
    started = await answer(world, "StartImport", Destinations=[await a_store(world)], ImportSource=SOURCE)
    stranger = a_credential(a_root("999999999999"))

    for operation in ("GetImport", "StopImport"):
        assert await refused(world, operation, ImportId=started["ImportId"], credential=stranger) == (
            "ImportNotFoundException"
        )
    assert await refused(world, "ListImportFailures", ImportId=started["ImportId"], credential=stranger) == (
        "InvalidParameterException"
    )
    assert (await answer(world, "ListImports", credential=stranger))["Imports"] == []
    assert await refused(world, "GetImport", ImportId=UNKNOWN) == "ImportNotFoundException"


@pytest.mark.parametrize(
    ("uri", "is_strict"),
    [
        ("s3://logs", True),
        ("s3://logs/AWSLogs/123456789012/", True),
        ("s3://logs/case-17/AWSLogs/", True),
        ("s3://logs/case-17/", False),
    ],
)
async def test_folders_of_cloudtrail_alone_are_read_unless_the_uri_names_another_prefix(
    world: World, uri: str, is_strict: bool
) -> None:
    world.log_sources[uri] = InMemoryLogSource({})
    source = {"S3": SOURCE["S3"] | {"S3LocationUri": uri}}

    started = await answer(world, "StartImport", Destinations=[await a_store(world)], ImportSource=source)

    found = world.imports.find(started["ImportId"], "123456789012")
    assert found is not None
    assert found.source.is_strict is is_strict


async def test_only_the_management_account_imports_into_an_organizations_store() -> None:
    world = World(organization=an_organization())
    world.log_sources[URI] = InMemoryLogSource({"a/1": log_file(1)})
    management, delegated = a_credential(a_root(MANAGEMENT)), a_credential(a_root(AUDIT))
    made = await answer(world, "CreateEventDataStore", Name="all", OrganizationEnabled=True, credential=management)
    wanted = {"Destinations": [made["EventDataStoreArn"]], "ImportSource": SOURCE}

    assert await refused(world, "StartImport", credential=delegated, **wanted) == "OperationNotPermittedException"
    assert (await answer(world, "StartImport", credential=management, **wanted))["ImportStatus"] == "INITIALIZING"


async def test_an_import_needs_leave_for_the_store_that_it_brings_events_to(world: World) -> None:
    mine, other = await a_store(world), await a_store(world, name="other")
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cloudtrail:*Import", "Resource": mine}]}
    )
    await world.identities.create_user(a_user(default=document))
    user = a_credential(a_user_principal(), key="AKIAUSEREXAMPLE00000")

    async def is_let(arn: str) -> bool:
        call = world.call("StartImport", {"Destinations": [arn], "ImportSource": SOURCE}, credential=user)
        try:
            await authorise(world.ports.identities, call, SERVICE.requirements(call))
        except AccessDenied:
            return False
        return True

    assert [await is_let(arn) for arn in (mine, mine.rpartition("/")[2], other)] == [True, True, False]
    ids = []
    for arn in (mine, other):
        ids.append((await answer(world, "StartImport", Destinations=[arn], ImportSource=SOURCE))["ImportId"])
        await ended(world, ids[-1])
    assert (await answer(world, "StartImport", ImportId=ids[0], credential=user))["ImportId"] == ids[0]
    assert await refused(world, "StartImport", ImportId=ids[1], credential=user) == "AccessDenied"
    assert await refused(world, "StartImport", ImportId=UNKNOWN, credential=user) == "AccessDenied"
    assert await refused(world, "ListImportFailures", ImportId=ids[0], region="eu-west-1") == (
        "InvalidParameterException"
    )
