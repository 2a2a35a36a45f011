"""LookupEvents: the Event history of one account and Region, newest first (reference: api section 3).

An extension of ours: several LookupAttributes may be given, and all must hold.
"""

from collections.abc import Sequence
from typing import Any

from opentrail.aws.cloudtrail.errors import (
    InvalidEventCategoryException,
    InvalidLookupAttributesException,
    InvalidMaxResultsException,
    InvalidNextTokenException,
    InvalidTimeRangeException,
)
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.event_history import InvalidPageToken, LookupKey, LookupQuery
from opentrail.protocol import Parameters
from opentrail.query import lookup
from opentrail.query.lookup import MAX_ATTRIBUTE_COST, MAX_RESULTS

ATTRIBUTES_PER_LOOKUP = 20
"""How many attributes may be combined; CloudTrail itself takes one."""

INSIGHT = "insight"
_INSIGHT_KEYS = frozenset({LookupKey.EVENT_ID, LookupKey.EVENT_NAME, LookupKey.EVENT_SOURCE})


def check_lookup_events(parameters: Parameters) -> None:
    """Raise the errors that LookupEvents documents for what the model's constraints would refuse less clearly."""
    maximum = parameters.get("MaxResults", MAX_RESULTS)
    if isinstance(maximum, int) and not 1 <= maximum <= MAX_RESULTS:
        raise InvalidMaxResultsException(MAX_RESULTS)
    category = parameters.get("EventCategory", INSIGHT)
    if category != INSIGHT:
        raise InvalidEventCategoryException(str(category))
    known = sorted(_INSIGHT_KEYS if "EventCategory" in parameters else LookupKey)
    attributes: Sequence[Any] = parameters.get("LookupAttributes", ())
    if len(attributes) > ATTRIBUTES_PER_LOOKUP:
        raise InvalidLookupAttributesException.too_many(ATTRIBUTES_PER_LOOKUP)
    for attribute in attributes:
        key, value = attribute.get("AttributeKey", ""), attribute.get("AttributeValue", "")
        if not key or not value:
            raise InvalidLookupAttributesException.incomplete()
        if key not in known:
            raise InvalidLookupAttributesException.unknown_key(str(key), ", ".join(known))
        if lookup.attribute_cost(value) > MAX_ATTRIBUTE_COST:
            raise InvalidLookupAttributesException.too_long(MAX_ATTRIBUTE_COST)


async def lookup_events(ports: ApiPorts, call: Call) -> Outcome:
    """Answer one page. Times older than the retention find nothing, since history has expired there.

    With EventCategory only Insights events are asked for, and Event history holds none.
    """
    parameters = call.parameters
    try:
        times = lookup.check_time_range(parameters.get("StartTime"), parameters.get("EndTime"), call.received_at)
    except lookup.InvalidTimeRange as error:
        raise InvalidTimeRangeException from error
    if "EventCategory" in parameters:
        return Outcome({"Events": []})
    query = LookupQuery(
        account_id=call.account_id,
        region=call.region,
        attributes=tuple(
            (LookupKey(attribute["AttributeKey"]), attribute["AttributeValue"])
            for attribute in parameters.get("LookupAttributes", ())
        ),
        start_time=times.start,
        end_time=times.end,
        max_results=parameters.get("MaxResults", MAX_RESULTS),
        page_token=parameters.get("NextToken", ""),
    )
    try:
        page = await ports.history.lookup(query)
    except InvalidPageToken as error:
        raise InvalidNextTokenException from error
    output: Parameters = {"Events": lookup.lookup_events(page)}
    if page.next_token:
        output["NextToken"] = page.next_token
    return Outcome(output)
