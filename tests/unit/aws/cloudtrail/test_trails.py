from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.trails import (
    create_trail,
    delete_trail,
    describe_trails,
    get_trail,
    get_trail_status,
    list_trails,
    prepare_create_trail,
    prepare_update_trail,
    start_logging,
    stop_logging,
    update_trail,
)
from opentrail.aws.service import Outcome
from opentrail.ports.journal import SettingsEntry
from opentrail.ports.object_store import AccessRefused
from opentrail.resource.trail import Trail
from tests.builders import ACCOUNT, World, a_trail

EU = "eu-west-1"


async def create(world: World, name: str = "main", *, region: str = "us-east-1", **members: Any) -> dict[str, Any]:
    call = world.call("CreateTrail", {"Name": name, "S3BucketName": "logs", **members}, region=region)
    outcome = await create_trail(world.ports, await prepare_create_trail(world.ports, call))
    await world.carry_out(outcome)
    return outcome.output


async def stored(world: World, name: str = "main") -> Trail:
    trail = await world.trails.trail(a_trail(name).arn)
    assert trail is not None
    return trail


async def test_created_trail_is_answered_with_its_settings_and_without_unset_members() -> None:
    world = World()

    output = await create(world, EnableLogFileValidation=True)

    assert output == {
        "Name": "main",
        "S3BucketName": "logs",
        "IncludeGlobalServiceEvents": True,
        "IsMultiRegionTrail": False,
        "TrailARN": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main",
        "LogFileValidationEnabled": True,
        "IsOrganizationTrail": False,
        "RecursiveLogging": True,
    }


async def test_new_trail_does_not_log() -> None:
    world = World()

    await create(world)

    assert not (await stored(world)).is_logging


async def test_creating_a_trail_writes_the_marker_below_the_prefix() -> None:
    world = World()

    await create(world, S3KeyPrefix="audit/eu")

    assert world.bucket.puts == [f"audit/eu/AWSLogs/{ACCOUNT}/CloudTrail/"]


async def test_tags_of_a_new_trail_are_kept() -> None:
    world = World()

    await create(world, TagsList=[{"Key": "team", "Value": "audit"}, {"Key": "bare"}])

    assert await world.trails.tags(a_trail().arn) == {"team": "audit", "bare": ""}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ab", "Trail name too short. Minimum allowed length: 3 characters. Specified name length: 2 characters."),
        (
            "a" * 129,
            "Trail name too long. Maximum allowed length: 128 characters. Specified name length: 129 characters.",
        ),
        ("-main", "Trail name must starts with a letter or number."),
        ("main-", "Trail name must ends with a letter or number."),
        (
            "ma in",
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), "
            "hyphens (-), and underscores (_).",
        ),
        ("my-_main", "Trail name cannot have adjacent periods (.), hyphens (-) or underscores (_)."),
        ("192.168.5.4", "Trail name cannot be formatted as an IP address."),
    ],
)
async def test_trail_name_outside_the_rules_is_refused_with_its_message(name: str, message: str) -> None:
    with pytest.raises(errors.InvalidTrailNameException) as refused:
        await create(World(), name)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"S3BucketName": "No_Bucket"}, errors.InvalidS3BucketNameException),
        ({"S3BucketName": "elsewhere"}, errors.S3BucketDoesNotExistException),
        ({"S3KeyPrefix": "x" * 201}, errors.InvalidS3PrefixException),
        ({"S3KeyPrefix": "/audit"}, errors.InvalidS3PrefixException),
        ({"S3KeyPrefix": "audit/"}, errors.InvalidS3PrefixException),
        ({"S3KeyPrefix": "a\nb"}, errors.InvalidS3PrefixException),
        ({"SnsTopicName": "not a topic"}, errors.InvalidSnsTopicNameException),
        ({"SnsTopicName": "topic"}, errors.InsufficientSnsTopicPolicyException),
        (
            {"SnsTopicName": "arn:aws:sns:us-east-1:123456789012:topic"},
            errors.InsufficientSnsTopicPolicyException,
        ),
        ({"KmsKeyId": "no key"}, errors.InvalidKmsKeyIdException),
        ({"KmsKeyId": "alias/trails"}, errors.KmsKeyNotFoundException),
        ({"KmsKeyId": "12345678-1234-1234-1234-123456789012"}, errors.KmsKeyNotFoundException),
        ({"CloudWatchLogsLogGroupArn": "nonsense"}, errors.InvalidCloudWatchLogsLogGroupArnException),
        (
            {"CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/x"},
            errors.InvalidCloudWatchLogsLogGroupArnException,
        ),
        (
            {"CloudWatchLogsLogGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:trails:*"},
            errors.InvalidCloudWatchLogsRoleArnException,
        ),
        (
            {
                "CloudWatchLogsLogGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:trails:*",
                "CloudWatchLogsRoleArn": "nonsense",
            },
            errors.InvalidCloudWatchLogsRoleArnException,
        ),
        (
            {
                "CloudWatchLogsLogGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:trails:*",
                "CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/x",
            },
            errors.InvalidCloudWatchLogsLogGroupArnException,
        ),
        ({"IsOrganizationTrail": True}, errors.OrganizationsNotInUseException),
        (
            {"IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": False},
            errors.InvalidParameterCombinationException,
        ),
        ({"TagsList": [{"Key": "a"}, {"Key": "a"}]}, errors.InvalidTagParameterException),
        ({"TagsList": [{"Key": "aws:a"}]}, errors.InvalidTagParameterException),
        ({"TagsList": [{"Key": "a?"}]}, errors.InvalidTagParameterException),
        ({"TagsList": [{"Key": f"k{number}"} for number in range(51)]}, errors.TagsLimitExceededException),
    ],
)
async def test_settings_that_cannot_be_honoured_are_refused_and_change_nothing(
    members: dict[str, Any], error: type[Exception]
) -> None:
    world = World()

    with pytest.raises(error):
        await create(world, **members)

    assert await world.trails.trails(ACCOUNT) == []
    assert world.bucket.puts == []


async def test_bucket_that_refuses_delivery_is_refused() -> None:
    world = World()
    world.bucket.failure = AccessRefused("AccessDenied", "Access Denied")

    with pytest.raises(errors.InsufficientS3BucketPolicyException) as refused:
        await create(world)

    assert str(refused.value) == "Incorrect S3 bucket policy is detected for bucket: logs"


async def test_name_in_use_is_refused_in_its_region_only() -> None:
    world = World()
    await create(world)

    with pytest.raises(errors.TrailAlreadyExistsException) as refused:
        await create(world)
    await create(world, region=EU)

    assert str(refused.value) == f"Trail main already exists for customer: {ACCOUNT}"


async def test_sixth_trail_of_a_region_is_refused() -> None:
    world = World()
    for number in range(5):
        await create(world, f"trail{number}")

    with pytest.raises(errors.MaximumNumberOfTrailsExceededException) as refused:
        await create(world, "trail5")

    assert str(refused.value) == f"User: {ACCOUNT} already has 5 trails in us-east-1."


async def test_shadow_trails_count_in_every_region() -> None:
    world = World()
    for number in range(5):
        await create(world, f"trail{number}", IsMultiRegionTrail=True)

    with pytest.raises(errors.MaximumNumberOfTrailsExceededException, match="already has 5 trails in eu-west-1"):
        await create(world, region=EU)


async def test_multi_region_trail_is_refused_where_another_region_is_full() -> None:
    world = World()
    for number in range(5):
        await create(world, f"trail{number}", region=EU)

    with pytest.raises(errors.MaximumNumberOfTrailsExceededException, match="already has 5 trails in eu-west-1"):
        await create(world, IsMultiRegionTrail=True)


async def test_update_changes_the_given_members_only() -> None:
    world = World()
    await create(world, S3KeyPrefix="audit", EnableLogFileValidation=True)
    call = world.call("UpdateTrail", {"Name": "main", "IsMultiRegionTrail": True})

    outcome = await update_trail(world.ports, call)
    await world.carry_out(outcome)

    trail = await stored(world)
    assert (trail.is_multi_region, trail.s3_key_prefix, trail.is_log_file_validation_enabled) == (True, "audit", True)
    assert outcome.output["IsMultiRegionTrail"] is True
    assert outcome.weakens_record


async def test_empty_prefix_in_an_update_clears_it() -> None:
    world = World()
    await create(world, S3KeyPrefix="audit")
    call = world.call("UpdateTrail", {"Name": "main", "S3KeyPrefix": ""})

    outcome = await update_trail(world.ports, call)

    assert "S3KeyPrefix" not in outcome.output


async def test_update_proves_the_bucket_only_when_where_to_deliver_changes() -> None:
    world = World()
    await create(world)
    world.bucket.failure = AccessRefused("AccessDenied", "Access Denied")

    await prepare_update_trail(world.ports, world.call("UpdateTrail", {"Name": "main", "IsMultiRegionTrail": True}))
    with pytest.raises(errors.InsufficientS3BucketPolicyException):
        await prepare_update_trail(world.ports, world.call("UpdateTrail", {"Name": "main", "S3KeyPrefix": "p"}))


async def test_update_to_multi_region_is_refused_where_another_region_is_full() -> None:
    world = World()
    await create(world)
    for number in range(5):
        await create(world, f"trail{number}", region=EU)

    with pytest.raises(errors.OperationNotPermittedException, match="already has 5 trails in eu-west-1"):
        await update_trail(world.ports, world.call("UpdateTrail", {"Name": "main", "IsMultiRegionTrail": True}))


@pytest.mark.parametrize("handler", [update_trail, delete_trail, start_logging, stop_logging])
async def test_trail_is_changed_from_its_home_region_only(handler: Any) -> None:
    world = World()
    await create(world, IsMultiRegionTrail=True)

    with pytest.raises(errors.InvalidHomeRegionException):
        await handler(world.ports, world.call("Any", {"Name": a_trail().arn}, region=EU))
    with pytest.raises(errors.TrailNotFoundException) as refused:
        await handler(world.ports, world.call("Any", {"Name": "main"}, region=EU))

    assert str(refused.value) == f"Unknown trail: {a_trail(region=EU).arn} for the user: {ACCOUNT}"


@pytest.mark.parametrize("operation", ["GetTrail", "UpdateTrail"])
async def test_some_operations_name_an_unknown_trail_as_it_was_given(operation: str) -> None:
    world = World()

    with pytest.raises(errors.TrailNotFoundException) as refused:
        await get_trail(world.ports, world.call(operation, {"Name": "main"}))

    assert str(refused.value) == f"Unknown trail: main for the user: {ACCOUNT}"


@pytest.mark.parametrize("handler", [update_trail, delete_trail, start_logging, stop_logging, get_trail])
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("nowhere", errors.TrailNotFoundException),
        ("arn:aws:cloudtrail:us-east-1:999999999999:trail/main", errors.TrailNotFoundException),
        ("x", errors.InvalidTrailNameException),
        ("arn:aws:s3:::logs", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:channel/main", errors.CloudTrailARNInvalidException),
        ("arn:nonsense", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:12345:trail/main", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1::trail/main", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail::123456789012:trail/main", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:US_EAST:123456789012:trail/main", errors.CloudTrailARNInvalidException),
        ("arn:ours:cloudtrail:us-east-1:123456789012:trail/main", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:trail/", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:trail/a", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:trail/a--b", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:trail/main/more", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:main", errors.CloudTrailARNInvalidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:trail/main\n", errors.CloudTrailARNInvalidException),
    ],
)
async def test_trail_that_is_not_there_is_refused(handler: Any, given: str, error: type[Exception]) -> None:
    world = World()
    await create(world)

    with pytest.raises(error):
        await handler(world.ports, world.call("Any", {"Name": given}))


async def test_trail_of_another_account_is_unknown() -> None:
    world = World()
    other = a_trail(account_id="999999999999")
    await world.carry_out(Outcome(settings=(SettingsEntry(other.arn, other.to_json()),)))

    with pytest.raises(errors.TrailNotFoundException):
        await get_trail(world.ports, world.call("GetTrail", {"Name": other.arn}))


async def test_starting_and_stopping_twice_changes_nothing_more() -> None:
    world = World()
    await create(world)

    await world.carry_out(await start_logging(world.ports, world.call("StartLogging", {"Name": "main"})))
    world.clock.advance(60)
    again = await start_logging(world.ports, world.call("StartLogging", {"Name": "main"}))
    stop = await stop_logging(world.ports, world.call("StopLogging", {"Name": "main"}))
    await world.carry_out(stop)
    stop_again = await stop_logging(world.ports, world.call("StopLogging", {"Name": "main"}))

    trail = await stored(world)
    assert again.settings == ()
    assert stop_again.settings == ()
    assert stop.weakens_record
    assert trail.logging_started_at is not None
    assert trail.logging_stopped_at is not None
    assert (trail.logging_stopped_at - trail.logging_started_at).total_seconds() == 60


async def test_deleting_takes_effect_after_it_is_on_record() -> None:
    world = World()
    await create(world)

    outcome = await delete_trail(world.ports, world.call("DeleteTrail", {"Name": "main"}))
    await world.carry_out(outcome)

    assert outcome.weakens_record
    assert await world.trails.trails(ACCOUNT) == []


async def test_trail_is_described_with_home_region_and_selectors_flag() -> None:
    world = World()
    await create(world)

    output = (await get_trail(world.ports, world.call("GetTrail", {"Name": "main"}))).output

    trail = output["Trail"]
    assert (trail["HomeRegion"], trail["HasCustomEventSelectors"], trail["HasInsightSelectors"]) == (
        "us-east-1",
        False,
        False,
    )


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, ["local", "wide"]),
        ({"includeShadowTrails": False}, ["local"]),
        ({"trailNameList": ["local", "missing"]}, ["local"]),
        ({"trailNameList": ["wide"]}, []),
        ({"trailNameList": [a_trail("wide").arn]}, ["wide"]),
        ({"trailNameList": [a_trail("home").arn]}, ["home"]),
    ],
)
async def test_describe_shows_the_region_its_shadows_and_arns_of_other_regions(
    parameters: dict[str, Any], names: list[str]
) -> None:
    world = World()
    await create(world, "home")
    await create(world, "wide", IsMultiRegionTrail=True)
    await create(world, "local", region=EU)

    output = (await describe_trails(world.ports, world.call("DescribeTrails", parameters, region=EU))).output

    assert sorted(trail["Name"] for trail in output["trailList"]) == names


async def test_shadow_trails_are_left_out_when_they_are_not_wanted_also_if_they_are_named() -> None:
    world = World()
    await create(world, IsMultiRegionTrail=True)
    await create(world, "local")
    named = [a_trail().arn, a_trail("local").arn]
    parameters = {"trailNameList": named, "includeShadowTrails": False}

    output = (await describe_trails(world.ports, world.call("DescribeTrails", parameters, region=EU))).output

    assert [trail["Name"] for trail in output["trailList"]] == ["local"]


async def test_trails_are_described_by_name() -> None:
    world = World()
    await create(world, "zone", IsMultiRegionTrail=True)
    await create(world, "alarm", region=EU, IsMultiRegionTrail=True)
    await create(world, "Main")

    output = (await describe_trails(world.ports, world.call("DescribeTrails"))).output

    assert [trail["Name"] for trail in output["trailList"]] == ["Main", "alarm", "zone"]


async def test_list_names_the_trails_of_all_regions_once() -> None:
    world = World()
    await create(world, IsMultiRegionTrail=True)
    await create(world, "local", region=EU)

    output = (await list_trails(world.ports, world.call("ListTrails", region="ap-south-1"))).output

    assert output["Trails"] == [
        {"TrailARN": a_trail("local", region=EU).arn, "Name": "local", "HomeRegion": EU},
        {"TrailARN": a_trail().arn, "Name": "main", "HomeRegion": "us-east-1"},
    ]


async def test_status_of_an_untouched_trail_has_empty_texts_and_no_times() -> None:
    world = World()
    await create(world)

    output = (await get_trail_status(world.ports, world.call("GetTrailStatus", {"Name": "main"}))).output

    assert output == {
        "IsLogging": False,
        "LatestDeliveryAttemptTime": "",
        "LatestNotificationAttemptTime": "",
        "LatestNotificationAttemptSucceeded": "",
        "LatestDeliveryAttemptSucceeded": "",
        "TimeLoggingStarted": "",
        "TimeLoggingStopped": "",
    }


async def test_status_shows_logging_and_deliveries_of_the_called_region() -> None:
    world = World()
    await create(world, IsMultiRegionTrail=True)
    await world.carry_out(await start_logging(world.ports, world.call("StartLogging", {"Name": "main"})))
    await world.delivery_log.set_status(
        a_trail().arn,
        EU,
        {"LatestDeliveryTime": "2026-11-20T12:05:00Z", "LatestDeliveryError": "NoSuchBucket"},
    )

    here = (await get_trail_status(world.ports, world.call("GetTrailStatus", {"Name": "main"}))).output
    there = (
        await get_trail_status(world.ports, world.call("GetTrailStatus", {"Name": a_trail().arn}, region=EU))
    ).output

    assert here["IsLogging"] is True
    assert here["StartLoggingTime"] == world.clock.now()
    assert here["TimeLoggingStarted"] == "2026-11-20T12:00:00Z"
    assert "LatestDeliveryTime" not in here
    assert there["LatestDeliveryTime"].isoformat() == "2026-11-20T12:05:00+00:00"
    assert there["LatestDeliveryError"] == "NoSuchBucket"


async def test_status_shows_every_destination_with_its_time_and_its_error() -> None:
    world = World()
    await create(world)
    told = {
        "LatestDeliveryTime": "2026-11-20T12:05:00Z",
        "LatestDeliveryAttemptTime": "2026-11-20T12:06:00Z",
        "LatestDeliveryAttemptSucceeded": "2026-11-20T12:05:00Z",
        "LatestDeliveryError": "AccessDenied",
        "LatestNotificationTime": "2026-11-20T12:05:01Z",
        "LatestNotificationAttemptTime": "2026-11-20T12:06:01Z",
        "LatestNotificationAttemptSucceeded": "2026-11-20T12:05:01Z",
        "LatestNotificationError": "AuthorizationError",
        "LatestDigestDeliveryTime": "2026-11-20T12:05:02Z",
        "LatestDigestDeliveryError": "NoSuchBucket",
        "LatestCloudWatchLogsDeliveryTime": "2026-11-20T12:05:03Z",
        "LatestCloudWatchLogsDeliveryError": "ResourceNotFoundException",
    }
    await world.delivery_log.set_status(a_trail().arn, "us-east-1", told)

    output = (await get_trail_status(world.ports, world.call("GetTrailStatus", {"Name": "main"}))).output

    texts = {"TimeLoggingStarted": "", "TimeLoggingStopped": ""}
    times = {name for name in told if name.endswith("Time") and "Attempt" not in name}
    assert {name: value for name, value in output.items() if name not in times} == {
        "IsLogging": False,
        **texts,
        **{name: value for name, value in told.items() if name not in times},
    }
    assert {name: output[name].strftime("%Y-%m-%dT%H:%M:%SZ") for name in times} == {name: told[name] for name in times}


async def test_status_of_a_single_region_trail_is_unknown_in_other_regions() -> None:
    world = World()
    await create(world)

    with pytest.raises(errors.TrailNotFoundException):
        await get_trail_status(world.ports, world.call("GetTrailStatus", {"Name": a_trail().arn}, region=EU))


async def test_status_tells_nothing_of_an_earlier_trail_of_the_same_name() -> None:
    world = World()
    await world.delivery_log.set_status(
        a_trail().arn,
        "us-east-1",
        {
            "LatestDeliveryTime": "2026-11-20T11:00:00Z",
            "LatestDeliveryAttemptTime": "2026-11-20T11:30:00Z",
            "LatestDeliveryError": "NoSuchBucket",
        },
    )
    await create(world)

    output = (await get_trail_status(world.ports, world.call("GetTrailStatus", {"Name": "main"}))).output

    assert "LatestDeliveryTime" not in output
    assert "LatestDeliveryError" not in output
    assert output["LatestDeliveryAttemptTime"] == ""
