"""Operator's commands over the targets that the settings name: how each fares, and a message to try one."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from opentrail.admin.administration import Answer
from opentrail.clock import Clock, Identifiers, format_time
from opentrail.errors import OperatorError
from opentrail.pipeline.invocation_delivery import InvocationDelivery, TargetHealth
from opentrail.ports import PortError
from opentrail.ports.targets import Dispatch, Targets
from opentrail.resource.named_target import NamedTargets, named_target_arn, target_name_in

TEST_KIND = "Opentrail Target Test"


class TargetCommands:
    """``kinds`` says what each target is, by name; ``delivery`` is a running server's."""

    def __init__(
        self,
        kinds: Mapping[str, str],
        names: NamedTargets,
        targets: Targets,
        region: str,
        clock: Clock,
        identifiers: Identifiers,
        delivery: InvocationDelivery | None = None,
    ) -> None:
        self._kinds = kinds
        self._names = names
        self._targets = targets
        self._region = region
        self._clock = clock
        self._identifiers = identifiers
        self._delivery = delivery

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return the commands by name."""
        return {"list_targets": self.list_targets, "try_target": self.try_target}

    async def list_targets(self) -> Answer:
        """Return every target by name, with what it took and refused since the server's start."""
        return {"targets": [self._told(name) for name in sorted(self._kinds)]}

    def _told(self, name: str) -> dict[str, Any]:
        accounts = sorted(self._names.accounts[name])
        health = [each for arn, each in self._health().items() if target_name_in(arn) == name]
        since = [each.failing_since for each in health if each.failing_since is not None]
        waiting = self._delivery.waiting() if self._delivery is not None else {}
        return {
            "name": name,
            "kind": self._kinds[name],
            "arns": [named_target_arn(self._region, account, name) for account in accounts],
            "delivered": sum(each.delivered for each in health),
            "failed": sum(each.failed for each in health),
            "waiting": sum(number for arn, number in waiting.items() if target_name_in(arn) == name),
            "failing_since": format_time(min(since)) if since else "",
            "last_error": next((each.last_error for each in health if each.failing_since is not None), ""),
        }

    def _health(self) -> Mapping[str, TargetHealth]:
        return self._delivery.health if self._delivery is not None else {}

    async def try_target(self, *, name: str) -> Answer:
        """Send one message that says that it is a test; return why it was not taken, "" when it was. Raises
        OperatorError."""
        if name not in self._kinds:
            known = ", ".join(sorted(self._kinds)) or "none"
            raise OperatorError(f"the settings name no target {name}; known: {known}")
        account = min(self._names.accounts[name])
        message_id = self._identifiers.uuid()
        event = {
            "version": "0",
            "id": message_id,
            "detail-type": TEST_KIND,
            "source": "opentrail",
            "account": account,
            "time": format_time(self._clock.now()),
            "region": self._region,
            "resources": [],
            "detail": {"message": f"opentrail targets test {name}"},
        }
        text = orjson.dumps(event)
        arn = named_target_arn(self._region, account, name)
        try:
            await self._targets.send(Dispatch(message_id, arn, text.decode(), text, {}))
        except PortError as error:
            return {"failure": str(error)}
        return {"failure": ""}
