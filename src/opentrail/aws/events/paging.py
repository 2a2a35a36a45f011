"""Pages of EventBridge's lists: a token says after which name the next page starts, bound to the call's parameters."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import Call

DEFAULT_LIMIT = 100
"""Items of a page when the call names no number: the largest that it may name."""

_Item = TypeVar("_Item")


def page_of(call: Call, items: Sequence[_Item], key: Callable[[_Item], str]) -> tuple[Sequence[_Item], dict[str, str]]:
    """Return the page of ``items`` (sorted by ``key``) that the call asks for, and its NextToken member if any is left.

    Raises ValidationException for a token that is none of this list.
    """
    after = _after(call)
    left = [item for item in items if after is None or key(item) > after]
    page = left[: call.parameters.get("Limit", DEFAULT_LIMIT)]
    if len(page) == len(left):
        return page, {}
    return page, {"NextToken": base64.urlsafe_b64encode(orjson.dumps([_binding(call), key(page[-1])])).decode()}


def _after(call: Call) -> str | None:
    token: str = call.parameters.get("NextToken", "")
    if not token:
        return None
    try:
        binding, after = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise ValidationFailed("Parameter NextToken is not valid.") from None
    if binding != _binding(call) or not isinstance(after, str):
        raise ValidationFailed("Parameter NextToken is not valid.")
    return after


def _binding(call: Call) -> str:
    given = {name: value for name, value in call.parameters.items() if name not in ("NextToken", "Limit")}
    said = [call.operation.name, call.account_id, call.region, given]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()[:16]
