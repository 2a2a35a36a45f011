"""Keys: create, show, describe, enable and disable, and their deletion in due time.

Every change is on record before it takes effect: a key may be one that a trail's deliveries need.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.kms.access import find_key, require_living
from opentrail.aws.kms.errors import (
    KMSInvalidStateException,
    LimitExceededException,
    UnsupportedOperationException,
)
from opentrail.aws.kms.key_policies import check_policy, default_policy
from opentrail.aws.kms.paging import limit_of, marker_of, page
from opentrail.aws.kms.tags import merged_tags
from opentrail.aws.service import ApiPorts, Call, Effect, Outcome
from opentrail.envelope import material_id, new_material
from opentrail.protocol import Parameters
from opentrail.resource.key import Key, KeyState

KEYS_PER_REGION = 100_000
"""KMS's quota for an account, keys that wait for their deletion included."""

MIN_WINDOW_DAYS, MAX_WINDOW_DAYS, DEFAULT_WINDOW_DAYS = 7, 30, 30
"""How long a key can wait for its deletion."""

SYMMETRIC = "SYMMETRIC_DEFAULT"

_PAGE = 100


async def create_key(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new symmetric key; its material is made here and does not leave the key ring."""
    parameters = call.parameters
    _refuse_other_kinds(parameters)
    material = new_material()
    key = Key(
        key_id=ports.identifiers.uuid(),
        account_id=call.account_id,
        region=call.region,
        created_at=call.received_at,
        policy=parameters.get("Policy") or default_policy(call.account_id, call.region),
        description=_description(parameters),
        tags=merged_tags({}, parameters.get("Tags", ())),
        material_id=material_id(material),
    )
    check_policy(call, key)
    if await ports.keys.count(call.account_id, call.region) >= KEYS_PER_REGION:
        raise LimitExceededException.keys(KEYS_PER_REGION)

    async def add() -> None:
        await ports.keys.add(key, material)

    return Outcome({"KeyMetadata": key_metadata(key)}, after=add)


def _refuse_other_kinds(parameters: Parameters) -> None:
    """Raise for anything but a symmetric encryption key of one Region whose material is made here."""
    if "KeySpec" in parameters and "CustomerMasterKeySpec" in parameters:
        raise ValidationFailed(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is "
            "deprecated."
        )
    spec = parameters.get("KeySpec", parameters.get("CustomerMasterKeySpec", SYMMETRIC))
    if spec != SYMMETRIC and "KeyUsage" not in parameters:
        raise ValidationFailed(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        )
    if spec != SYMMETRIC or parameters.get("KeyUsage", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
        raise UnsupportedOperationException("This key ring has symmetric encryption keys only.")
    if parameters.get("MultiRegion", False):
        raise UnsupportedOperationException("This key ring has keys of a single Region only.")
    is_other_origin = parameters.get("Origin", "AWS_KMS") != "AWS_KMS"
    if is_other_origin or "CustomKeyStoreId" in parameters or "XksKeyId" in parameters:
        raise UnsupportedOperationException("This key ring makes the material of its keys itself.")


def _description(parameters: Parameters) -> str:
    description: str = parameters.get("Description", "")
    if "\0" in description:  # which no text of PostgreSQL can hold
        raise ValidationFailed("Description must not have a null character.")
    return description


def key_metadata(key: Key) -> dict[str, Any]:
    """Return a key in wire form."""
    shown: dict[str, Any] = {
        "AWSAccountId": key.account_id,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": key.created_at,
        "Enabled": key.state is KeyState.ENABLED,
        "Description": key.description,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": key.state.value,
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": SYMMETRIC,
        "KeySpec": SYMMETRIC,
        "EncryptionAlgorithms": [SYMMETRIC],
        "MultiRegion": False,
        "CurrentKeyMaterialId": key.material_id,
    }
    return shown | {"DeletionDate": key.deletion_at} if key.deletion_at else shown


async def describe_key(ports: ApiPorts, call: Call) -> Outcome:
    """Show a key, by any of its names and from any account that its policy lets."""
    key = await find_key(ports, call, call.parameters["KeyId"], takes_alias=True, crosses_accounts=True)
    return Outcome({"KeyMetadata": key_metadata(key)})


async def list_keys(ports: ApiPorts, call: Call) -> Outcome:
    """Show the account's keys in the Region by id."""
    after, limit = marker_of(call), limit_of(call, _PAGE)
    if "SELF" not in (call.parameters.get("ResourceOwners") or ("SELF",)):
        return Outcome({"Keys": [], "Truncated": False})
    keys = await ports.keys.keys(call.account_id, call.region, after, limit + 1)
    return Outcome(
        page("Keys", keys, limit, lambda key: key.key_id, lambda key: {"KeyId": key.key_id, "KeyArn": key.arn})
    )


async def update_key_description(ports: ApiPorts, call: Call) -> Outcome:
    """Plan another description."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    require_living(key)
    return Outcome(after=_change(ports, key, description=_description(call.parameters)))


async def enable_key(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a key may be used; one that is enabled stays so."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    require_living(key)
    return Outcome(after=_change(ports, key, state=KeyState.ENABLED))


async def disable_key(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a key may not be used; one that is disabled stays so."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    require_living(key)
    return Outcome(after=_change(ports, key, state=KeyState.DISABLED))


async def schedule_key_deletion(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a key's end in 7 to 30 days; from now on it cannot be used."""
    days: int = call.parameters.get("PendingWindowInDays", DEFAULT_WINDOW_DAYS)
    conditions = {"kms:ScheduleKeyDeletionPendingWindowInDays": (str(days),)}
    key = await find_key(ports, call, call.parameters["KeyId"], conditions=conditions)
    if not MIN_WINDOW_DAYS <= days <= MAX_WINDOW_DAYS:
        raise ValidationFailed(f"PendingWindowInDays must be between {MIN_WINDOW_DAYS} and {MAX_WINDOW_DAYS}.")
    require_living(key)
    deletion_at = (call.received_at + timedelta(days=days)).replace(microsecond=0)
    output = {
        "KeyId": key.arn,
        "DeletionDate": deletion_at,
        "KeyState": KeyState.PENDING_DELETION.value,
        "PendingWindowInDays": days,
    }
    return Outcome(output, after=_change(ports, key, state=KeyState.PENDING_DELETION, deletion_at=deletion_at))


async def cancel_key_deletion(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a key stays; it is disabled then."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    if key.state is not KeyState.PENDING_DELETION:
        raise KMSInvalidStateException.not_pending_deletion(key.arn)
    return Outcome({"KeyId": key.arn}, after=_change(ports, key, state=KeyState.DISABLED, deletion_at=None))


def _change(ports: ApiPorts, key: Key, **changes: Any) -> Effect:
    async def change() -> None:
        await ports.keys.change(key, replace(key, **changes))

    return change
