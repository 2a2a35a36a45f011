"""Prowler's checks of trails, unmodified: each passes for a well-kept trail, and fails for one that is not."""

from pathlib import Path

import orjson
import pytest

from tests.builders import TRAILS_KEY_POLICY
from tests.e2e.conftest import MakeServer
from tests.support.clients import require_library
from tests.support.server import RunningServer

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
REGIONS = ("eu-west-1", "us-east-1")
INSIGHTS = '[{"InsightType":"ApiCallRateInsight"},{"InsightType":"ApiErrorRateInsight"}]'
ALL_OBJECTS = '[{"ReadWriteType":"All","DataResources":[{"Type":"AWS::S3::Object","Values":["arn:aws:s3"]}]}]'
NETWORK_ACTIVITY_ALONE = """[{"FieldSelectors":[{"Field":"eventCategory","Equals":["NetworkActivity"]},
{"Field":"eventSource","Equals":["s3.amazonaws.com"]}]}]"""


def aws(server: RunningServer, *arguments: str) -> str:
    finished = server.aws(*arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def verdicts(server: RunningServer) -> dict[str, dict[str, str]]:
    """Return what each check says of each Region that it speaks of."""
    finished = server.opentrail("exec", "--", require_library("python"), str(PROGRAM), *CHECKS)
    assert finished.returncode == 0, finished.stderr
    found: dict[str, dict[str, str]] = {}
    for check, region, verdict in orjson.loads(finished.stdout.splitlines()[-1]):
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
