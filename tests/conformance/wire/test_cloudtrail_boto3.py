"""CloudTrail's operations and their errors as boto3 sees them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.ports.object_store import AccessRefused
from tests.builders import ACCOUNT, a_credential, a_trail
from tests.support.api import ApiInThread

Connect = Callable[..., Any]

ARN = a_trail().arn
ELSEWHERE = "eu-west-1"
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:trails:*"
ROLE = "arn:aws:iam::123456789012:role/delivery"


@pytest.fixture
def cloudtrail(connect: Connect) -> Any:
    return connect("cloudtrail")


@pytest.fixture
def trail(cloudtrail: Any) -> str:
    arn: str = cloudtrail.create_trail(Name="main", S3BucketName="logs", IsMultiRegionTrail=True)["TrailARN"]
    return arn


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    code: str = refused.value.response["Error"]["Code"]
    assert refused.value.response["ResponseMetadata"]["RequestId"]
    assert refused.value.response["Error"]["Message"]
    return code


def test_life_of_a_trail(cloudtrail: Any) -> None:
    created = cloudtrail.create_trail(
        Name="main",
        S3BucketName="logs",
        S3KeyPrefix="audit",
        EnableLogFileValidation=True,
        TagsList=[{"Key": "team", "Value": "audit"}],
    )
    cloudtrail.start_logging(Name="main")
    started = cloudtrail.get_trail_status(Name="main")
    updated = cloudtrail.update_trail(Name=ARN, IsMultiRegionTrail=True, EnableLogFileValidation=False)
    described = cloudtrail.describe_trails(trailNameList=["main"])["trailList"]
    cloudtrail.stop_logging(Name=ARN)
    stopped = cloudtrail.get_trail_status(Name="main")
    cloudtrail.delete_trail(Name="main")

    assert (created["TrailARN"], created["LogFileValidationEnabled"], created["S3KeyPrefix"]) == (ARN, True, "audit")
    assert started["IsLogging"] is True
    assert datetime.now(UTC) - started["StartLoggingTime"] < timedelta(minutes=1)
    assert (updated["IsMultiRegionTrail"], updated["LogFileValidationEnabled"]) == (True, False)
    assert [item["HomeRegion"] for item in described] == ["us-east-1"]
    assert (stopped["IsLogging"], stopped["TimeLoggingStopped"][-1:]) == (False, "Z")
    assert cloudtrail.list_trails()["Trails"] == []


def test_shadow_trail_is_shown_and_cannot_be_changed(connect: Connect, trail: str) -> None:
    elsewhere = connect("cloudtrail", region=ELSEWHERE)

    assert [item["TrailARN"] for item in elsewhere.describe_trails()["trailList"]] == [trail]
    assert elsewhere.describe_trails(includeShadowTrails=False)["trailList"] == []
    assert elsewhere.get_trail(Name=trail)["Trail"]["HomeRegion"] == "us-east-1"
    assert elsewhere.get_trail_status(Name=trail)["IsLogging"] is False
    for change in (
        lambda: elsewhere.update_trail(Name=trail, S3KeyPrefix="x"),
        lambda: elsewhere.delete_trail(Name=trail),
        lambda: elsewhere.start_logging(Name=trail),
        lambda: elsewhere.stop_logging(Name=trail),
        lambda: elsewhere.put_event_selectors(TrailName=trail, EventSelectors=[{"ReadWriteType": "All"}]),
    ):
        assert code_of(change) == "InvalidHomeRegionException"


def test_trail_of_all_regions_shows_in_a_region_that_appears_later(
    api: ApiInThread, connect: Connect, cloudtrail: Any, trail: str
) -> None:
    cloudtrail.start_logging(Name="main")
    later = connect("cloudtrail", region="ap-southeast-3")
    told = {"LatestDeliveryTime": "2046-01-02T03:04:05Z"}

    shown = later.describe_trails()["trailList"]
    api.do(api.world.delivery_log.set_status(trail, "ap-southeast-3", told))
    status = later.get_trail_status(Name=trail)

    assert [(item["TrailARN"], item["HomeRegion"]) for item in shown] == [(trail, "us-east-1")]
    assert (status["IsLogging"], status["LatestDeliveryTime"].year) == (True, 2046)
    assert "LatestDeliveryTime" not in cloudtrail.get_trail_status(Name=trail)
    assert code_of(lambda: later.get_trail_status(Name="main")) == "TrailNotFoundException"
    assert code_of(lambda: later.get_event_selectors(TrailName="main")) == "TrailNotFoundException"
    cloudtrail.update_trail(Name="main", IsMultiRegionTrail=False)
    assert later.describe_trails()["trailList"] == []
    assert code_of(lambda: later.get_trail_status(Name=trail)) == "TrailNotFoundException"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Name": "x"}, "InvalidTrailNameException"),
        ({"Name": "main"}, "TrailAlreadyExistsException"),
        ({"S3BucketName": "Bad_Name"}, "InvalidS3BucketNameException"),
        ({"S3BucketName": "missing"}, "S3BucketDoesNotExistException"),
        ({"S3KeyPrefix": "/x"}, "InvalidS3PrefixException"),
        ({"SnsTopicName": "a b"}, "InvalidSnsTopicNameException"),
        ({"SnsTopicName": "topic"}, "InsufficientSnsTopicPolicyException"),
        ({"KmsKeyId": "x"}, "InvalidKmsKeyIdException"),
        ({"KmsKeyId": "alias/trails"}, "KmsKeyNotFoundException"),
        ({"CloudWatchLogsLogGroupArn": "x"}, "InvalidCloudWatchLogsLogGroupArnException"),
        ({"CloudWatchLogsLogGroupArn": LOG_GROUP}, "InvalidCloudWatchLogsRoleArnException"),
        (
            {"CloudWatchLogsLogGroupArn": LOG_GROUP, "CloudWatchLogsRoleArn": ROLE},
            "InvalidCloudWatchLogsLogGroupArnException",
        ),
        ({"IsOrganizationTrail": True}, "OrganizationsNotInUseException"),
        (
            {"IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": False},
            "InvalidParameterCombinationException",
        ),
        ({"TagsList": [{"Key": "aws:x"}]}, "InvalidTagParameterException"),
        ({"TagsList": [{"Key": f"k{n}"} for n in range(51)]}, "TagsLimitExceededException"),
    ],
)
@pytest.mark.usefixtures("trail")
def test_errors_of_create_trail(cloudtrail: Any, members: dict[str, Any], code: str) -> None:
    parameters = {"Name": "other", "S3BucketName": "logs"} | members

    assert code_of(lambda: cloudtrail.create_trail(**parameters)) == code


@pytest.mark.usefixtures("trail")
def test_quota_of_trails(cloudtrail: Any, connect: Connect) -> None:
    for number in range(4):
        cloudtrail.create_trail(Name=f"trail{number}", S3BucketName="logs")
    elsewhere = connect("cloudtrail", region=ELSEWHERE)
    for number in range(4):
        elsewhere.create_trail(Name=f"trail{number}", S3BucketName="logs")

    def sixth() -> object:
        return cloudtrail.create_trail(Name="trail5", S3BucketName="logs")

    assert code_of(sixth) == "MaximumNumberOfTrailsExceededException"
    assert code_of(lambda: cloudtrail.update_trail(Name="trail0", IsMultiRegionTrail=True)) == (
        "OperationNotPermittedException"
    )


@pytest.mark.usefixtures("trail")
def test_bucket_that_refuses(api: ApiInThread, cloudtrail: Any) -> None:
    api.world.bucket.failure = AccessRefused("AccessDenied", "Access Denied")

    assert code_of(lambda: cloudtrail.create_trail(Name="other", S3BucketName="logs")) == (
        "InsufficientS3BucketPolicyException"
    )
    assert code_of(lambda: cloudtrail.update_trail(Name="main", S3KeyPrefix="x")) == (
        "InsufficientS3BucketPolicyException"
    )


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"S3BucketName": "Bad_Name"}, "InvalidS3BucketNameException"),
        ({"S3BucketName": "missing"}, "S3BucketDoesNotExistException"),
        ({"S3KeyPrefix": "x/"}, "InvalidS3PrefixException"),
        ({"SnsTopicName": "a b"}, "InvalidSnsTopicNameException"),
        ({"SnsTopicName": "topic"}, "InsufficientSnsTopicPolicyException"),
        ({"KmsKeyId": "x"}, "InvalidKmsKeyIdException"),
        ({"KmsKeyId": "alias/trails"}, "KmsKeyNotFoundException"),
        ({"CloudWatchLogsRoleArn": ROLE}, "InvalidCloudWatchLogsLogGroupArnException"),
        ({"CloudWatchLogsLogGroupArn": LOG_GROUP}, "InvalidCloudWatchLogsRoleArnException"),
        (
            {"CloudWatchLogsLogGroupArn": LOG_GROUP, "CloudWatchLogsRoleArn": ROLE},
            "InvalidCloudWatchLogsLogGroupArnException",
        ),
        ({"IsOrganizationTrail": True}, "OrganizationsNotInUseException"),
        ({"IncludeGlobalServiceEvents": False}, "InvalidParameterCombinationException"),
    ],
)
@pytest.mark.usefixtures("trail")
def test_errors_of_update_trail(cloudtrail: Any, members: dict[str, Any], code: str) -> None:
    assert code_of(lambda: cloudtrail.update_trail(Name="main", **members)) == code


@pytest.mark.parametrize(
    ("operation", "member", "extra"),
    [
        ("update_trail", "Name", {}),
        ("delete_trail", "Name", {}),
        ("get_trail", "Name", {}),
        ("get_trail_status", "Name", {}),
        ("start_logging", "Name", {}),
        ("stop_logging", "Name", {}),
        ("get_event_selectors", "TrailName", {}),
        ("put_event_selectors", "TrailName", {"EventSelectors": [{"ReadWriteType": "All"}]}),
    ],
)
def test_errors_of_every_operation_on_one_trail(
    cloudtrail: Any, operation: str, member: str, extra: dict[str, Any]
) -> None:
    def call(given: str) -> Callable[[], object]:
        return lambda: getattr(cloudtrail, operation)(**{member: given}, **extra)

    assert code_of(call("missing")) == "TrailNotFoundException"
    assert code_of(call("no")) == "InvalidTrailNameException"
    assert code_of(call("arn:aws:s3:::x")) == "CloudTrailARNInvalidException"
    assert code_of(call("arn:aws:cloudtrail:us-east-1:12345:trail/main")) == "CloudTrailARNInvalidException"
    assert code_of(call(f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/missing")) == "TrailNotFoundException"


def test_errors_of_describe_trails(cloudtrail: Any) -> None:
    assert code_of(lambda: cloudtrail.describe_trails(trailNameList=["no"])) == "InvalidTrailNameException"
    assert code_of(lambda: cloudtrail.describe_trails(trailNameList=["arn:x"])) == "CloudTrailARNInvalidException"
    assert cloudtrail.describe_trails(trailNameList=["missing"])["trailList"] == []


def test_selectors_of_both_kinds(cloudtrail: Any, trail: str) -> None:
    basic = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]
    advanced = [{"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]

    untouched = cloudtrail.get_event_selectors(TrailName="main")
    put_basic = cloudtrail.put_event_selectors(TrailName="main", EventSelectors=basic)
    put_advanced = cloudtrail.put_event_selectors(TrailName=trail, AdvancedEventSelectors=advanced)
    stored = cloudtrail.get_event_selectors(TrailName=trail)

    assert untouched["TrailARN"] == trail
    assert untouched["EventSelectors"][0]["ReadWriteType"] == "All"
    assert put_basic["EventSelectors"][0]["ReadWriteType"] == "WriteOnly"
    assert put_advanced["AdvancedEventSelectors"] == stored["AdvancedEventSelectors"] == advanced
    assert "EventSelectors" not in stored
    assert cloudtrail.get_trail(Name="main")["Trail"]["HasCustomEventSelectors"] is True


@pytest.mark.usefixtures("trail")
def test_errors_of_put_event_selectors(cloudtrail: Any) -> None:
    def put(**members: Any) -> Callable[[], object]:
        return lambda: cloudtrail.put_event_selectors(TrailName="main", **members)

    advanced = [{"FieldSelectors": [{"Field": "nonsense", "Equals": ["x"]}]}]
    for call in (
        put(),
        put(AdvancedEventSelectors=advanced),
        put(EventSelectors=[{"ReadWriteType": "All"}], AdvancedEventSelectors=advanced),
    ):
        assert code_of(call) == "InvalidEventSelectorsException"


def test_tags(cloudtrail: Any, trail: str) -> None:
    cloudtrail.add_tags(ResourceId=trail, TagsList=[{"Key": "team", "Value": "audit"}, {"Key": "bare"}])
    cloudtrail.remove_tags(ResourceId=trail, TagsList=[{"Key": "team"}])

    listed = cloudtrail.list_tags(ResourceIdList=[trail])["ResourceTagList"]

    assert listed == [{"ResourceId": trail, "TagsList": [{"Key": "bare"}]}]


NOBODYS_ID = "0a1b2c3d-4e5f-4607-8899-aabbccddeeff"


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("main", "CloudTrailARNInvalidException"),
        ("arn:aws:s3:::x", "ResourceTypeNotSupportedException"),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/missing", "ResourceNotFoundException"),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:eventdatastore/{NOBODYS_ID}", "EventDataStoreNotFoundException"),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:eventdatastore/x", "EventDataStoreARNInvalidException"),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:channel/{NOBODYS_ID}", "ChannelNotFoundException"),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:channel/x", "ChannelARNInvalidException"),
    ],
)
def test_errors_of_tag_operations(cloudtrail: Any, arn: str, code: str) -> None:
    tags = [{"Key": "k", "Value": "v"}]

    assert code_of(lambda: cloudtrail.add_tags(ResourceId=arn, TagsList=tags)) == code
    assert code_of(lambda: cloudtrail.remove_tags(ResourceId=arn, TagsList=tags)) == code
    of_list = "ResourceNotFoundException" if code.startswith("Channel") else code  # the model gives it no other
    assert code_of(lambda: cloudtrail.list_tags(ResourceIdList=[arn])) == of_list


def test_errors_of_tags_themselves(cloudtrail: Any, trail: str) -> None:
    twice = [{"Key": "k"}, {"Key": "k"}]
    many = [{"Key": f"k{number}"} for number in range(51)]

    assert code_of(lambda: cloudtrail.add_tags(ResourceId=trail, TagsList=twice)) == "InvalidTagParameterException"
    assert code_of(lambda: cloudtrail.remove_tags(ResourceId=trail, TagsList=twice)) == "InvalidTagParameterException"
    assert code_of(lambda: cloudtrail.add_tags(ResourceId=trail, TagsList=many)) == "TagsLimitExceededException"
    assert code_of(lambda: cloudtrail.list_tags(ResourceIdList=[trail], NextToken="x")) == "InvalidTokenException"
    assert code_of(lambda: cloudtrail.list_tags(ResourceIdList=[trail] * 21)) == "ValidationException"


def lookup_when_visible(cloudtrail: Any, **parameters: Any) -> list[dict[str, Any]]:
    """Event history follows the journal within a second."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        events: list[dict[str, Any]] = cloudtrail.lookup_events(**parameters)["Events"]
        if events:
            return events
        time.sleep(0.02)
    return []


def attribute(key: str, value: str) -> dict[str, str]:
    return {"AttributeKey": key, "AttributeValue": value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EventName", "CreateTrail"),
        ("EventSource", "cloudtrail.amazonaws.com"),
        ("ReadOnly", "false"),
        ("Username", "root"),
        ("AccessKeyId", a_credential().access_key_id),
        ("ResourceType", "AWS::CloudTrail::Trail"),
        ("ResourceName", ARN),
    ],
)
@pytest.mark.usefixtures("trail")
def test_calls_are_found_by_every_attribute(cloudtrail: Any, key: str, value: str) -> None:
    events = lookup_when_visible(
        cloudtrail, LookupAttributes=[attribute(key, value), attribute("EventName", "CreateTrail")]
    )

    assert [event["EventName"] for event in events] == ["CreateTrail"]
    by_id = cloudtrail.lookup_events(LookupAttributes=[attribute("EventId", events[0]["EventId"])])["Events"]
    assert by_id == events


@pytest.mark.usefixtures("trail")
def test_lookup_pages_through_boto3s_paginator(cloudtrail: Any) -> None:
    for _ in range(5):
        cloudtrail.list_trails()
    wanted = [attribute("EventName", "ListTrails")]
    deadline = time.monotonic() + 5
    while len(cloudtrail.lookup_events(LookupAttributes=wanted)["Events"]) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)

    pages = cloudtrail.get_paginator("lookup_events").paginate(
        LookupAttributes=wanted, PaginationConfig={"PageSize": 2}
    )

    found = [event["EventId"] for page in pages for event in page["Events"]]
    assert len(found) == len(set(found)) == 5


def test_errors_of_lookup_events(cloudtrail: Any) -> None:
    now = datetime.now(UTC)

    def lookup(**members: Any) -> Callable[[], object]:
        return lambda: cloudtrail.lookup_events(**members)

    many = [attribute("Username", "x")] * 21
    assert code_of(lookup(LookupAttributes=[attribute("Nonsense", "x")])) == "InvalidLookupAttributesException"
    assert code_of(lookup(LookupAttributes=many)) == "InvalidLookupAttributesException"
    assert code_of(lookup(StartTime=now, EndTime=now - timedelta(hours=1))) == "InvalidTimeRangeException"
    assert code_of(lookup(NextToken="garbage")) == "InvalidNextTokenException"
    assert code_of(lookup(EventCategory="data")) == "InvalidEventCategoryException"
    assert code_of(lookup(MaxResults=51)) == "InvalidMaxResultsException"


def test_public_keys_and_their_errors(cloudtrail: Any) -> None:
    now = datetime.now(UTC)

    keys = cloudtrail.list_public_keys()["PublicKeyList"]

    assert len(keys) == 1
    assert isinstance(keys[0]["Value"], bytes)
    assert keys[0]["ValidityStartTime"] <= now <= keys[0]["ValidityEndTime"]

    def backwards() -> object:
        return cloudtrail.list_public_keys(StartTime=now, EndTime=now - timedelta(days=1))

    assert code_of(backwards) == "InvalidTimeRangeException"
    assert code_of(lambda: cloudtrail.list_public_keys(NextToken="x")) == "InvalidTokenException"


def test_operations_that_are_not_answered_say_so(cloudtrail: Any, connect: Connect) -> None:
    assert code_of(cloudtrail.list_dashboards) == "UnsupportedOperationException"
    assert code_of(cloudtrail.list_insights_data) == "UnsupportedOperationException"
    for service, operation in (
        ("logs", "describe_deliveries"),
        ("events", "list_event_sources"),
        ("sns", "list_phone_numbers_opted_out"),
        ("athena", "list_work_groups"),
        ("cloudwatch", "list_dashboards"),
    ):
        assert code_of(getattr(connect(service), operation)) in (
            "UnknownOperationException",
            "InvalidAction",
            "UnsupportedOperationException",
        )


def test_caller_who_is_nobody(connect: Connect) -> None:
    stranger = a_credential(key="AKIASTRANGERSTRANGER")

    assert code_of(connect("cloudtrail", credential=stranger).list_trails) == "UnrecognizedClientException"
    assert code_of(connect("sts", credential=stranger).get_caller_identity) == "InvalidClientTokenId"
    assert code_of(connect("s3", credential=stranger).list_buckets) == "InvalidAccessKeyId"
