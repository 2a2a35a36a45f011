"""The installation's own event buses as targets: an event that one bus forwards is an entry of the journal again."""

from opentrail.ports.event_rules import EventRules
from opentrail.ports.journal import EventEntry, JournalWriter
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.event_bus import DEFAULT_BUS


class OwnBuses:
    """Implements Targets for event buses. An event keeps its id, source, account and Region on its way."""

    def __init__(self, journal: JournalWriter, event_rules: EventRules) -> None:
        self._journal = journal
        self._event_rules = event_rules

    async def send(self, dispatch: Dispatch) -> None:
        bus = dispatch.destination
        if not bus.endswith(f":event-bus/{DEFAULT_BUS}") and await self._event_rules.event_bus(bus) is None:
            raise TargetRefused("NO_RESOURCE", f"Event bus {bus} does not exist.")
        await self._journal.append([EventEntry(dispatch.event, bus)])
