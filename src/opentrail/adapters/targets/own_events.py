"""What of EventBridge's own can be a target, told apart by its ARN: API destinations, event buses, their archives."""

from opentrail.ports.targets import Dispatch, Targets
from opentrail.resource.api_destination import is_api_destination_arn
from opentrail.resource.event_archive import is_event_archive_arn


class OwnEvents:
    """Implements Targets for the service ``events``."""

    def __init__(self, buses: Targets, api_destinations: Targets, archives: Targets) -> None:
        self._buses = buses
        self._api_destinations = api_destinations
        self._archives = archives

    async def send(self, dispatch: Dispatch) -> None:
        sender = self._buses
        if is_api_destination_arn(dispatch.destination):
            sender = self._api_destinations
        elif is_event_archive_arn(dispatch.destination):
            sender = self._archives
        await sender.send(dispatch)
