"""Pages of lists in memory: a token says after which name the next page starts, bound to the call's other parameters.

A list that changes between two calls is continued after the same name, so nothing shows twice.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence, Set
from typing import TypeVar

import orjson

from opentrail.aws.service import Call

_Item = TypeVar("_Item")


class ForeignToken(ValueError):
    """A NextToken that no call like this one has given."""


def page_of(
    call: Call,
    items: Sequence[_Item],
    key: Callable[[_Item], str],
    limit_member: str,
    default_limit: int,
    *,
    may_limit_change: bool = False,
) -> tuple[Sequence[_Item], dict[str, str]]:
    """Return the page of ``items`` (sorted by ``key``) that the call asks for, and its NextToken member if any is left.

    ``limit_member`` names the parameter that bounds a page, ``default_limit`` the items of one where it is not given;
    with ``may_limit_change`` a token holds for pages of any size. Raises ForeignToken.
    """
    unbound = {"NextToken", limit_member} if may_limit_change else {"NextToken"}
    binding = _binding(call, unbound)
    after = _after(call, binding)
    left = [item for item in items if after is None or key(item) > after]
    page = left[: call.parameters.get(limit_member, default_limit)]
    if len(page) == len(left):
        return page, {}
    token = orjson.dumps([binding, key(page[-1])])
    return page, {"NextToken": base64.urlsafe_b64encode(token).decode()}


def _after(call: Call, binding: str) -> str | None:
    token: str = call.parameters.get("NextToken", "")
    if not token:
        return None
    try:
        given, after = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise ForeignToken from None
    if given != binding or not isinstance(after, str):
        raise ForeignToken
    return after


def _binding(call: Call, unbound: Set[str]) -> str:
    given = {name: value for name, value in call.parameters.items() if name not in unbound}
    said = [call.operation.name, call.account_id, call.region, given]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()[:16]
