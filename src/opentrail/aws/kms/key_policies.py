"""Key policies: the one that a key gets by itself, what may be one, and GetKeyPolicy, PutKeyPolicy, ListKeyPolicies."""

from dataclasses import replace

import orjson

from opentrail.arn import partition_of, root_arn
from opentrail.aws.kms.access import find_key, may_change_policy
from opentrail.aws.kms.errors import LimitExceededException, MalformedPolicyDocumentException, NotFoundException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.policy.document import MalformedPolicy, PolicyKind, parse_policy
from opentrail.ports.key_ring import CLOUDTRAIL_PRINCIPAL, TRAIL_CONTEXT
from opentrail.resource.key import Key

MAX_POLICY_BYTES = 32_768
"""KMS's quota of a key policy."""

_NAME = "default"
"""The one name that a key policy can have."""


def default_policy(account_id: str, region: str) -> str:
    """Return the policy of a key that was made without one: the account decides by its own policies who may use it, and
    CloudTrail may encrypt what the account's trails deliver.

    The second part is more than AWS gives by itself; it is what CloudTrail's documentation has users add.
    """
    trails = f"arn:{partition_of(region)}:cloudtrail:*:{account_id}:trail/*"
    cloudtrail = {"Effect": "Allow", "Principal": {"Service": CLOUDTRAIL_PRINCIPAL}, "Resource": "*"}
    own = {"StringEquals": {"aws:SourceAccount": account_id}}
    statements = [
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": root_arn(account_id)},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "Allow CloudTrail to encrypt logs",
            **cloudtrail,
            "Action": "kms:GenerateDataKey*",
            "Condition": {**own, "StringLike": {f"kms:EncryptionContext:{TRAIL_CONTEXT}": trails}},
        },
        {"Sid": "Allow CloudTrail to describe key", **cloudtrail, "Action": "kms:DescribeKey", "Condition": own},
    ]
    document = {"Version": "2012-10-17", "Id": "key-default-1", "Statement": statements}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def check_policy(call: Call, key: Key) -> None:
    """Raise unless ``key`` may have the policy that it has: readable, within its size, and not one that locks its maker
    out, unless the caller insists on that."""
    if len(key.policy.encode()) > MAX_POLICY_BYTES:
        raise LimitExceededException.policy_size(MAX_POLICY_BYTES)
    try:
        parse_policy(key.policy, PolicyKind.RESOURCE)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from error
    if call.parameters.get("BypassPolicyLockoutSafetyCheck", False):
        return
    if not may_change_policy(call, key, bypass_conditions(call)):
        raise MalformedPolicyDocumentException.lockout()


def bypass_conditions(call: Call) -> dict[str, tuple[str, ...]]:
    """Return the condition key that tells whether the caller waives the check against locking itself out."""
    waives = bool(call.parameters.get("BypassPolicyLockoutSafetyCheck", False))
    return {"kms:BypassPolicyLockoutSafetyCheck": (str(waives).lower(),)}


async def get_key_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Show a key's policy."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    _check_name(call)
    return Outcome({"Policy": key.policy, "PolicyName": _NAME})


async def put_key_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Plan another policy for a key. On record before it takes effect."""
    key = await find_key(ports, call, call.parameters["KeyId"], conditions=bypass_conditions(call))
    _check_name(call)
    changed = replace(key, policy=call.parameters["Policy"])
    check_policy(call, changed)

    async def put() -> None:
        await ports.keys.change(key, changed)

    return Outcome(after=put)


async def list_key_policies(ports: ApiPorts, call: Call) -> Outcome:
    """Show the names of a key's policies: there is one."""
    await find_key(ports, call, call.parameters["KeyId"])
    return Outcome({"PolicyNames": [_NAME], "Truncated": False})


def _check_name(call: Call) -> None:
    if call.parameters.get("PolicyName", _NAME) != _NAME:
        raise NotFoundException.policy()
