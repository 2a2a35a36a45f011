"""What of EventBridge's own can be a target, told apart by its ARN: API destinations and event buses."""

from opentrail.ports.targets import Dispatch, Targets
from opentrail.resource.api_destination import is_api_destination_arn


class OwnEvents:
    """Implements Targets for the service ``events``."""

    def __init__(self, buses: Targets, api_destinations: Targets) -> None:
        self._buses = buses
        self._api_destinations = api_destinations

    async def send(self, dispatch: Dispatch) -> None:
        is_api = is_api_destination_arn(dispatch.destination)
        await (self._api_destinations if is_api else self._buses).send(dispatch)
