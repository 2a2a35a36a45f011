"""All kinds of targets behind one door, told apart by the service that a target's ARN names."""

from collections.abc import Mapping

from opentrail.arn import Arn
from opentrail.ports.targets import Dispatch, TargetRefused, Targets


class TargetKinds:
    """Implements Targets for every service that has a sender."""

    def __init__(self, senders: Mapping[str, Targets]) -> None:
        self._senders = senders

    async def send(self, dispatch: Dispatch) -> None:
        try:
            service = Arn.parse(dispatch.destination).service
        except ValueError as error:
            raise TargetRefused("NO_RESOURCE", str(error)) from error
        sender = self._senders.get(service)
        if sender is None:
            raise TargetRefused("NO_RESOURCE", f"nothing can be sent to {service} here")
        await sender.send(dispatch)
