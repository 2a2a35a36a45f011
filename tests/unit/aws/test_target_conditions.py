"""What policies are told of the targets that a call names, so that they can keep callers from some of them."""

from typing import Any

import pytest

from opentrail.aws import cloudwatch, events
from opentrail.aws.service import Requirement
from opentrail.policy.document import parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, RequestPrincipal, evaluate
from tests.builders import ACCOUNT, REGION, World

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
COMMAND = f"arn:aws:opentrail:{REGION}:{ACCOUNT}:target/lock-out"
POLICY = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
"Condition": {"ForAllValues:ArnLike": {"%s": "arn:aws:sqs:*:*:*"}}}}"""


def put_targets(*targets: str) -> Requirement:
    given: dict[str, Any] = {"Rule": "r", "Targets": [{"Id": str(at), "Arn": arn} for at, arn in enumerate(targets)]}
    [requirement] = events.SERVICE.requirements(World().call("PutTargets", given, service="events"))
    return requirement


def put_alarm(*actions: str) -> Requirement:
    given: dict[str, Any] = {"AlarmName": "a", "AlarmActions": list(actions[:1]), "OKActions": list(actions[1:])}
    [requirement] = cloudwatch.SERVICE.requirements(World().call("PutMetricAlarm", given, service="cloudwatch"))
    return requirement


@pytest.mark.parametrize(
    ("put", "key"),
    [(put_targets, "events:TargetArn"), (put_alarm, "cloudwatch:AlarmActions")],
    ids=["rules", "alarms"],
)
@pytest.mark.parametrize(
    ("named", "expected"),
    [((QUEUE,), Decision.ALLOW), ((COMMAND,), Decision.IMPLICIT_DENY), ((QUEUE, COMMAND), Decision.IMPLICIT_DENY)],
)
def test_a_policy_can_say_which_targets_may_be_named(put: Any, key: str, named: Any, expected: Decision) -> None:
    requirement = put(*named)

    request = AccessRequest(
        requirement.action, requirement.resource, requirement.context, RequestPrincipal(service="x.amazonaws.com")
    )
    assert evaluate([parse_policy(POLICY % key)], request) is expected
