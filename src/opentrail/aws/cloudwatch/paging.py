"""Pages of CloudWatch's lists: a token says behind which place the next page begins, bound to the call's parameters."""

import base64
import hashlib
from typing import Any

import orjson

from opentrail.aws.service import Call
from opentrail.errors import AwsError

_UNBOUND = frozenset({"NextToken", "MaxRecords", "MaxDatapoints"})


def token(call: Call, place: Any) -> str:
    """Return the token of ``place`` (what JSON can say) for calls like this one."""
    return base64.urlsafe_b64encode(orjson.dumps([_binding(call), place])).decode()


def read_token(call: Call, refusal: AwsError) -> Any:
    """Return the place that the call's NextToken stands for, None without one. Raises ``refusal``."""
    given: str = call.parameters.get("NextToken", "")
    if not given:
        return None
    try:
        binding, place = orjson.loads(base64.urlsafe_b64decode(given))
    except (ValueError, TypeError):
        raise refusal from None
    if binding != _binding(call):
        raise refusal
    return place


def _binding(call: Call) -> str:
    given = {name: value for name, value in call.parameters.items() if name not in _UNBOUND}
    said = [call.operation.name, call.account_id, call.region, given]
    return hashlib.blake2b(
        orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str), person=b"opentrail.alarms", digest_size=16
    ).hexdigest()
