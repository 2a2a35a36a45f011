"""The calls that Terraform's AWS provider makes for its resources of the audit chain, in its order: create, read,
change, read, delete, and the look that finds them gone. CloudTrail is Opentrail's own; the rest is the upstream's."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.clients.stage import (
    ACCOUNT,
    Stage,
    assert_recorded,
    identities,
    parameters_of,
    user_identity,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USER = "terraform"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/audit"
TAGS = [{"Key": "team", "Value": "audit"}]


@pytest.fixture(scope="module", autouse=True)
def _user(stage: Stage) -> None:
    stage.make_user(USER, "AWSCloudTrail_FullAccess")
    assert stage.server.opentrail("archive", "create", "terraform-archive").returncode == 0


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def read_trail(cloudtrail: Any) -> dict[str, Any]:
    """Refresh aws_cloudtrail as the provider does."""
    [trail] = cloudtrail.describe_trails(trailNameList=[TRAIL])["trailList"]
    status = cloudtrail.get_trail_status(Name=TRAIL)
    if trail["HasCustomEventSelectors"]:
        trail["selectors"] = cloudtrail.get_event_selectors(TrailName=TRAIL)
    [tags] = cloudtrail.list_tags(ResourceIdList=[TRAIL])["ResourceTagList"]
    return {**trail, "is_logging": status["IsLogging"], "tags": tags["TagsList"]}


def test_a_trail_lives_and_dies_as_a_resource(stage: Stage) -> None:
    cloudtrail = stage.boto("cloudtrail", USER)
    assert stage.boto("sts", USER).get_caller_identity()["Arn"] == user_identity(USER)[1]
    mark = stage.mark()

    cloudtrail.create_trail(
        Name="audit", S3BucketName="terraform-archive", IncludeGlobalServiceEvents=True, TagsList=TAGS
    )
    cloudtrail.start_logging(Name=TRAIL)
    created = read_trail(cloudtrail)
    cloudtrail.update_trail(Name=TRAIL, IsMultiRegionTrail=True, EnableLogFileValidation=True)
    cloudtrail.put_event_selectors(
        TrailName=TRAIL,
        EventSelectors=[
            {
                "ReadWriteType": "WriteOnly",
                "IncludeManagementEvents": True,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
            }
        ],
    )
    cloudtrail.stop_logging(Name=TRAIL)
    cloudtrail.remove_tags(ResourceId=TRAIL, TagsList=TAGS)
    changed = read_trail(cloudtrail)
    cloudtrail.delete_trail(Name=TRAIL)
    gone = cloudtrail.describe_trails(trailNameList=[TRAIL])["trailList"]
    with pytest.raises(ClientError) as error:
        cloudtrail.get_trail_status(Name=TRAIL)
    events = mark.events()

    assert (created["is_logging"], created["HasCustomEventSelectors"], created["tags"]) == (True, False, TAGS)
    assert (changed["is_logging"], changed["IsMultiRegionTrail"], changed["tags"]) == (False, True, [])
    assert changed["selectors"]["EventSelectors"][0]["ReadWriteType"] == "WriteOnly"
    assert gone == []
    assert code_of(error) == "TrailNotFoundException"
    assert_recorded(mark, events, USER)
    writes = [event["eventName"] for event in events if not event["readOnly"]]
    assert writes == [
        *("CreateTrail", "StartLogging", "UpdateTrail", "PutEventSelectors", "StopLogging", "RemoveTags", "DeleteTrail")
    ]
    assert events[-1]["errorCode"] == "TrailNotFoundException"
    found = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DeleteTrail"}])
    assert found["Events"][0]["Username"] == USER


def test_a_log_group_and_its_metric_filter_live_and_die_as_resources(stage: Stage) -> None:
    logs = stage.boto("logs", USER)
    mark = stage.mark()

    logs.create_log_group(logGroupName="/audit", tags={"team": "audit"})
    logs.put_retention_policy(logGroupName="/audit", retentionInDays=30)
    [group] = logs.describe_log_groups(logGroupNamePrefix="/audit")["logGroups"]
    tags = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
    transformation = {"metricName": "Root", "metricNamespace": "Audit", "metricValue": "1", "unit": "None"}
    pattern = '{ $.userIdentity.type = "Root" }'
    logs.put_metric_filter(
        logGroupName="/audit", filterName="root", filterPattern=pattern, metricTransformations=[transformation]
    )
    [kept] = logs.describe_metric_filters(logGroupName="/audit", filterNamePrefix="root")["metricFilters"]
    logs.delete_metric_filter(logGroupName="/audit", filterName="root")
    logs.delete_retention_policy(logGroupName="/audit")
    logs.delete_log_group(logGroupName="/audit")
    gone = logs.describe_log_groups(logGroupNamePrefix="/audit")["logGroups"]
    events = mark.events()

    assert (group["retentionInDays"], tags, kept["filterPattern"], gone) == (30, {"team": "audit"}, pattern, [])
    assert mark.assert_unchanged() == len(events)
    assert_recorded(mark, events, USER)
    [put] = parameters_of(events, "PutMetricFilter")
    assert (put["filterName"], put["filterPattern"]) == ("root", pattern)
    assert parameters_of(events, "DeleteLogGroup") == [{"logGroupName": "/audit"}]


def test_an_alarm_lives_and_dies_as_a_resource(stage: Stage) -> None:
    monitoring = stage.boto("cloudwatch", USER)
    mark = stage.mark()

    monitoring.put_metric_alarm(
        AlarmName="root-used",
        MetricName="Root",
        Namespace="Audit",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Tags=TAGS,
    )
    [alarm] = monitoring.describe_alarms(AlarmNames=["root-used"], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    monitoring.delete_alarms(AlarmNames=["root-used"])
    events = mark.events()

    assert (alarm["Namespace"], alarm["Threshold"]) == ("Audit", 1.0)
    assert mark.assert_unchanged() == len(events) == 3
    assert_recorded(mark, events, USER)
    assert parameters_of(events, "PutMetricAlarm")[0]["alarmName"] == "root-used"
    assert parameters_of(events, "DeleteAlarms") == [{"alarmNames": ["root-used"]}]


def test_a_rule_with_its_target_and_a_topic_with_its_subscription(stage: Stage) -> None:
    events_client, sns, sqs = (stage.boto(service, USER) for service in ("events", "sns", "sqs"))
    mark = stage.mark()

    queue = sqs.create_queue(QueueName="notified")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    topic = sns.create_topic(Name="audit", Tags=TAGS)["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Audit")
    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    sns.list_tags_for_resource(ResourceArn=topic)
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"], ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    sns.get_subscription_attributes(SubscriptionArn=subscription)
    events_client.put_rule(Name="root", EventPattern='{"source":["aws.signin"]}', Tags=TAGS)
    rule = events_client.describe_rule(Name="root")
    events_client.list_tags_for_resource(ResourceARN=rule["Arn"])
    put = events_client.put_targets(Rule="root", Targets=[{"Id": "topic", "Arn": topic}])
    [target] = events_client.list_targets_by_rule(Rule="root", Limit=100)["Targets"]
    events_client.remove_targets(Rule="root", Ids=["topic"])
    events_client.delete_rule(Name="root")
    sns.unsubscribe(SubscriptionArn=subscription)
    with pytest.raises(ClientError) as error:
        sns.get_subscription_attributes(SubscriptionArn=subscription)
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)
    recorded = mark.events()

    assert (shown["DisplayName"], put["FailedEntryCount"], target["Arn"]) == ("Audit", 0, topic)
    assert code_of(error) in ("NotFound", "NotFoundException")
    assert mark.assert_unchanged() == len(recorded)
    assert_recorded(mark, recorded, USER)
    assert identities(recorded) == {user_identity(USER)}
    assert parameters_of(recorded, "PutTargets")[0]["rule"] == "root"
    assert parameters_of(recorded, "Subscribe")[0]["protocol"] == "sqs"
    assert parameters_of(recorded, "CreateTopic")[0]["name"] == "audit"
    failed = [(event["eventName"], event["errorCode"]) for event in recorded if "errorCode" in event]
    assert [name for name, _ in failed] == ["GetSubscriptionAttributes"]
