"""Page tokens of lists in memory: where the next page starts, bound to the call's other parameters.

A list that changes between two calls is continued after the same name, so nothing shows twice.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from opentrail.aws.cloudtrail.errors import InvalidNextTokenException
from opentrail.aws.service import Call

DEFAULT_PAGE = 1_000
"""Items of a page when the call names no number: the largest that it may name."""

_Item = TypeVar("_Item")


def page_of(call: Call, items: Sequence[_Item], key: Callable[[_Item], str]) -> tuple[Sequence[_Item], dict[str, str]]:
    """Return the page of ``items`` (sorted by ``key``) that the call asks for, and its NextToken member if any is left.

    Raises InvalidNextToken.
    """
    after = _read_page_token(call)
    left = [item for item in items if after is None or key(item) > after]
    page = left[: call.parameters.get("MaxResults", DEFAULT_PAGE)]
    if len(page) == len(left):
        return page, {}
    return page, {"NextToken": base64.urlsafe_b64encode(orjson.dumps([_binding(call), key(page[-1])])).decode()}


def _read_page_token(call: Call) -> str | None:
    token: str = call.parameters.get("NextToken", "")
    if not token:
        return None
    try:
        binding, after = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise InvalidNextTokenException from None
    if binding != _binding(call) or not isinstance(after, str):
        raise InvalidNextTokenException
    return after


def _binding(call: Call) -> str:
    given = {name: value for name, value in call.parameters.items() if name != "NextToken"}
    said = [call.operation.name, call.account_id, call.region, given]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()[:16]
