"""Saved queries: put, describe, delete. Each is an account's own in the called Region."""

import hashlib

from opentrail.aws.logs.errors import LimitExceededException, ResourceNotFoundException
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.logs.queries import QUERY_LANGUAGE, check_language
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.protocol import Parameters
from opentrail.resource.log_group import milliseconds
from opentrail.resource.query_definition import QueryDefinition

DEFINITIONS_PER_REGION = 1_000
"""CloudWatch Logs' quota."""

_PAGE = 1_000


async def put_query_definition(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new definition, or another content of one. On record before it takes effect.

    Its query is kept as it is, whether or not it can be read. A call with the same ``clientToken`` means the same
    definition.
    """
    parameters = call.parameters
    check_language(parameters)
    known = await ports.query_definitions.definitions(call.account_id, call.region)
    wanted = parameters.get("queryDefinitionId", "")
    if wanted and all(one.definition_id != wanted for one in known):
        raise ResourceNotFoundException.query_definition()
    definition_id = wanted or _new_id(ports, call)
    is_new = all(one.definition_id != definition_id for one in known)
    if is_new and len(known) >= DEFINITIONS_PER_REGION:
        raise LimitExceededException
    definition = QueryDefinition(
        definition_id=definition_id,
        account_id=call.account_id,
        region=call.region,
        name=parameters["name"],
        text=parameters["queryString"],
        modified_at=milliseconds(call.received_at),
        log_group_names=tuple(parameters.get("logGroupNames", ())),
        parameters=tuple(parameters.get("parameters", ())),
    )
    return Outcome({"queryDefinitionId": definition_id}, after=lambda: ports.query_definitions.put(definition))


def _new_id(ports: ApiPorts, call: Call) -> str:
    """Return a new id, the same for calls with the same client token."""
    given = call.parameters.get("clientToken")
    if not given:
        return ports.identifiers.uuid()
    digits = hashlib.sha256("\n".join((call.account_id, call.region, given)).encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


async def describe_query_definitions(ports: ApiPorts, call: Call) -> Outcome:
    """Show the definitions by name, all or those whose names begin with a prefix."""
    parameters = call.parameters
    prefix, limit = parameters.get("queryDefinitionNamePrefix", ""), parameters.get("maxResults", _PAGE)
    given = parameters.get("nextToken")
    name, last_id = read_token(call, given) if given else ("", "")
    found = [
        one
        for one in await ports.query_definitions.definitions(call.account_id, call.region)
        if one.name.startswith(prefix) and (one.name, one.definition_id) > (name, last_id)
    ]
    if parameters.get("queryLanguage", QUERY_LANGUAGE) != QUERY_LANGUAGE:
        found = []
    output: Parameters = {"queryDefinitions": [_described(one) for one in found[:limit]]}
    if len(found) > limit:
        output["nextToken"] = token(call, [found[limit - 1].name, found[limit - 1].definition_id])
    return Outcome(output)


def _described(definition: QueryDefinition) -> Parameters:
    shown: Parameters = {
        "queryLanguage": QUERY_LANGUAGE,
        "queryDefinitionId": definition.definition_id,
        "name": definition.name,
        "queryString": definition.text,
        "lastModified": definition.modified_at,
        "logGroupNames": list(definition.log_group_names),
    }
    if definition.parameters:
        shown["parameters"] = [dict(one) for one in definition.parameters]
    return shown


async def delete_query_definition(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a definition. On record before it takes effect."""
    wanted = call.parameters["queryDefinitionId"]
    known = await ports.query_definitions.definitions(call.account_id, call.region)
    if all(one.definition_id != wanted for one in known):
        raise ResourceNotFoundException.query_definition()
    return Outcome({"success": True}, after=lambda: ports.query_definitions.remove(wanted))
