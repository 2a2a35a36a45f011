"""What the operator sees of the settings' targets, and a message that tries one."""

from collections import Counter
from datetime import timedelta

import orjson
import pytest

from opentrail.admin.targets import TEST_KIND, TargetCommands
from opentrail.errors import OperatorError
from opentrail.pipeline.invocation_delivery import InvocationDelivery, TargetHealth
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch
from opentrail.resource.named_target import NamedTargets, named_target_arn
from tests.builders import ACCOUNT, NOON, REGION, CountedIdentifiers, HandClock
from tests.memory.invocations import InMemoryInvocations

ARN = named_target_arn(REGION, ACCOUNT, "pager")


class Targets:
    """Takes what comes, unless ``is_down``."""

    def __init__(self) -> None:
        self.sent: list[Dispatch] = []
        self.is_down = False

    async def send(self, dispatch: Dispatch) -> None:
        if self.is_down:
            raise Unavailable("it answered 503")
        self.sent.append(dispatch)


def commands(targets: Targets, delivery: InvocationDelivery | None = None) -> TargetCommands:
    names = NamedTargets({"pager": frozenset({ACCOUNT})})
    return TargetCommands({"pager": "webhook"}, names, targets, REGION, HandClock(), CountedIdentifiers(), delivery)


async def test_a_try_says_that_it_is_one_and_how_it_ended() -> None:
    targets = Targets()

    assert await commands(targets).try_target(name="pager") == {"failure": ""}
    targets.is_down = True
    assert await commands(targets).try_target(name="pager") == {"failure": "it answered 503"}

    [sent] = targets.sent
    event = orjson.loads(sent.text)
    assert (sent.destination, sent.invocation_id, event["detail-type"]) == (ARN, event["id"], TEST_KIND)
    with pytest.raises(OperatorError, match="known: pager"):
        await commands(targets).try_target(name="other")


async def test_the_list_tells_how_a_target_fares_in_all_regions() -> None:
    targets, elsewhere = Targets(), named_target_arn("eu-west-1", ACCOUNT, "pager")
    waiting = Counter({ARN: 2, elsewhere: 1, "arn:aws:sqs:us-east-1:1:pager": 9})
    delivery = InvocationDelivery(InMemoryInvocations(), targets, HandClock(), waiting)
    delivery.health |= {
        ARN: TargetHealth(delivered=3, failed=1, failing_since=NOON, last_error="it answered 503"),
        elsewhere: TargetHealth(delivered=1, failing_since=NOON + timedelta(hours=1)),
        "no ARN": TargetHealth(delivered=100),
    }

    [told] = (await commands(targets, delivery).list_targets())["targets"]

    assert told == {
        "name": "pager",
        "kind": "webhook",
        "arns": [ARN],
        "delivered": 4,
        "failed": 1,
        "waiting": 3,
        "failing_since": "2026-11-20T12:00:00Z",
        "last_error": "it answered 503",
    }
    assert (await commands(targets).list_targets())["targets"][0]["waiting"] == 0
