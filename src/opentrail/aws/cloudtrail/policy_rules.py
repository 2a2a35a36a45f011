"""What the policy of an event data store or channel may hold.

CloudTrail's documentation of resource-based policies: at most 20 statements of at most 50 principals each, about the
resource itself; a channel's about PutAuditEvents alone.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of
from opentrail.aws.cloudtrail.lake_errors import ResourcePolicyNotValidException
from opentrail.policy.document import CURRENT_VERSION, MalformedPolicy, PolicyKind, parse_policy

MAX_STATEMENTS = 20
MAX_PRINCIPALS = 50
"""In one statement."""

_CHANNEL_ACTION = "cloudtrail-data:putauditevents"
_ADMINISTRATORS_ACTIONS = (
    "AddTags",
    "CancelQuery",
    "DeleteEventDataStore",
    "DescribeQuery",
    "GetEventConfiguration",
    "GetEventDataStore",
    "GetInsightSelectors",
    "GetQueryResults",
    "ListQueries",
    "ListTags",
    "PutEventConfiguration",
    "RemoveTags",
    "RestoreEventDataStore",
    "StartEventDataStoreIngestion",
    "StartQuery",
    "StopEventDataStoreIngestion",
    "UpdateEventDataStore",
)
"""What a delegated administrator does with an organization's event data store."""


def administrators_policy(arn: str, administrators: Sequence[str]) -> str:
    """Return the policy that says what an organization's store lets the delegated administrators do; it is shown
    only, what they may do follows from their standing."""
    statement = {
        "Sid": "DelegatedAdministrators",
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:{partition_of(Arn.parse(arn).region)}:iam::{one}:root" for one in administrators]},
        "Action": [f"cloudtrail:{action}" for action in _ADMINISTRATORS_ACTIONS],
        "Resource": arn,
    }
    return orjson.dumps({"Version": CURRENT_VERSION, "Statement": [statement]}).decode()


def check_lake_policy(policy: str, arn: str) -> None:
    """Raise ResourcePolicyNotValid unless ``policy`` may be attached to the store or channel."""
    try:
        document = parse_policy(policy, PolicyKind.RESOURCE)
    except MalformedPolicy as error:
        raise ResourcePolicyNotValidException(str(error)) from error
    if len(document.statements) > MAX_STATEMENTS:
        raise ResourcePolicyNotValidException(f"a policy has at most {MAX_STATEMENTS} statements")
    for index, statement in enumerate(document.statements):
        assert statement.principals is not None
        assert statement.resources is not None
        if len(statement.principals.names) > MAX_PRINCIPALS:
            raise ResourcePolicyNotValidException(f"Statement[{index}] has more than {MAX_PRINCIPALS} principals")
        if statement.resources.is_negated or not all(one.matches(arn, {}) for one in statement.resources.templates):
            raise ResourcePolicyNotValidException(f"Statement[{index}].Resource must be {arn}")
    _check_actions(policy, is_channel="channel/" in arn)


def _check_actions(policy: str, *, is_channel: bool) -> None:
    written: Any = orjson.loads(policy)["Statement"]
    for index, statement in enumerate([written] if isinstance(written, dict) else written):
        given = statement.get("Action", "*")
        for action in [given] if isinstance(given, str) else given:
            if is_channel and action.lower() != _CHANNEL_ACTION:
                raise ResourcePolicyNotValidException(
                    f"Statement[{index}].Action of a channel's policy must be cloudtrail-data:PutAuditEvents"
                )
            if not is_channel and not action.lower().startswith("cloudtrail:"):
                raise ResourcePolicyNotValidException(
                    f"Statement[{index}].Action of an event data store's policy must name actions of cloudtrail"
                )
