"""Operations that take a trail or an event data store: which of the two a call means.

There are no event data stores here yet, so one that is well named is one that does not exist.
"""

import re

from opentrail.aws.cloudtrail.errors import InvalidParameterCombinationException, InvalidParameterException
from opentrail.protocol import Parameters

_EVENT_DATA_STORE = re.compile(
    r"(arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:\d{12}:eventdatastore/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)


def named_trail(parameters: Parameters) -> str:
    """Return the TrailName given, or "" when the call means an event data store instead.

    Raises InvalidParameterCombination when it names both, InvalidParameter when it names neither.
    """
    trail: str = parameters.get("TrailName", "")
    store: str = parameters.get("EventDataStore", "")
    if trail and (store or "InsightsDestination" in parameters):
        raise InvalidParameterCombinationException.trail_and_event_data_store()
    if not trail and not store:
        raise InvalidParameterException.no_target()
    return trail


def is_event_data_store(given: str) -> bool:
    """Say whether ``given`` has the form of an event data store's ARN or id."""
    return _EVENT_DATA_STORE.fullmatch(given) is not None
