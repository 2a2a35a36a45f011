"""Rotation: by itself after a period, and on demand. Whatever was encrypted before still decrypts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from opentrail.aws.kms.access import find_key, require_enabled
from opentrail.aws.kms.errors import LimitExceededException
from opentrail.aws.kms.paging import limit_of, marker_of, page
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.envelope import new_material
from opentrail.resource.key import Key, KeyRotation, KeyState

DEFAULT_PERIOD_DAYS = 365

ON_DEMAND_ROTATIONS = 25
"""KMS's quota over a key's life."""

_PAGE = 100


async def enable_key_rotation(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a key is rotated after each period, counted from now; or another period."""
    days: int = call.parameters.get("RotationPeriodInDays", DEFAULT_PERIOD_DAYS)
    conditions = {"kms:RotationPeriodInDays": (str(days),)}
    key = await find_key(ports, call, call.parameters["KeyId"], conditions=conditions)
    require_enabled(key)
    next_at = (call.received_at + timedelta(days=days)).replace(microsecond=0)

    async def enable() -> None:
        await ports.keys.change(key, replace(key, rotation_period_days=days, next_rotation_at=next_at))

    return Outcome(after=enable)


async def disable_key_rotation(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a key is rotated on demand only. On record first."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    require_enabled(key)

    async def disable() -> None:
        await ports.keys.change(key, replace(key, rotation_period_days=0, next_rotation_at=None))

    return Outcome(after=disable)


async def get_key_rotation_status(ports: ApiPorts, call: Call) -> Outcome:
    """Show whether and when a key is rotated by itself; one that waits for its deletion is not."""
    key = await find_key(ports, call, call.parameters["KeyId"], crosses_accounts=True)
    status: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": False}
    if key.rotation_period_days and key.state is not KeyState.PENDING_DELETION:
        status["KeyRotationEnabled"] = True
        status["RotationPeriodInDays"] = key.rotation_period_days
        status["NextRotationDate"] = key.next_rotation_at
    return Outcome(status)


async def rotate_key_on_demand(ports: ApiPorts, call: Call) -> Outcome:
    """Plan new material for a key at once; when it is rotated by itself does not change."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    require_enabled(key)
    if sum(each.is_on_demand for each in await ports.keys.rotations(key.key_id)) >= ON_DEMAND_ROTATIONS:
        raise LimitExceededException.rotations(key.arn)
    material = new_material()

    async def rotate() -> None:
        await ports.keys.rotate(key.key_id, material, call.received_at, is_on_demand=True)

    return Outcome({"KeyId": key.arn}, after=rotate)


async def list_key_rotations(ports: ApiPorts, call: Call) -> Outcome:
    """Show a key's rotations, newest last; with ALL_KEY_MATERIAL its first material, too."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    after, limit = marker_of(call), limit_of(call, _PAGE)
    first = 0 if call.parameters.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL" else 1
    rotations = [each for each in await ports.keys.rotations(key.key_id) if each.version > first]
    rotations = [each for each in rotations if not after or f"{each.version:010}" > after][: limit + 1]
    return Outcome(
        page("Rotations", rotations, limit, lambda each: f"{each.version:010}", lambda each: _shown_rotation(key, each))
    )


def _shown_rotation(key: Key, rotation: KeyRotation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": rotation.material_id,
        "KeyMaterialState": "CURRENT" if rotation.version == key.version else "NON_CURRENT",
    }
    if rotation.version > 1:
        shown["RotationDate"] = rotation.rotated_at
        shown["RotationType"] = "ON_DEMAND" if rotation.is_on_demand else "AUTOMATIC"
    return shown
