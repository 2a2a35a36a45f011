"""The installation's own event buses as targets: an event that one bus forwards is an entry of the journal again."""

import orjson

from opentrail.arn import Arn
from opentrail.policy.bus_use import forwarding_request, judge_bus_use
from opentrail.policy.evaluation import Decision
from opentrail.ports.event_rules import EventRules
from opentrail.ports.journal import EventEntry, JournalWriter
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.event_bus import DEFAULT_BUS
from opentrail.resource.organization import Organization


class OwnBuses:
    """Implements Targets for event buses. An event keeps its id, source, account and Region on its way; a bus of
    another account takes it where its policy allows it to the rule's account."""

    def __init__(
        self, journal: JournalWriter, event_rules: EventRules, organization: Organization | None = None
    ) -> None:
        self._journal = journal
        self._event_rules = event_rules
        self._organization = organization

    async def send(self, dispatch: Dispatch) -> None:
        arn = dispatch.destination
        bus = await self._event_rules.event_bus(arn)
        if Arn.parse(arn).account_id != Arn.parse(dispatch.cause).account_id:
            policy = "" if bus is None else bus.policy
            asked = forwarding_request(arn, dispatch.cause, orjson.loads(dispatch.event), self._organization)
            if judge_bus_use(policy, asked) is not Decision.ALLOW:
                raise TargetRefused("NO_PERMISSIONS", f"no policy of {arn} lets {dispatch.cause} put events onto it")
        if bus is None and not arn.endswith(f":event-bus/{DEFAULT_BUS}"):
            raise TargetRefused("NO_RESOURCE", f"Event bus {arn} does not exist.")
        await self._journal.append([EventEntry(dispatch.event, arn)])
