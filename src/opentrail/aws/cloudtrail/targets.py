"""Operations that take a trail or an event data store: which of the two a call means."""

from opentrail.aws.cloudtrail.errors import InvalidParameterCombinationException, InvalidParameterException
from opentrail.protocol import Parameters


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
