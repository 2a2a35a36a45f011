"""How calls name buses and rules, and finding what they name.

A bus of another account is named by its ARN; rules on it are whose its resource policy lets make them.
"""

from opentrail.arn import Arn
from opentrail.aws.events.bus_access import check_policy
from opentrail.aws.events.errors import ManagedRuleException, ResourceNotFoundException
from opentrail.aws.service import ApiPorts, Call
from opentrail.resource.event_bus import DEFAULT_BUS, bus_arn_of, event_bus_arn
from opentrail.resource.event_rule import EventRule, rule_arn_on


def bus_name(call: Call, given: str) -> str:
    """Return the name in ``given``, a bus's name or ARN, "" for the default one.

    Raises ResourceNotFoundException for the ARN of another account or Region.
    """
    arn = Arn.parse(bus_arn_of(given, call.region, call.account_id))
    if (arn.account_id, arn.region) != (call.account_id, call.region):
        raise ResourceNotFoundException.bus(given)
    return arn.resource.removeprefix("event-bus/")


async def find_bus(ports: ApiPorts, call: Call, given: str) -> str:
    """Return the name of the caller's bus that ``given`` names; raises ResourceNotFoundException."""
    name = bus_name(call, given)
    arn = event_bus_arn(call.region, call.account_id, name)
    if name != DEFAULT_BUS and await ports.event_rules.event_bus(arn) is None:
        raise ResourceNotFoundException.bus(name)
    return name


async def find_rules_bus(ports: ApiPorts, call: Call, rule_name: str = "*") -> Arn:
    """Return the bus that the call's EventBusName names, the caller's own or another account's, once its policy is seen
    to let the call do what it asks of the rule ``rule_name``.

    Raises ResourceNotFoundException, AccessDenied; of another account's bus that is not there, AccessDenied.
    """
    given = call.parameters.get("EventBusName", "")
    arn = bus_arn_of(given, call.region, call.account_id)
    bus = Arn.parse(arn)
    if bus.region != call.region:
        raise ResourceNotFoundException.bus(given)
    found = await ports.event_rules.event_bus(arn)
    rule = await ports.event_rules.rule(rule_arn_on(arn, rule_name))
    check_policy(ports, call, arn, found.policy if found else "", rule_arn_on(arn, rule_name), rule)
    name = bus.resource.removeprefix("event-bus/")
    if found is None and name != DEFAULT_BUS:
        raise ResourceNotFoundException.bus(name)
    return bus


async def find_rule(ports: ApiPorts, call: Call, name: str) -> EventRule:
    """Return the rule ``name`` on the bus that the call's EventBusName names.

    Raises ResourceNotFoundException, AccessDenied.
    """
    bus = await find_rules_bus(ports, call, name)
    rule = await ports.event_rules.rule(rule_arn_on(str(bus), name))
    if rule is None:
        raise ResourceNotFoundException.rule(name, bus.resource.removeprefix("event-bus/"))
    return rule


async def find_own_rule(ports: ApiPorts, call: Call, name: str, *, is_forced: bool = False) -> EventRule:
    """Return the rule as ``find_rule`` does, to be changed; raises ManagedRuleException for an archive's, unless the
    caller insists where that is possible (``is_forced``)."""
    rule = await find_rule(ports, call, name)
    if not is_forced:
        check_own(rule)
    return rule


def check_own(rule: EventRule) -> None:
    """Raise ManagedRuleException for a rule that an archive alone changes."""
    if rule.managed_by:
        raise ManagedRuleException(rule.name)
