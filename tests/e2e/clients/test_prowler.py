"""Prowler's checks, unmodified: each passes for what is well kept, and those of trails fail for what is not."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.builders import ACCOUNT, TRAILS_KEY_POLICY
from tests.e2e.conftest import MakeServer
from tests.support.clients import require_library
from tests.support.moto_server import moto_server
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROGRAM = Path(__file__).parent / "programs" / "prowler_checks.py"
CHECKS = (
    "cloudtrail_multi_region_enabled",
    "cloudtrail_multi_region_enabled_logging_management_events",
    "cloudtrail_log_file_validation_enabled",
    "cloudtrail_kms_encryption_enabled",
    "cloudtrail_insights_exist",
    "cloudtrail_s3_dataevents_read_enabled",
    "cloudtrail_s3_dataevents_write_enabled",
)
WITHOUT = {"sns_topics_kms_encryption_at_rest_enabled"}  # topics have no KMS keys here
REGIONS = ("eu-west-1", "us-east-1")
INSIGHTS = '[{"InsightType":"ApiCallRateInsight"},{"InsightType":"ApiErrorRateInsight"}]'
ALL_OBJECTS = '[{"ReadWriteType":"All","DataResources":[{"Type":"AWS::S3::Object","Values":["arn:aws:s3"]}]}]'
NETWORK_ACTIVITY_ALONE = """[{"FieldSelectors":[{"Field":"eventCategory","Equals":["NetworkActivity"]},
{"Field":"eventSource","Equals":["s3.amazonaws.com"]}]}]"""


def aws(server: RunningServer, *arguments: str) -> str:
    finished = server.aws(*arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def findings(server: RunningServer, *checks: str) -> list[list[str]]:
    finished = server.opentrail("exec", "--", require_library("python"), str(PROGRAM), *checks)
    assert finished.returncode == 0, finished.stderr
    found: list[list[str]] = orjson.loads(finished.stdout.splitlines()[-1])
    return found


def verdicts(server: RunningServer) -> dict[str, dict[str, str]]:
    """Return what each check says of each Region that it speaks of."""
    found: dict[str, dict[str, str]] = {}
    for check, region, verdict in findings(server, *CHECKS):
        found.setdefault(check, {})[region] = verdict
    return found


def test_prowler_passes_a_well_kept_trail_and_fails_a_bad_one(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    key = aws(server, "kms", "create-key", "--query", "KeyMetadata.KeyId", "--output", "text")
    policy = ("--policy", TRAILS_KEY_POLICY, "--bypass-policy-lockout-safety-check")
    aws(server, "kms", "put-key-policy", "--key-id", key, "--policy-name", "default", *policy)
    bucket = ("--s3-bucket-name", "audit-archive")

    aws(server, "cloudtrail", "create-trail", "--name", "bad", *bucket)
    stopped = verdicts(server)
    bad = ("--trail-name", "bad")
    aws(server, "cloudtrail", "put-event-selectors", *bad, "--advanced-event-selectors", NETWORK_ACTIVITY_ALONE)
    aws(server, "cloudtrail", "start-logging", "--name", "bad")
    logging = verdicts(server)
    aws(server, "cloudtrail", "delete-trail", "--name", "bad")
    kept = ("--is-multi-region-trail", "--enable-log-file-validation", "--kms-key-id", key)
    aws(server, "cloudtrail", "create-trail", "--name", "good", *bucket, *kept)
    good = ("--trail-name", "good")
    aws(server, "cloudtrail", "put-event-selectors", *good, "--event-selectors", ALL_OBJECTS)
    aws(server, "cloudtrail", "put-insight-selectors", *good, "--insight-selectors", INSIGHTS)
    aws(server, "cloudtrail", "start-logging", "--name", "good")
    passed = verdicts(server)

    everywhere = dict.fromkeys(REGIONS, "PASS")
    home = {"us-east-1": "PASS"}
    assert passed == {check: everywhere if "multi_region" in check else home for check in CHECKS}
    assert {verdict for regions in stopped.values() for verdict in regions.values()} == {"FAIL"}
    assert set(stopped) == set(CHECKS) - {"cloudtrail_insights_exist"}, "a stopped trail is not asked for insights"
    assert logging["cloudtrail_insights_exist"] == {"us-east-1": "FAIL"}
    assert logging["cloudtrail_multi_region_enabled"] == {"eu-west-1": "FAIL", "us-east-1": "PASS"}
    assert set(logging["cloudtrail_multi_region_enabled_logging_management_events"].values()) == {"FAIL"}


def test_an_archive_is_a_bucket_that_requires_mfa_delete(make_server: MakeServer) -> None:
    server = make_server(upstream="").start()
    assert server.opentrail("users", "mfa", "enable", "--owner").returncode == 0
    for name, options in (("guarded", ("--mfa-delete",)), ("plain", ())):
        assert server.opentrail("archive", "create", name, *options).returncode == 0
        aws(server, "cloudtrail", "create-trail", "--name", name, "--s3-bucket-name", name)
        aws(server, "cloudtrail", "start-logging", "--name", name)

    checks = ("cloudtrail_bucket_requires_mfa_delete", "cloudtrail_logs_s3_bucket_is_not_publicly_accessible")
    assert findings(server, *checks) == [
        ["cloudtrail_bucket_requires_mfa_delete", "us-east-1", "FAIL"],
        ["cloudtrail_bucket_requires_mfa_delete", "us-east-1", "PASS"],
        ["cloudtrail_logs_s3_bucket_is_not_publicly_accessible", "us-east-1", "PASS"],
        ["cloudtrail_logs_s3_bucket_is_not_publicly_accessible", "us-east-1", "PASS"],
    ]


def a_logs_key(kms: Any) -> str:
    owner = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
    service = {**owner, "Principal": {"Service": "logs.us-east-1.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [owner, service]})
    return str(kms.create_key(Policy=policy)["KeyMetadata"]["Arn"])


def keep_well(server: RunningServer) -> None:
    """Set everything up as Prowler's checks of trails, log groups, alarms, buses and topics ask."""
    s3, trails, logs = (client(server, name) for name in ("s3", "cloudtrail", "logs"))
    for bucket in ("trail-bucket", "access-logs"):
        s3.create_bucket(Bucket=bucket)
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket="trail-bucket", PublicAccessBlockConfiguration=closed)
    s3.put_bucket_acl(Bucket="access-logs", ACL="log-delivery-write")
    target = {"TargetBucket": "access-logs", "TargetPrefix": "trail/"}
    s3.put_bucket_logging(Bucket="trail-bucket", BucketLoggingStatus={"LoggingEnabled": target})
    versions = {"Status": "Enabled", "MFADelete": "Enabled"}
    s3.put_bucket_versioning(
        Bucket="trail-bucket", MFA="arn:aws:iam::1:mfa/me 123456", VersioningConfiguration=versions
    )
    kms = client(server, "kms")
    key = kms.create_key(Policy=TRAILS_KEY_POLICY, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["KeyId"]
    trail = {"Name": "main", "S3BucketName": "trail-bucket", "KmsKeyId": key}
    arn = trails.create_trail(**trail, IsMultiRegionTrail=True, EnableLogFileValidation=True)["TrailARN"]
    trails.put_event_selectors(TrailName="main", EventSelectors=json.loads(ALL_OBJECTS))
    trails.put_insight_selectors(TrailName="main", InsightSelectors=json.loads(INSIGHTS))
    trails.start_logging(Name="main")
    assert server.opentrail("guard", "enable", "cis", "--yes").returncode == 0
    [group] = logs.describe_log_groups()["logGroups"]
    logs.put_retention_policy(logGroupName=group["logGroupName"], retentionInDays=365)
    logs.associate_kms_key(logGroupName=group["logGroupName"], kmsKeyId=a_logs_key(kms))
    for region in REGIONS:  # Prowler asks in the one that listed the trail first, and its threads race for that
        wait_until(partial(has_delivered, client(server, "cloudtrail", region=region), arn), f"delivery from {region}")


def has_delivered(trails: Any, arn: str) -> bool:
    """Say whether events of a Region came to the trail's log group; this question is one, if there was none before."""
    return "LatestCloudWatchLogsDeliveryTime" in trails.get_trail_status(Name=arn)


def test_every_check_of_trails_logs_alarms_buses_and_topics_runs(make_server: MakeServer) -> None:
    with moto_server(module="tests.support.moto_with_mfa_delete") as upstream:
        server = make_server(upstream=upstream).start()
        keep_well(server)
        found = findings(server, "cloudtrail_*", "cloudwatch_*", "eventbridge_*", "sns_*")

    checked = {check for check, _, _ in found}
    assert {check for check, _, verdict in found if verdict != "PASS"} == WITHOUT
    assert len(checked) >= 40
    assert len({check for check in checked if "_log_metric_filter_" in check or "_changes_to_" in check}) == 15
