"""Pages of SNS's lists: 100 items, which no call can change."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from opentrail.aws import list_pages
from opentrail.aws.service import Call
from opentrail.aws.sns.errors import InvalidParameterException

PAGE = 100

_Item = TypeVar("_Item")


def page_of(call: Call, items: Sequence[_Item], key: Callable[[_Item], str]) -> tuple[Sequence[_Item], dict[str, str]]:
    """Return the page of ``items`` (sorted by ``key``) that the call asks for, and its NextToken member if any is left.

    Raises InvalidParameter for a token that is none of this list.
    """
    try:
        return list_pages.page_of(call, items, key, "", PAGE)
    except list_pages.ForeignToken:
        raise InvalidParameterException("NextToken") from None
