"""The targets that the operator's settings name, behind one door."""

from collections.abc import Mapping

from opentrail.arn import Arn
from opentrail.ports.targets import Dispatch, TargetRefused, Targets
from opentrail.resource.named_target import NamedTargets, target_name


class NamedTargetKinds:
    """Implements Targets for ARNs of named targets. Settings may have changed since one was named: then nothing is
    sent, however it was named."""

    def __init__(self, senders: Mapping[str, Targets], names: NamedTargets) -> None:
        self._senders = senders
        self._names = names

    async def send(self, dispatch: Dispatch) -> None:
        arn = Arn.parse(dispatch.destination)
        if not self._names.permits(arn):
            raise TargetRefused("NO_RESOURCE", f"the settings name no target {target_name(arn)} for this account")
        await self._senders[target_name(arn)].send(dispatch)
