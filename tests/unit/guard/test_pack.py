"""The packs that ship: every pattern is one that PutMetricFilter takes, and says what its title says."""

import re
from collections.abc import Mapping

import orjson
import pytest

from opentrail.guard.pack import ALARM, PACKS, GuardRule, Pack, pack_of, read_pack
from opentrail.pattern.filter_pattern import parse_filter_pattern

MAX_PATTERN_CHARACTERS = 1024
LONGEST_BUCKET = "b" * 63
RULES = [(read_pack(name), rule) for name in PACKS for rule in read_pack(name).rules]
IDS = [f"{pack.name}-{rule.name}" for pack, rule in RULES]


def matches(pack: str, rule: str, event: Mapping[str, object], bucket: str = "vault") -> bool:
    [found] = [one for one in read_pack(pack).rules if one.name == rule]
    return parse_filter_pattern(found.pattern_for(bucket)).match(orjson.dumps(event).decode()) is not None


@pytest.mark.parametrize(("pack", "rule"), RULES, ids=IDS)
def test_a_rule_is_a_filter_and_an_alarm_that_the_api_takes(pack: Pack, rule: GuardRule) -> None:
    log_filter, alarm = pack.metric_filter(rule, LONGEST_BUCKET), pack.metric_alarm(rule)

    parse_filter_pattern(log_filter["filterPattern"])
    [transformation] = log_filter["metricTransformations"]
    assert len(log_filter["filterPattern"]) <= MAX_PATTERN_CHARACTERS
    assert "%" not in log_filter["filterPattern"], "a group takes five filters with a regular expression"
    assert "{bucket}" not in log_filter["filterPattern"]
    assert re.fullmatch(r"opentrail-guard-[a-z]+-[A-Za-z]+", alarm["AlarmName"])
    assert alarm["AlarmName"] == log_filter["filterName"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (
        transformation["metricNamespace"],
        transformation["metricName"],
    )
    assert pack_of(alarm["AlarmName"]) == pack.name


def test_no_two_rules_share_a_name_and_all_fit_into_one_log_group() -> None:
    assert len(set(IDS)) == len(IDS) <= 100
    assert all(read_pack(name).source and read_pack(name).title for name in PACKS)


def test_an_alarm_is_one_match_in_five_minutes() -> None:
    assert (ALARM["Statistic"], ALARM["Threshold"], ALARM["Period"]) == ("Sum", 1.0, 300)
    assert ALARM["TreatMissingData"] == "notBreaching"


def test_what_is_none_of_the_guard_s_has_no_pack() -> None:
    assert [pack_of(name) for name in ("cis-RootUsage", "opentrail-guard-mine-X", "opentrail-guard-")] == ["", "", ""]


@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("LoggingStopped", {"eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging"}),
        ("TrailDeleted", {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail"}),
        ("TrailChanged", {"eventSource": "cloudtrail.amazonaws.com", "eventName": "UpdateTrail"}),
        ("SelectorsChanged", {"eventSource": "cloudtrail.amazonaws.com", "eventName": "PutEventSelectors"}),
        ("RemediationEnded", {"eventSource": "cloudtrail.amazonaws.com", "eventName": "TrailRemediationStopped"}),
        ("BucketPolicyChanged", {"eventName": "PutBucketPolicy"}),
        ("BucketLifecycleChanged", {"eventName": "PutBucketLifecycle"}),
        ("BucketLockChanged", {"eventName": "PutBucketObjectLockConfiguration"}),
        ("BucketDeleted", {"eventName": "DeleteBucket"}),
        ("LogObjectsTouched", {"eventName": "DeleteObject"}),
        ("ArchiveTouched", {"eventName": "PutBucketLifecycle", "eventType": "AwsServiceEvent"}),
        ("KeyDisabled", {"eventSource": "kms.amazonaws.com", "eventName": "ScheduleKeyDeletion"}),
        ("AlarmsSilenced", {"eventSource": "monitoring.amazonaws.com", "eventName": "DeleteAlarms"}),
    ],
)
def test_tampering_sees_the_attack_and_not_its_like_elsewhere(rule: str, event: dict[str, object]) -> None:
    attack = {"eventSource": "s3.amazonaws.com", "requestParameters": {"bucketName": "vault"}} | event

    assert matches("tampering", rule, attack)
    assert not matches("tampering", rule, attack | {"eventSource": "other.amazonaws.com"})
    assert not matches("tampering", rule, attack | {"eventName": "DescribeTrails"})


@pytest.mark.parametrize(("said", "is_seen"), [("narrowed", True), ("undecided", True), ("", False)])
def test_tampering_tells_narrowed_selectors_from_others(said: str, is_seen: bool) -> None:
    event = {
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": "PutEventSelectors",
        "additionalEventData": {"opentrail": {"selectors": said}},
    }

    assert matches("tampering", "SelectorsNarrowed", event) is is_seen
    assert matches("tampering", "SelectorsChanged", event)


def test_tampering_with_a_bucket_is_about_the_trail_s_own() -> None:
    event = {
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutBucketPolicy",
        "requestParameters": {"bucketName": "photos"},
    }

    assert not matches("tampering", "BucketPolicyChanged", event)
    assert matches("tampering", "BucketPolicyChanged", event, bucket="photos")


def test_root_is_told_from_services_that_act_for_it() -> None:
    event = {"eventName": "CreateUser", "eventType": "AwsApiCall", "userIdentity": {"type": "Root"}}

    assert matches("root", "Usage", event)
    assert not matches("root", "Usage", event | {"userIdentity": {"type": "Root", "invokedBy": "s3.amazonaws.com"}})
    assert not matches("root", "Usage", event | {"userIdentity": {"type": "IAMUser"}})


def test_either_administrator_policy_counts() -> None:
    event = {"eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy"}

    for name, is_seen in (("AdministratorAccess", True), ("IAMFullAccess", True), ("ReadOnlyAccess", False)):
        given = event | {"requestParameters": {"policyArn": f"arn:aws:iam::aws:policy/{name}"}}
        assert matches("iam", "AdministratorsMade", given) is is_seen
