"""How calls name buses and rules, and finding what they name."""

from opentrail.arn import Arn
from opentrail.aws.events.errors import ManagedRuleException, ResourceNotFoundException
from opentrail.aws.service import ApiPorts, Call
from opentrail.resource.event_bus import DEFAULT_BUS, event_bus_arn
from opentrail.resource.event_rule import EventRule, event_rule_arn


def bus_name(call: Call, given: str) -> str:
    """Return the name in ``given``, a bus's name or ARN, "" for the default one.

    Raises ResourceNotFoundException for the ARN of another account or Region.
    """
    if not given:
        return DEFAULT_BUS
    if not given.startswith("arn:"):
        return given
    arn = Arn.parse(given)
    if (arn.account_id, arn.region) != (call.account_id, call.region):
        raise ResourceNotFoundException.bus(given)
    return arn.resource.removeprefix("event-bus/")


async def find_bus(ports: ApiPorts, call: Call, given: str) -> str:
    """Return the name of the bus that ``given`` names; raises ResourceNotFoundException when it is not there."""
    name = bus_name(call, given)
    arn = event_bus_arn(call.region, call.account_id, name)
    if name != DEFAULT_BUS and await ports.event_rules.event_bus(arn) is None:
        raise ResourceNotFoundException.bus(name)
    return name


async def find_rule(ports: ApiPorts, call: Call, name: str) -> EventRule:
    """Return the rule ``name`` on the bus that the call's EventBusName names; raises ResourceNotFoundException."""
    bus = await find_bus(ports, call, call.parameters.get("EventBusName", ""))
    rule = await ports.event_rules.rule(event_rule_arn(call.region, call.account_id, bus, name))
    if rule is None:
        raise ResourceNotFoundException.rule(name, bus)
    return rule


async def find_own_rule(ports: ApiPorts, call: Call, name: str) -> EventRule:
    """Return the rule as ``find_rule`` does, to be changed; raises ManagedRuleException for an archive's."""
    rule = await find_rule(ports, call, name)
    check_own(rule)
    return rule


def check_own(rule: EventRule) -> None:
    """Raise ManagedRuleException for a rule that an archive alone changes."""
    if rule.managed_by:
        raise ManagedRuleException(rule.name)
