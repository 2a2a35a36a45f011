"""Pages of EventBridge's lists."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from opentrail.aws import list_pages
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import Call

DEFAULT_LIMIT = 100
"""Items of a page when the call names no number: the largest that it may name."""

_Item = TypeVar("_Item")


def page_of(call: Call, items: Sequence[_Item], key: Callable[[_Item], str]) -> tuple[Sequence[_Item], dict[str, str]]:
    """Return the page of ``items`` (sorted by ``key``) that the call asks for, and its NextToken member if any is left.

    Raises ValidationException for a token that is none of this list.
    """
    try:
        return list_pages.page_of(call, items, key, "Limit", DEFAULT_LIMIT, may_limit_change=True)
    except list_pages.ForeignToken:
        raise ValidationFailed("Parameter NextToken is not valid.") from None
