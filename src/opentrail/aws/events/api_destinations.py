"""API destinations: create, describe, list, update, delete (reference: eventbridge, section 5)."""

from collections.abc import Set
from dataclasses import replace
from typing import Any

from opentrail.arn import Arn
from opentrail.aws.events.connections import check_endpoint
from opentrail.aws.events.errors import (
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.aws.events.paging import page_of
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.api_destination import (
    DEFAULT_RATE_PER_SECOND,
    ApiDestination,
    ConnectionState,
    api_destination_arn,
)

API_DESTINATIONS_PER_REGION = 3_000
"""EventBridge's quota, for one account."""


async def create_api_destination(ports: ApiPorts, call: Call) -> Outcome:
    """Plan an API destination."""
    given = call.parameters
    name = given["Name"]
    if await ports.api_destinations.named(call.account_id, call.region, name) is not None:
        raise ResourceAlreadyExistsException.api_destination(name)
    if len(await ports.api_destinations.all(call.account_id, call.region)) >= API_DESTINATIONS_PER_REGION:
        raise LimitExceededException
    await _check(ports, call)
    now = ports.clock.now()
    destination = ApiDestination(
        arn=api_destination_arn(call.region, call.account_id, name, ports.identifiers.uuid()),
        name=name,
        account_id=call.account_id,
        region=call.region,
        connection_arn=given["ConnectionArn"],
        endpoint=given["InvocationEndpoint"],
        method=given["HttpMethod"],
        created_at=now,
        modified_at=now,
        rate_per_second=given.get("InvocationRateLimitPerSecond", DEFAULT_RATE_PER_SECOND),
        description=given.get("Description", ""),
    )
    return await _kept(ports, call, destination)


async def update_api_destination(ports: ApiPorts, call: Call) -> Outcome:
    """Plan other settings of an API destination; what is not given stays as it was."""
    given = call.parameters
    before = await _named(ports, call)
    await _check(ports, call)
    changed = replace(
        before,
        connection_arn=given.get("ConnectionArn", before.connection_arn),
        endpoint=given.get("InvocationEndpoint", before.endpoint),
        method=given.get("HttpMethod", before.method),
        rate_per_second=given.get("InvocationRateLimitPerSecond", before.rate_per_second),
        description=given.get("Description", before.description),
        modified_at=ports.clock.now(),
    )
    return await _kept(ports, call, changed)


async def _kept(ports: ApiPorts, call: Call, destination: ApiDestination) -> Outcome:
    shown = _listed(destination, await _usable(ports, call))
    told = {name: shown[name] for name in ("ApiDestinationArn", "ApiDestinationState", "CreationTime")}
    output = told | {"LastModifiedTime": destination.modified_at}
    return Outcome(output, after=lambda: ports.api_destinations.put(destination))


async def describe_api_destination(ports: ApiPorts, call: Call) -> Outcome:
    """Show one API destination."""
    destination = await _named(ports, call)
    more = {"Description": destination.description} if destination.description else {}
    return Outcome(_listed(destination, await _usable(ports, call)) | more)


async def list_api_destinations(ports: ApiPorts, call: Call) -> Outcome:
    """List the API destinations of account and Region by name, all or those of one connection."""
    prefix, connection = call.parameters.get("NamePrefix", ""), call.parameters.get("ConnectionArn", "")
    found = [
        destination
        for destination in await ports.api_destinations.all(call.account_id, call.region)
        if destination.name.startswith(prefix) and connection in ("", destination.connection_arn)
    ]
    page, token = page_of(call, found, lambda destination: destination.name)
    usable = await _usable(ports, call)
    return Outcome({"ApiDestinations": [_listed(destination, usable) for destination in page], **token})


async def delete_api_destination(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of an API destination; what waits for it fails then."""
    destination = await _named(ports, call)
    return Outcome(after=lambda: ports.api_destinations.delete(destination.arn))


async def _named(ports: ApiPorts, call: Call) -> ApiDestination:
    name = call.parameters["Name"]
    found = await ports.api_destinations.named(call.account_id, call.region, name)
    if found is None:
        raise ResourceNotFoundException.api_destination(name)
    return found


async def _check(ports: ApiPorts, call: Call) -> None:
    """Raise ValidationException or ResourceNotFoundException unless endpoint and connection, where given, can be."""
    given = call.parameters
    if "InvocationEndpoint" in given:
        check_endpoint("InvocationEndpoint", given["InvocationEndpoint"])
    if "ConnectionArn" in given:
        arn = Arn.parse(given["ConnectionArn"])
        is_here = (arn.account_id, arn.region) == (call.account_id, call.region)
        if not is_here or await ports.connections.get(str(arn)) is None:
            raise ResourceNotFoundException.connection(arn.resource.split("/")[1])


async def _usable(ports: ApiPorts, call: Call) -> Set[str]:
    """Return the ARNs of the connections that API destinations can call with."""
    connections = await ports.connections.all(call.account_id, call.region)
    return {each.arn for each in connections if each.state is not ConnectionState.DEAUTHORIZED}


def _listed(destination: ApiDestination, usable: Set[str]) -> dict[str, Any]:
    return {
        "ApiDestinationArn": destination.arn,
        "Name": destination.name,
        "ApiDestinationState": "ACTIVE" if destination.connection_arn in usable else "INACTIVE",
        "ConnectionArn": destination.connection_arn,
        "InvocationEndpoint": destination.endpoint,
        "HttpMethod": destination.method,
        "InvocationRateLimitPerSecond": destination.rate_per_second,
        "CreationTime": destination.created_at,
        "LastModifiedTime": destination.modified_at,
    }
