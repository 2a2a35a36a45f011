"""KMS (2014-11-01) of the own key ring: symmetric keys, their aliases, policies, rotation and deletion, and their use.

No grants, no asymmetric, HMAC, multi-Region or imported keys, no custom key stores.
"""

from opentrail.aws.kms.aliases import create_alias, delete_alias, list_aliases, update_alias
from opentrail.aws.kms.encryption import (
    decrypt,
    encrypt,
    generate_data_key,
    generate_data_key_without_plaintext,
    generate_random,
    re_encrypt,
)
from opentrail.aws.kms.key_policies import bypass_conditions, get_key_policy, list_key_policies, put_key_policy
from opentrail.aws.kms.keys import (
    SYMMETRIC,
    cancel_key_deletion,
    create_key,
    describe_key,
    disable_key,
    enable_key,
    list_keys,
    schedule_key_deletion,
    update_key_description,
)
from opentrail.aws.kms.rotation import (
    disable_key_rotation,
    enable_key_rotation,
    get_key_rotation_status,
    list_key_rotations,
    rotate_key_on_demand,
)
from opentrail.aws.kms.tags import list_resource_tags, tag_conditions, tag_resource, untag_resource
from opentrail.aws.service import Call, Handler, Requirement, Service

_WITHOUT_KEY = frozenset({"ListKeys", "ListAliases", "GenerateRandom"})
"""Operations whose permission no key narrows; all others are judged by the key that they find, key policy included."""


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what the caller's own policies must allow of an operation that names no key."""
    action = f"kms:{call.operation.name}"
    if call.operation.name in _WITHOUT_KEY:
        return (Requirement(action, "*"),)
    if call.operation.name != "CreateKey":
        return ()
    tags = call.parameters.get("Tags", ())
    spec = call.parameters.get("KeySpec", call.parameters.get("CustomerMasterKeySpec", SYMMETRIC))
    context = {
        **tag_conditions(tags),
        **bypass_conditions(call),
        "kms:KeySpec": (spec,),
        "kms:KeyUsage": (call.parameters.get("KeyUsage", "ENCRYPT_DECRYPT"),),
        "kms:KeyOrigin": (call.parameters.get("Origin", "AWS_KMS"),),
        "kms:MultiRegion": (str(bool(call.parameters.get("MultiRegion", False))).lower(),),
    }
    actions = (action, "kms:TagResource") if tags else (action,)
    return tuple(Requirement(each, "*", context) for each in actions)


SERVICE = Service(
    name="kms",
    handlers={
        "CancelKeyDeletion": Handler(cancel_key_deletion, is_change=True),
        "CreateAlias": Handler(create_alias, is_change=True),
        "CreateKey": Handler(create_key, is_change=True),
        "Decrypt": Handler(decrypt),
        "DeleteAlias": Handler(delete_alias, is_change=True),
        "DescribeKey": Handler(describe_key),
        "DisableKey": Handler(disable_key, is_change=True),
        "DisableKeyRotation": Handler(disable_key_rotation, is_change=True),
        "EnableKey": Handler(enable_key, is_change=True),
        "EnableKeyRotation": Handler(enable_key_rotation, is_change=True),
        "Encrypt": Handler(encrypt),
        "GenerateDataKey": Handler(generate_data_key),
        "GenerateDataKeyWithoutPlaintext": Handler(generate_data_key_without_plaintext),
        "GenerateRandom": Handler(generate_random),
        "GetKeyPolicy": Handler(get_key_policy),
        "GetKeyRotationStatus": Handler(get_key_rotation_status),
        "ListAliases": Handler(list_aliases),
        "ListKeyPolicies": Handler(list_key_policies),
        "ListKeyRotations": Handler(list_key_rotations),
        "ListKeys": Handler(list_keys),
        "ListResourceTags": Handler(list_resource_tags),
        "PutKeyPolicy": Handler(put_key_policy, is_change=True),
        "ReEncrypt": Handler(re_encrypt),
        "RotateKeyOnDemand": Handler(rotate_key_on_demand, is_change=True),
        "ScheduleKeyDeletion": Handler(schedule_key_deletion, is_change=True),
        "TagResource": Handler(tag_resource, is_change=True),
        "UntagResource": Handler(untag_resource, is_change=True),
        "UpdateAlias": Handler(update_alias, is_change=True),
        "UpdateKeyDescription": Handler(update_key_description, is_change=True),
    },
    requirements=requirements,
)
