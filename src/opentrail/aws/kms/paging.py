"""Pages of KMS's lists: markers that name the last item shown."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from opentrail.aws.kms.errors import InvalidMarkerException
from opentrail.aws.service import Call
from opentrail.protocol import Parameters

MAX_LIMIT = 1000
"""The largest Limit that KMS's model takes."""

_VERSION = "1:"

Item = TypeVar("Item")


def marker_of(call: Call) -> str:
    """Return the name after which the page begins, "" for the first. Raises InvalidMarkerException."""
    marker: str = call.parameters.get("Marker", "")
    if not marker:
        return ""
    try:
        name = base64.b64decode(marker, validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidMarkerException from None
    if not name.startswith(_VERSION) or len(name) == len(_VERSION) or "\0" in name:
        raise InvalidMarkerException
    return name.removeprefix(_VERSION)


def limit_of(call: Call, default: int) -> int:
    """Return how many items the page may have."""
    return min(int(call.parameters.get("Limit", default)), MAX_LIMIT)


def page(
    member: str, items: Sequence[Item], limit: int, name: Callable[[Item], str], show: Callable[[Item], Parameters]
) -> Parameters:
    """Return one page of ``items``, of which there is one more than ``limit`` when more are to come."""
    shown = items[:limit]
    output: Parameters = {member: [show(item) for item in shown], "Truncated": len(items) > limit}
    if len(items) > limit:
        output["NextMarker"] = base64.b64encode((_VERSION + name(shown[-1])).encode()).decode()
    return output
