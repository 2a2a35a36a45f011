"""Alarms as boto3 and the AWS CLI see them: made, shown, changed, refused, deleted."""

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from tests.builders import ACCOUNT, REGION, a_credential, a_user, a_user_principal
from tests.support.api import ApiInThread
from tests.support.clients import require_aws_cli

Connect = Callable[..., Any]

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
ARN = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:root"
SETTINGS: dict[str, Any] = {
    "AlarmName": "root",
    "MetricName": "Root",
    "Namespace": "Audit",
    "Statistic": "Sum",
    "Period": 300,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
}


@pytest.fixture
def cloudwatch(connect: Connect) -> Any:
    return connect("cloudwatch")


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_alarm_is_shown_with_what_was_set_and_nothing_else(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**SETTINGS, Tags=[{"Key": "team", "Value": "audit"}])

    [alarm] = cloudwatch.describe_alarms()["MetricAlarms"]

    times = {name: value for name, value in alarm.items() if name.endswith("Timestamp")}
    assert set(times) == {
        "AlarmConfigurationUpdatedTimestamp",
        "StateUpdatedTimestamp",
        "StateTransitionedTimestamp",
    }
    assert {name: value for name, value in alarm.items() if name not in times} == SETTINGS | {
        "AlarmArn": ARN,
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "Dimensions": [],
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
    }
    assert cloudwatch.list_tags_for_resource(ResourceARN=ARN)["Tags"] == [{"Key": "team", "Value": "audit"}]


def test_a_change_replaces_the_settings_and_keeps_state_and_tags(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**SETTINGS, AlarmDescription="first", Tags=[{"Key": "team", "Value": "audit"}])
    cloudwatch.set_alarm_state(AlarmName="root", StateValue="OK", StateReason="by hand")

    cloudwatch.put_metric_alarm(**SETTINGS | {"Threshold": 5.0}, Tags=[{"Key": "team", "Value": "other"}])

    [alarm] = cloudwatch.describe_alarms(AlarmNames=["root", "nothing"])["MetricAlarms"]
    assert (alarm["Threshold"], alarm["StateValue"], "AlarmDescription" in alarm) == (5.0, "OK", False)
    assert cloudwatch.list_tags_for_resource(ResourceARN=ARN)["Tags"] == [{"Key": "team", "Value": "audit"}]


def test_alarms_are_chosen_and_paged_by_name(cloudwatch: Any) -> None:
    for name in ("b1", "a2", "a1"):
        cloudwatch.put_metric_alarm(**SETTINGS | {"AlarmName": name, "AlarmActions": [TOPIC] if name == "a1" else []})
    cloudwatch.put_composite_alarm(AlarmName="all", AlarmRule="ALARM(a1) OR ALARM(b1)")

    def names(**chosen: Any) -> list[str]:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(**chosen, PaginationConfig={"PageSize": 1})
        return [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"] + page["CompositeAlarms"]]

    assert names() == ["a1", "a2", "b1"]
    assert names(AlarmNamePrefix="a") == ["a1", "a2"]
    assert names(AlarmTypes=["CompositeAlarm"]) == ["all"]
    assert names(ActionPrefix="arn:aws:sns") == ["a1"]
    assert names(StateValue="OK") == []
    assert names(ChildrenOfAlarmName="all") == ["a1", "b1"]
    assert names(ParentsOfAlarmName="a1") == ["all"]
    found = cloudwatch.describe_alarms_for_metric(Namespace="Audit", MetricName="Root")["MetricAlarms"]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Statistic": None}, "Exactly one of Statistic and ExtendedStatistic"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of Statistic and ExtendedStatistic"),
        ({"Period": 45}, "period must be 10, 20 or 30 seconds, or a multiple of 60"),
        ({"EvaluationPeriods": 300}, "at most a day"),
        ({"DatapointsToAlarm": 2}, "datapoints make the alarm"),
        ({"TreatMissingData": "whatever"}, "TreatMissingData must be one of"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "Anomaly detection is not supported"),
        ({"ComparisonOperator": "Bigger"}, "failed to satisfy constraint: Member must satisfy enum value set"),
        ({"EvaluationInterval": 60}, "EvaluationInterval is not supported"),
        ({"AlarmActions": ["nothing"]}, "is no ARN"),
        ({"Threshold": None}, "Threshold is required"),
    ],
)
def test_settings_that_no_alarm_can_have_are_refused(cloudwatch: Any, change: dict[str, Any], said: str) -> None:
    settings = {name: value for name, value in (SETTINGS | change).items() if value is not None}

    code, message = error_of(lambda: cloudwatch.put_metric_alarm(**settings))

    assert code == "ValidationError"
    assert said in message
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_a_state_that_is_none_is_refused_in_the_service_s_words(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**SETTINGS)

    refused = error_of(lambda: cloudwatch.set_alarm_state(AlarmName="root", StateValue="INVALID", StateReason="x"))

    assert refused[0] == "ValidationError"
    assert refused[1].startswith(
        "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: Member must "
        "satisfy enum value set: ["
    )
    code, _ = error_of(lambda: cloudwatch.set_alarm_state(AlarmName="gone", StateValue="OK", StateReason="x"))
    assert code == "ResourceNotFound"
    bad = {"AlarmName": "root", "StateValue": "OK", "StateReason": "x", "StateReasonData": "{"}
    assert error_of(lambda: cloudwatch.set_alarm_state(**bad))[0] == "InvalidFormat"


def test_deletion_is_all_or_nothing_and_spares_what_a_composite_alarm_needs(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**SETTINGS)
    cloudwatch.put_composite_alarm(AlarmName="above", AlarmRule="ALARM(root)")

    assert error_of(lambda: cloudwatch.delete_alarms(AlarmNames=["root"]))[0] == "ResourceConflict"
    assert error_of(lambda: cloudwatch.delete_alarms(AlarmNames=["above", "gone"]))[0] == "ResourceNotFound"

    cloudwatch.delete_alarms(AlarmNames=["above"])
    cloudwatch.delete_alarms(AlarmNames=["root"])
    assert cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["MetricAlarms"] == []
    assert error_of(lambda: cloudwatch.list_tags_for_resource(ResourceARN=ARN))[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("ALARM(", "cannot be read"),
        ("ALARM(gone)", "Could not find the alarm gone"),
        ("ALARM(above)", "must not depend on itself"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(cloudwatch: Any, rule: str, said: str) -> None:
    cloudwatch.put_metric_alarm(**SETTINGS)
    cloudwatch.put_composite_alarm(AlarmName="above", AlarmRule="ALARM(root)")

    code, message = error_of(lambda: cloudwatch.put_composite_alarm(AlarmName="above", AlarmRule=rule))

    assert (code, said in message) == ("ValidationError", True)


def test_tags_are_set_and_removed(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**SETTINGS)

    cloudwatch.tag_resource(ResourceARN=ARN, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    cloudwatch.untag_resource(ResourceARN=ARN, TagKeys=["a"])

    assert cloudwatch.list_tags_for_resource(ResourceARN=ARN)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_a_caller_needs_the_action_on_the_alarm(api: ApiInThread, connect: Connect) -> None:
    policy = {"Effect": "Allow", "Action": "cloudwatch:PutMetricAlarm", "Resource": f"{ARN}*"}
    credential: Credential = a_credential(a_user_principal(), "AKIAREADER0000000001")
    text = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    api.do(api.world.identities.create_user(a_user("anaya", reading=text)))
    api.do(api.world.identities.add_credential(credential))
    cloudwatch = connect("cloudwatch", credential=credential)

    cloudwatch.put_metric_alarm(**SETTINGS)

    other = SETTINGS | {"AlarmName": "other"}
    assert error_of(lambda: cloudwatch.put_metric_alarm(**other))[0] == "AccessDenied"
    assert error_of(lambda: cloudwatch.describe_alarms())[0] == "AccessDenied"


@pytest.mark.slow
def test_the_aws_cli_makes_shows_and_deletes_an_alarm(api: ApiInThread) -> None:
    credential = a_credential()
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": credential.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credential.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
    }

    def aws(*words: str) -> Any:
        command = [require_aws_cli(), "--endpoint-url", api.url, "cloudwatch", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    aws(
        *("put-metric-alarm", "--alarm-name", "root", "--metric-name", "Root", "--namespace", "Audit"),
        *("--statistic", "Sum", "--period", "300", "--threshold", "1", "--evaluation-periods", "1"),
        *("--comparison-operator", "GreaterThanOrEqualToThreshold", "--alarm-actions", TOPIC),
    )
    [alarm] = aws("describe-alarms", "--alarm-names", "root")["MetricAlarms"]
    history = aws("describe-alarm-history", "--alarm-name", "root")["AlarmHistoryItems"]
    aws("delete-alarms", "--alarm-names", "root")

    assert alarm["AlarmActions"] == [TOPIC]
    assert [item["HistorySummary"] for item in history] == ['Alarm "root" created']
    assert aws("describe-alarms")["MetricAlarms"] == []
