"""Pages of CloudTrail's lists that stand in memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from opentrail.aws import list_pages
from opentrail.aws.cloudtrail.errors import InvalidNextTokenException
from opentrail.aws.service import Call

DEFAULT_PAGE = 1_000
"""Items of a page when the call names no number: the largest that it may name."""

_Item = TypeVar("_Item")


def page_of(call: Call, items: Sequence[_Item], key: Callable[[_Item], str]) -> tuple[Sequence[_Item], dict[str, str]]:
    """Return the page of ``items`` (sorted by ``key``) that the call asks for, and its NextToken member if any is left.

    Raises InvalidNextToken.
    """
    try:
        return list_pages.page_of(call, items, key, "MaxResults", DEFAULT_PAGE)
    except list_pages.ForeignToken:
        raise InvalidNextTokenException from None
