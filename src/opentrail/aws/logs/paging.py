"""Page tokens: where the next page starts, with a hash over it and the call's other parameters.

A token of another call, or none of ours, does not fit. It grants nothing: a forged one could only begin elsewhere in
what the caller may read anyway.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.aws.service import Call

_UNBOUND = frozenset({"nextToken", "limit"})


def token(call: Call, place: Sequence[str | int], *bound: str) -> str:
    """Return the token of ``place`` for calls like this one; with ``bound`` those alone say which calls are alike."""
    text = orjson.dumps([_binding(call, place, bound), *place])
    return base64.urlsafe_b64encode(text).decode()


def read_token(call: Call, given: str, *bound: str) -> list[Any]:
    """Return the place that a token stands for. Raises InvalidParameter."""
    try:
        binding, *place = orjson.loads(base64.urlsafe_b64decode(given))
    except (ValueError, TypeError):
        raise InvalidParameterException.next_token() from None
    if binding != _binding(call, place, bound):
        raise InvalidParameterException.next_token()
    return list(place)


def _binding(call: Call, place: Sequence[Any], bound: Sequence[str]) -> str:
    given: Any = {name: value for name, value in call.parameters.items() if name not in _UNBOUND}
    said = [call.operation.name, call.account_id, call.region, list(bound) or given, list(place)]
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(text, person=b"opentrail.logs", digest_size=16).hexdigest()
